// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// around is what is wrong beside the directory's own files.
func (l *look) around() []Damage {
	var d []Damage
	if l.remote.fault != "" {
		d = append(d, Damage{File: l.fromPath(remoteName), What: l.remote.fault, Object: l.remote.object})
	}
	if l.dirInfo != nil {
		d = append(d, Damage{File: ".", What: "not a directory", Object: true})
	}
	for _, b := range []branch{l.history.branch, l.targets} {
		if b.occupied() {
			d = append(d, Damage{File: b.name, What: "not a directory", Object: true})
		}
	}
	return d
}

// turnedAway are directories that are links: a choice of the user's own. They are not
// followed, so what is in them is not judged, and not replaced.
func (l *look) turnedAway() (d []Damage) {
	for _, b := range []branch{l.history.branch, l.targets} {
		if b.kind == symlink {
			d = append(d, Damage{File: b.name, What: symlink.String(), Object: true})
		}
	}
	return d
}

// occupied says whether something else stands where a directory should.
func (b branch) occupied() bool {
	return b.kind == regular || b.kind == tooLarge || b.kind == special || b.kind == unreadable
}

// fromPath names a file of the base as seen from the cache's Path.
func (l *look) fromPath(name string) string {
	if l.cache.whole() {
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
		if f.grade == broken && f.damage.Heals && (f.role != trust.Root || l.startsHere()) {
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
	file := filepath.Base(d.File)
	isTarget := strings.HasPrefix(d.File, l.targets.name+"/") && l.targets.name != ""
	switch {
	case d.What == symlink.String() && (d.File == l.targets.name || d.File == l.history.name):
		path := d.File
		if !filepath.IsAbs(path) {
			path = filepath.Join(l.cache.Path, path)
		}
		return "its client follows the link; tufkeeper does not, and has not looked at what is there", "rm " + quote(path)
	case d.File == l.fromPath(remoteName):
		remedy = moveAway(l.cache.Base + "/" + remoteName) // it may be a directory
		if l.cache.URL != "" && l.cache.URL != publicMirror {
			remedy += " && " + l.cache.initialize(l.cache.URL)
		}
		return "cosign 2.5.1 and newer fail on every run", remedy
	case d.File == rootFile && l.startsHere() && d.What == "missing":
		if l.cosigns() {
			return "cosign fails: could not find cached root.json", l.startAnew()
		}
		if l.cache.Reader == SigstorePython {
			return "its client fails: it has no root to start from", l.startAnew()
		}
		remedy = "put the root.json that you trust for this mirror at " + quote(filepath.Join(l.cache.Path, rootFile))
		if l.cache.Mirror != "" {
			remedy += "; initial_root of the configuration names one"
		}
		return "its client fails: it has no root to start from", remedy // which is never ours to choose
	case d.File == rootFile && l.startsHere():
		if l.set == nil {
			remedy = l.startAnew()
		}
		switch {
		case d.What != symlink.String():
		case l.rules.inPlace:
			return "its client reads and writes through the link, which tufkeeper does not follow", remedy
		default:
			return "its client reads through the link (and replaces it), which tufkeeper does not follow", remedy
		}
		return cmp.Or(l.program(), "its client") + " fails on every run: this file is what it starts from", remedy
	case d.File == l.checked.name && d.What == symlink.String():
		return "its client writes through the link", ""
	case d.File == l.checked.name && d.What == tooLarge.String():
		return "its client reads all of it into memory", ""
	case d.File == l.checked.name && l.rules.told:
		return "gh does not look for anything newer until that time", ""
	case d.What == notWritable:
		return "its client fails as soon as its mirror has anything newer", ""
	case d.What == special.String():
		return "its client fails or waits for ever", ""
	case (isTarget || l.rules.inPlace) && d.What == symlink.String():
		return "its client writes through the link", ""
	case isTarget && l.rules.apart && !d.Object:
		return "offline its client believes " + oneLine(errors.New(file)) + " as it is", ""
	case l.rules.believes && !d.Object && (d.What == "bad signature" || strings.HasPrefix(d.What, "older")):
		return "its client believes what is in its cache, and does not repair it", ""
	}
	return "its client fails on every run, online too, and does not repair it", ""
}

func (l *look) cosigns() bool { return l.cache.habits().remote }

// program is the client's name at the beginning of a sentence; "" where many programs
// read the cache.
func (l *look) program() string {
	if l.cosigns() {
		return string(Cosign)
	}
	return ""
}

// startAnew is what to type for a cache whose client needs another root to start from.
func (l *look) startAnew() string {
	switch {
	case l.cosigns():
		if l.cache.URL == "" {
			return "cosign initialize --mirror URL --root FILE"
		}
		return l.cache.initialize(l.cache.URL)
	case l.cache.Reader == SigstorePython:
		return "sigstore --instance " + quote(cmp.Or(l.cache.URL, "URL")) + " trust-instance FILE"
	}
	return moveAway(l.cache.Path) // its client then starts from the root it brings
}

// whenAlien is what it means that a client starts from a root that is not ours.
func (l *look) whenAlien() (detail, consequence string) {
	detail = "its root.json is not of this mirror's verified root chain"
	newest, _ := l.set.Role(trust.Root)
	switch _, known := l.set.Root(l.root.held.Version); {
	case known:
	case l.root.held.Version > newest.Version:
		detail += fmt.Sprintf(": root %d is not signed by the root before it", l.root.held.Version)
	default:
		return detail + fmt.Sprintf(": root %d is from before the roots that are known here", l.root.held.Version),
			"its client works only if its root leads to the configured mirror's"
	}
	return detail, "its client trusts another root than the configured mirror's"
}

// whenBehind is what it means for a client that its cache is older than what we know.
func (l *look) whenBehind(notBefore time.Time) string {
	h := l.cache.habits()
	if !notBefore.IsZero() {
		return fmt.Sprintf("its client does not look for anything newer before %s, and needs no network until then", notBefore.UTC().Format(time.RFC3339))
	}
	return "its client fetches what is new on its next run; " + h.offline
}

// whenAhead is what it means for a client that its cache is newer than what we know. A
// newer root alone does no harm: the client looks for the one after it (measured).
func (l *look) whenAhead() string {
	if slices.ContainsFunc(l.all(), func(f *file) bool { return f.grade == newer && f.role != trust.Root }) {
		return "its client fails while its mirror answers with less"
	}
	return ""
}

// notBefore is until when the client asks for nothing, as the cache stands.
func (l *look) notBefore() time.Time {
	var until time.Time
	if len(l.roles) == 0 {
		return until
	}
	switch timestamp := l.roles[0]; l.cache.habits().asks {
	case AsksDaily:
		told := l.checked.held.Expires
		if told.IsZero() || timestamp.held.Expires.IsZero() {
			return until // it never asked, or has nothing to go on with
		}
		until = told.AddDate(0, 0, 1)
		if timestamp.held.Expires.Before(until) {
			until = timestamp.held.Expires
		}
	case AsksLate:
		until = timestamp.held.Expires
	}
	if until.Before(l.now) {
		return time.Time{}
	}
	return until
}

// rootDigest identifies the cached root as trust.RootForm does: one of the chain that
// its client wrote anew is the one that was published.
func (l *look) rootDigest() string {
	data := l.root.data
	if l.set != nil {
		if version, ok := l.set.RootVersion(data); ok {
			data, _ = l.set.Root(version)
		}
	}
	sum := sha256.Sum256(bytes.Trim(data, jsonSpace))
	return hex.EncodeToString(sum[:])
}
