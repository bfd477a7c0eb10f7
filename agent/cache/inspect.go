// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// Inspect looks at the cache and holds it against set, the last good set of its
// mirror; nil judges only whether it can be read. It changes nothing, takes no lock,
// and never fails: what stops it is the finding.
func (c Cache) Inspect(set *trust.Set, now time.Time) (found Inspection) {
	err := trust.Guard("inspecting "+c.Path, func() error {
		if c.Layout == LayoutLegacy {
			found = c.inspectLegacy(set, now)
			return nil
		}
		l, err := c.lookAt(set, now)
		if err != nil {
			return err
		}
		defer l.close()
		found = l.judge()
		return nil
	})
	if err != nil {
		return cannotLook(err)
	}
	return found
}

// cannotLook is the inspection of a cache that could not be looked at.
func cannotLook(err error) Inspection {
	var u *UnusableError
	switch {
	case errors.As(err, &u):
		return Inspection{State: Unusable, Detail: u.Error(), Remedy: u.Remedy,
			Consequence: "its client fails, or cannot keep what it downloads"}
	case errors.Is(err, ErrBusy):
		return Inspection{State: Foreign, Detail: "its client is at work in it: not judged"}
	}
	return Inspection{State: Foreign, Detail: "not understood: " + oneLine(err)}
}

// judge turns a look into what a person is told. The worst comes first.
func (l *look) judge() Inspection {
	in := Inspection{Versions: map[string]int64{}}
	for _, f := range l.all() {
		if f.grade == broken {
			in.Damage = append(in.Damage, f.damage)
		}
		if f.role != "" && f.held.Version > 0 {
			in.Versions[f.role] = f.held.Version
		}
		if f.role == trust.Timestamp {
			in.TimestampExpires = f.held.Expires
		}
	}
	if l.root.kind == regular {
		in.Root = l.root.data
		if l.startsHere() && l.root.held.Version > 0 {
			sum := sha256.Sum256(bytes.Trim(l.root.data, jsonSpace))
			in.RootVersion, in.RootSHA256 = l.root.held.Version, hex.EncodeToString(sum[:])
		}
	}
	in.Damage = append(l.around(), in.Damage...)

	switch fatal := permanent(in.Damage); {
	case len(fatal) > 0:
		in.State = Damaged
		in.Detail = tell(fatal)
		in.Consequence, in.Remedy = l.consequence(fatal[0])
	case l.alien():
		in.State = Foreign
		in.Detail = "its root.json is not of this mirror's verified root chain"
		in.Consequence = "its client trusts another root than the configured mirror's"
		in.Remedy = "cosign initialize --mirror " + quote(l.cache.URL) + " --root FILE"
	case len(l.healing()) > 0:
		in.State = Damaged
		in.Detail = tell(l.healing())
		in.Consequence = "its client downloads it anew on its next run"
	case l.set == nil:
		in.State, in.Detail = l.withoutSet()
	case l.ahead():
		in.State = Ahead
		in.Detail = "newer than the last good set: " + l.versions(newer)
	case l.behind():
		in.State = Behind
		in.Detail = "older than the last good set: " + l.versions(older)
	default:
		in.State = Fresh
		in.Detail = l.content()
		if role, late := l.expired(); late {
			in.State = Expired
			in.Detail = fmt.Sprintf("%s expired %s, and the mirror has nothing newer", role.Name, role.Expires.UTC().Format(time.RFC3339))
			in.Consequence = "its client fails until the mirror publishes anew"
		}
	}
	return in
}

// around is what is wrong beside the directory's own files.
func (l *look) around() []Damage {
	var d []Damage
	if l.remote.fault != "" {
		d = append(d, Damage{File: l.fromPath(remoteName), What: l.remote.fault})
	}
	if l.dirInfo != nil {
		d = append(d, Damage{File: ".", What: "not a directory"})
	}
	if k := l.targets.kind; k == regular || k == tooLarge || k == special || k == unreadable {
		d = append(d, Damage{File: targetsDir, What: "not a directory"})
	}
	return d
}

// fromPath names a file of the base as seen from the cache's Path.
func (l *look) fromPath(name string) string {
	if l.cache.Path == l.cache.Base {
		return name
	}
	return "../" + name
}

func permanent(all []Damage) []Damage {
	var out []Damage
	for _, d := range all {
		if !d.Heals {
			out = append(out, d)
		}
	}
	return out
}

// healing is damage that the client repairs. A default mirror's root.json is not
// counted: every run of its client writes it.
func (l *look) healing() []Damage {
	var out []Damage
	for _, f := range l.all() {
		if f.grade == broken && f.damage.Heals && f.role != trust.Root {
			out = append(out, f.damage)
		}
	}
	return out
}

func tell(all []Damage) string {
	var parts []string
	for _, d := range all {
		parts = append(parts, fmt.Sprintf("%s: %s", oneLine(errors.New(d.File)), d.What))
	}
	return strings.Join(parts, "; ")
}

// consequence says what the client meets and, where only its owner may act, what to type.
func (l *look) consequence(d Damage) (consequence, remedy string) {
	switch {
	case d.File == l.fromPath(remoteName):
		path := quote(l.cache.Base + "/" + remoteName)
		return "cosign 2.5.1 and newer fail on every run", "rm " + path + ", then cosign initialize where the mirror is not the public one"
	case d.File == rootFile && l.startsHere() && d.What == "missing":
		return "cosign fails: could not find cached root.json",
			"cosign initialize --mirror " + quote(l.cache.URL) + " --root FILE"
	case d.File == rootFile && l.startsHere():
		if l.set == nil {
			remedy = "cosign initialize --mirror " + quote(cmp.Or(l.cache.URL, "URL")) + " --root FILE"
		}
		return "cosign fails on every run: this file is what it starts from", remedy
	case d.File == l.checked.name && d.What == symlink.String():
		return "its client writes through the link", ""
	case d.File == l.checked.name && d.What == tooLarge.String():
		return "its client reads all of it into memory", ""
	case d.File == l.checked.name:
		return "gh does not look for anything newer until that time", ""
	case d.What == special.String():
		return "its client fails or waits for ever", ""
	case strings.HasPrefix(d.File, targetsDir+"/") && d.What == symlink.String():
		return "its client writes through the link", ""
	}
	return "its client fails on every run, online too, and does not repair it", ""
}

// withoutSet judges a cache that there is nothing to compare with.
func (l *look) withoutSet() (State, string) {
	if role, late := l.expired(); late {
		return Expired, fmt.Sprintf("%s expired %s; its mirror is not known here", role.Name, role.Expires.UTC().Format(time.RFC3339))
	}
	if l.cache.Mirror != "" {
		return Foreign, "readable; its mirror has not been refreshed yet, so it was not compared"
	}
	return Foreign, "readable; its mirror is not configured, so it was not compared"
}

// expired returns the first of the roles below root that is past its expiry.
func (l *look) expired() (trust.Role, bool) {
	for _, f := range l.roles {
		if (f.grade == equal || f.grade == unjudged) && f.held.Expired(l.now) {
			return f.held, true
		}
	}
	return trust.Role{}, false
}

// behind says whether publishing would change the cache.
func (l *look) behind() bool {
	if l.bare() {
		return true
	}
	for _, f := range l.all() {
		if l.wants(f) {
			return true
		}
	}
	return false
}

// versions lists the roles of one grade, "timestamp 12 (14)": held, then ours.
func (l *look) versions(g grade) string {
	var parts []string
	for _, f := range l.all() {
		switch {
		case f.grade == missing && l.wants(f):
			parts = append(parts, f.name+" missing")
		case f.grade != g:
		case f.role == "":
			parts = append(parts, oneLine(errors.New(f.name)))
		default:
			ours, _ := l.set.Role(f.role)
			parts = append(parts, fmt.Sprintf("%s %d (%d)", oneLine(errors.New(f.role)), f.held.Version, ours.Version))
		}
	}
	return strings.Join(parts, ", ")
}

func (l *look) content() string {
	if !l.filled() {
		return "holds no metadata yet: its client downloads it"
	}
	return "what the mirror has"
}
