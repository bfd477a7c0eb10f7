// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/tufkeeper/tufkeeper/agent/leveldb"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// inspectLegacy looks at the LevelDB cache of cosign up to 2.5.0 and gitsign. Its
// client starts from the cached root, and does not ask its mirror for anything while
// the cached timestamp has not expired (measured).
func (c Cache) inspectLegacy(set *trust.Set, now time.Time) Inspection {
	base, err := openBase(c.Base)
	if err != nil {
		return cannotLook(err)
	}
	defer base.Close()
	held, err := readLegacy(base)
	var u *UnusableError
	switch {
	case errors.As(err, &u):
		return cannotLook(err)
	case errors.Is(err, ErrBusy):
		return Inspection{State: Foreign, Detail: "a legacy cache that its client is writing to: not judged"}
	case err != nil:
		return c.legacyDamage(Damage{File: legacyName, What: oneLine(err), Object: errors.Is(err, errNoDirectory)})
	case len(held) == 0:
		return Inspection{State: Foreign, Detail: "a legacy cache that holds nothing: its client starts from its embedded root"}
	}
	in := c.judgeLegacy(base, held, set, now)
	names, _, err := entries(base)
	if remote := readRemote(base); err == nil && remote.needsDir(names) != "" {
		in.NoRootFor = remote.url // what an initialize by an older cosign leaves behind an upgrade
	}
	return in
}

var errNoDirectory = errors.New("not a directory")

// readLegacy returns the documents of a legacy cache by role.
func readLegacy(base *os.Root) (map[string][]byte, error) {
	info, err := base.Lstat(legacyName)
	switch {
	case err != nil:
		return nil, &BusyError{RetryAfter: retrySoon} // it was there when the cache was found
	case !info.IsDir():
		return nil, errNoDirectory
	}
	path := filepath.Join(base.Name(), legacyName)
	dir, err := base.OpenRoot(legacyName + onlyDir)
	if err != nil {
		return nil, unusable(path, err)
	}
	defer dir.Close()
	if opened, err := dir.Stat("."); err != nil || !os.SameFile(info, opened) {
		return nil, &BusyError{RetryAfter: retrySoon}
	}
	// Its client opens the database for writing, whatever it is about to do (measured).
	if err := unix.Faccessat(unix.AT_FDCWD, path, unix.R_OK|unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return nil, unusable(path, err)
	}
	roles := []string{trust.Root, trust.Timestamp, trust.Snapshot, trust.Targets}
	var keys []string
	for _, role := range roles {
		keys = append(keys, role+".json")
	}
	values, err := leveldb.Read(dir, keys...)
	switch {
	case errors.Is(err, leveldb.ErrChanging):
		return nil, &BusyError{RetryAfter: retrySoon}
	case errors.Is(err, fs.ErrPermission):
		var of *fs.PathError
		if errors.As(err, &of) {
			path = filepath.Join(path, of.Path)
		}
		return nil, unusable(path, err)
	case err != nil:
		return nil, err
	}
	held := map[string][]byte{}
	for _, role := range roles {
		data, ok := values[role+".json"]
		if int64(len(data)) > trust.MaxSize(role) {
			return nil, fmt.Errorf("%s: too large", role)
		}
		if ok {
			held[role] = data
		}
	}
	return held, nil
}

func (c Cache) legacyDamage(all ...Damage) Inspection {
	var steps []string
	state := Damaged
	for _, d := range all {
		if d.File == legacyName || d.Object { // what initialize does not write over (measured)
			path := filepath.Join(c.Base, d.File)
			steps = append(steps, "mv "+quote(path)+" "+quote(path+".broken"))
		}
		if d.Object {
			state = Unusable
		}
	}
	steps = append(slices.Compact(steps), c.initialize(c.URL))
	return Inspection{
		State:       state,
		Detail:      "a legacy cache; " + tell(all),
		Consequence: "cosign up to 2.5.0 and gitsign fail on every run",
		Remedy:      strings.Join(steps, " && "),
		Damage:      all,
	}
}

// initialize is what to type for cosign to fill its cache anew from a mirror. Without
// a mirror it goes to the public one. What remote.json holds instead of a URL is never
// part of a command: the file is moved out of the way.
func (c Cache) initialize(mirror string) string {
	switch {
	case mirror == "" || mirror == publicMirror:
		return "cosign initialize"
	case !isURL(mirror):
		path := filepath.Join(c.Base, remoteName)
		return "mv " + quote(path) + " " + quote(path+".broken")
	case isOldBucket(mirror):
		return "cosign initialize"
	}
	return "cosign initialize --mirror " + quote(mirror) + " --root FILE"
}

// isURL says whether a mirror is named by what everybody reads as the URL of one.
func isURL(mirror string) bool {
	u, err := url.Parse(mirror)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.Opaque == "" &&
		!strings.ContainsFunc(mirror, func(r rune) bool { return r <= ' ' || !strconv.IsPrint(r) || r == utf8.RuneError })
}

// named tells which mirror remote.json names.
func named(mirror string) string {
	if isURL(mirror) {
		return strconv.Quote(mirror)
	}
	return fmt.Sprintf("no URL but %q", mirror)
}

func (c Cache) judgeLegacy(base *os.Root, held map[string][]byte, set *trust.Set, now time.Time) Inspection {
	in := Inspection{Versions: map[string]int64{}}
	var damage []Damage
	var behind, ahead bool
	for _, role := range []string{trust.Root, trust.Timestamp, trust.Snapshot, trust.Targets} {
		data, ok := held[role]
		if !ok {
			continue
		}
		peek, err := trust.Peek(role, data)
		if err != nil {
			damage = append(damage, Damage{File: legacyName, What: role + ": " + malformed(data)})
			continue
		}
		in.Versions[role] = peek.Version
		switch role {
		case trust.Root:
			sum := sha256.Sum256(bytes.Trim(data, jsonSpace))
			in.Root, in.RootVersion, in.RootSHA256 = data, peek.Version, hex.EncodeToString(sum[:])
		case trust.Timestamp:
			in.TimestampExpires = peek.Expires
		}
		if set != nil {
			ours, _ := set.Role(role)
			behind = behind || peek.Version < ours.Version
			ahead = ahead || peek.Version > ours.Version
		}
	}
	if len(damage) == 0 && set != nil && legacyOurs(held, set) {
		damage = legacyTargets(base, set, in.Versions[trust.Targets])
	}
	if len(damage) > 0 {
		found := c.legacyDamage(damage...)
		found.Versions, found.TimestampExpires = in.Versions, in.TimestampExpires
		found.Root, found.RootVersion, found.RootSHA256 = in.Root, in.RootVersion, in.RootSHA256
		return found
	}
	until := in.TimestampExpires.UTC().Format(time.RFC3339)
	versions := fmt.Sprintf("a legacy cache with root %d, timestamp %d", in.RootVersion, in.Versions[trust.Timestamp])
	switch {
	case in.TimestampExpires.IsZero() || now.After(in.TimestampExpires):
		in.State = Expired
		in.Detail = fmt.Sprintf("%s, expired %s", versions, until)
		in.Consequence = "its client asks its mirror on its next run, and keeps working only if it can read what is published now"
	case set == nil:
		in.State, in.Detail = Foreign, versions+"; not compared"
	case !legacyOurs(held, set):
		in.State, in.Detail = Foreign, versions+", not signed by this mirror's root"
	case ahead:
		in.State, in.Detail = Ahead, versions+", newer than the last good set"
		in.Consequence = "its client does not look for anything newer before " + until
	case behind:
		in.State, in.Detail = Behind, versions+", older than the last good set"
		in.Consequence = "its client does not look for anything newer before " + until
	default:
		in.State, in.Detail = Fresh, versions
	}
	return in
}

// legacyOurs says whether the cached timestamp is signed by a root of the set's chain,
// and the root that its client starts from is not one of another.
func legacyOurs(held map[string][]byte, set *trust.Set) bool {
	if root, err := trust.Peek(trust.Root, held[trust.Root]); err == nil {
		_, known := set.Root(root.Version)
		newest, _ := set.Role(trust.Root)
		if g, _ := gradeRoot(set, held[trust.Root], root.Version); g == alien && (known || root.Version > newest.Version) {
			return false
		}
	}
	if _, err := set.Check(trust.Timestamp, held[trust.Timestamp]); err == nil {
		return true
	}
	_, err := set.CheckFormer(trust.Timestamp, held[trust.Timestamp])
	return err == nil
}

// legacyTargets judges the target files, which the client checks on every run and
// does not download again while its timestamp is valid (measured). They can only be
// compared where the cache has the same targets as the set.
func legacyTargets(base *os.Root, set *trust.Set, version int64) (damage []Damage) {
	if ours, _ := set.Role(trust.Targets); ours.Version != version {
		return nil
	}
	for _, t := range set.Targets() {
		name := plainName(url.PathEscape(t.Path))
		if name == "" || t.Role != trust.Targets || t.Length > trust.MaxTargetFile {
			continue
		}
		name = filepath.Join(targetsDir, name)
		f := readFile(base, name, t.Length)
		switch {
		case f.kind == regular && t.Verify(f.data) == nil:
		case f.kind == absent:
			damage = append(damage, Damage{File: name, What: "missing"}) // it keeps every one that is listed
		case f.kind == regular, f.kind == tooLarge:
			damage = append(damage, Damage{File: name, What: "not what its metadata lists"})
		default:
			damage = append(damage, Damage{File: name, What: f.kind.String(), Object: true})
		}
	}
	return damage
}
