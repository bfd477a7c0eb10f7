// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// Inspect looks at the cache and holds it against set, the last good set of its
// mirror; nil judges only whether it can be read. It changes nothing, takes no lock,
// and never fails: what stops it is the finding.
func (c Cache) Inspect(set *trust.Set, now time.Time) (found Inspection) {
	err := trust.Guard("inspecting "+c.Path, func() error {
		switch {
		case c.misplaced():
			found = Inspection{State: Foreign, Detail: c.resemblance()}
			return nil
		case c.Layout == LayoutLegacy:
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
		found = cannotLook(err)
	}
	found.Asks = c.habits().asks
	return found
}

// resemblance says what a misplaced cache looks like.
func (c Cache) resemblance() string {
	switch {
	case c.Layout != LayoutLegacy && c.whole() && c.habits().layout == LayoutSigstoreJS:
		return "left by releases of @sigstore/tuf before 2.3: nothing reads it now"
	case c.whole() && c.Layout != LayoutLegacy:
		return fmt.Sprintf("the directory itself holds a cache, as sigstore-java's does, and is %s's place: left alone", c.Reader)
	}
	return fmt.Sprintf("looks like a cache in the layout of %s, in %s's place: left alone", c.Layout, c.Reader)
}

// cannotLook is the inspection of a cache that could not be looked at.
func cannotLook(err error) Inspection {
	var u *UnusableError
	switch {
	case errors.As(err, &u) && u.Left != "":
		return Inspection{State: Foreign, Detail: u.Reason, Remedy: u.Remedy}
	case errors.As(err, &u):
		return Inspection{State: Unusable, Detail: u.Error(), Remedy: u.Remedy,
			Damage:      []Damage{{File: ".", What: u.Reason, Object: true}},
			Consequence: cmp.Or(u.Consequence, "its client fails, or cannot keep what it downloads")}
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
			in.RootVersion, in.RootSHA256 = l.root.held.Version, l.rootDigest()
		}
	}
	in.Damage = slices.Concat(l.around(), in.Damage, l.turnedAway())
	in.NotBefore = l.notBefore()

	switch fatal := permanent(in.Damage); {
	case l.alien():
		in.State = Foreign
		in.Detail, in.Consequence = l.whenAlien()
		in.Remedy = l.startAnew()
	case len(fatal) > 0:
		in.State = Damaged
		if fatal[0].Object {
			in.State = Unusable
		}
		in.Detail = tell(fatal)
		in.Consequence, in.Remedy = l.consequence(fatal[0])
	case len(l.healing()) > 0:
		in.State = Damaged
		in.Detail = tell(l.healing())
		in.Consequence = "its client downloads it anew on its next run"
	case l.set == nil:
		in.State, in.Detail = l.withoutSet()
	case l.ahead():
		in.State = Ahead
		in.Detail = "newer than the last good set: " + l.versions(newer)
		// No file to remove is named: what is newer is what protects its client from a
		// mirror that went back.
		in.Consequence = l.whenAhead()
		if l.root.grade == newer && !l.root.signed {
			in.Detail += "; root.json was not verified: the roots before it are not known here"
		}
	case l.behind():
		in.State = Behind
		in.Detail = "older than the last good set: " + l.versions(older)
		in.Consequence = l.whenBehind(in.NotBefore)
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
