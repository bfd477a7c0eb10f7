// SPDX-License-Identifier: Apache-2.0

package health

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// topLevel are the roles whose expiry is judged.
var topLevel = [...]string{trust.Root, trust.Timestamp, trust.Snapshot, trust.Targets}

func (j *judge) mirror(m MirrorFacts) {
	subject := Subject{Kind: "mirror", ID: m.Name}
	base := values{
		"mirror": Plain(m.Name), "url": Plain(m.URL),
		"probe":    Typed(strings.TrimRight(m.URL, "/") + "/timestamp.json"),
		"failures": times(m.Failures), "since": j.since(m), "error": Line(m.LastError),
	}
	fields := []any{"mirror", m.Name}
	add := func(f finding) {
		f.subject, f.fields = subject, append(slices.Clone(fields), f.fields...)
		for k, v := range base {
			if _, set := f.values[k]; !set && f.values != nil {
				f.values[k] = v
			}
		}
		if f.values == nil {
			f.values = base
		}
		// Nothing on this host depends on a preview: what is wrong with it can wait.
		if m.Preview {
			f.severity = Warning
		}
		j.add(f)
	}
	j.failure(m, add)
	if len(m.Damaged) > 0 {
		what := Line(m.Damaged[0])
		if n := len(m.Damaged) - 1; n > 0 {
			what += fmt.Sprintf(" (and %d more)", n)
		}
		add(finding{code: StoreDamaged, severity: Warning, detail: "set aside", values: values{"error": what}})
	}
	j.expiry(m, add)
	j.keyType(m, add)
}

// failure finds the one condition that names why refreshing fails. One cause
// gives one problem: what follows from it shows as expiry, when it does.
func (j *judge) failure(m MirrorFacts, add func(finding)) {
	if m.LastError == "" && m.Kind == FailNone {
		if silent := j.silence(m); silent > 0 {
			add(finding{code: RefreshFailing, severity: Warning, values: values{
				"failures": "no failure", "error": "no refresh has finished since",
			}})
		}
		return
	}
	// Without a last good set there is nothing to fall back on.
	grave := Warning
	if m.Set == nil {
		grave = Critical
	}
	f := finding{severity: grave, fields: []any{"kind", string(m.Kind), "error", Line(m.LastError)}}
	switch m.Kind {
	case FailUnreachable:
		f.code = MirrorUnreachable
	case FailInconsistent:
		if m.Failures < j.limits.Inconsistent {
			return
		}
		f.code = MirrorInconsistent
	case FailMisconfigured:
		f.code = MirrorMisconfigured
	case FailRollback:
		f.code, f.severity = RollbackRefused, Warning
		if m.Failures > 1 {
			f.severity = Critical
		}
		f.values = values{"offered": "metadata", "trusted": "what is trusted: " + Line(m.LastError)}
		if r := m.Rollback; r.Role != "" {
			f.values = values{
				"offered": fmt.Sprintf("%s %d", Plain(r.Role), r.Offered),
				"trusted": fmt.Sprintf("%s %d, which is trusted", Plain(r.Role), r.Trusted),
			}
			f.fields = append(f.fields, "role", r.Role, "version", r.Offered, "previous", r.Trusted)
		}
	case FailKeyType:
		f.code, f.severity = AgentOutdated, Critical
	case FailClock:
		return // clock-skewed says it, once for all mirrors
	case FailStore:
		f.code, f.severity = StoreDamaged, Critical
	case FailSignature:
		// Another repository's root, or an attack: never healed by trying again.
		f.code, f.severity = RefreshFailing, Warning
		if m.Failures > 1 || m.Set == nil {
			f.severity = Critical
		}
		f.remedy = "check that the mirror's URL and its initial root belong to the same repository; if they do, treat the mirror as compromised and tell whoever runs " + Plain(m.URL)
	case FailExpired:
		f.code = RefreshFailing
		f.remedy = "timedatectl status; if the clock is right, ask whoever runs " + Plain(m.URL) + " to sign it again"
	default:
		f.code = RefreshFailing
	}
	add(f)
}

// silence is how long a mirror has gone without a success beyond what is
// allowed; zero when it has not, or when nobody has tried yet: a look without an
// agent knows when something new last came, not when the mirror was last asked.
func (j *judge) silence(m MirrorFacts) time.Duration {
	if m.LastSuccess.IsZero() || m.LastAttempt.IsZero() || j.clockBack() {
		return 0
	}
	return max(0, j.facts.At.Sub(m.LastSuccess)-max(j.limits.Silence, 3*m.Interval))
}

func (j *judge) since(m MirrorFacts) string {
	if m.LastSuccess.IsZero() {
		return "no success yet"
	}
	return "last success " + Span(j.facts.At.Sub(m.LastSuccess)) + " ago"
}

// expiry judges the time left to each role, unless the clock cannot be believed.
func (j *judge) expiry(m MirrorFacts, add func(finding)) {
	if m.Set == nil || j.clockBack() {
		return
	}
	why := "the mirror offers nothing newer"
	if m.LastError != "" {
		why = "refreshing fails"
	}
	for _, name := range topLevel {
		role, ok := m.Set.Role(name)
		if !ok {
			continue
		}
		left, limit := role.Expires.Sub(j.facts.At), j.limits.Thresholds[name]
		f := finding{detail: name, values: values{
			"role": name, "version": fmt.Sprint(role.Version), "left": Span(left), "expires": Instant(role.Expires), "why": why,
		}, fields: []any{"role", name, "version", role.Version, "expires", role.Expires.UTC().Format(time.RFC3339)}}
		switch {
		case role.Expired(j.facts.At):
			f.code, f.severity = MetadataExpired, Critical
		case left <= limit.Critical:
			f.code, f.severity = MetadataExpiring, Critical
		case left <= limit.Warning:
			f.code, f.severity = MetadataExpiring, Warning
		default:
			continue
		}
		add(f)
	}
}

// keyType finds keys that nobody is known to read: in the roots of the last good
// set and the delegations of its targets, where this agent got along without them,
// and in what made its refresh stop.
func (j *judge) keyType(m MirrorFacts, add func(finding)) {
	coming := "clients that pass today will fail when they read it"
	if m.Preview {
		coming = "clients that pass today will fail when production adopts this"
	}
	told := map[string]bool{}
	tell := func(where string, k trust.KeyForm) {
		key := Plain(k.KeyType) + " " + Plain(k.Scheme)
		if told[key] {
			return
		}
		told[key] = true
		if len(k.Roles) > 0 {
			where += " for " + Line(strings.Join(plainAll(k.Roles), ", "))
		}
		f := finding{code: KeyTypeUnknown, values: values{
			"keytype": Plain(k.KeyType), "scheme": Plain(k.Scheme), "where": where, "coming": coming,
		}, fields: []any{"keytype", k.KeyType, "scheme", k.Scheme}}
		if len(told) > 1 { // the first keeps its name when others come and go
			f.detail = key
		}
		add(f)
	}
	if m.Kind == FailKeyType && m.Unread.KeyType != "" && !knownKind(m.Unread) {
		tell("in what it offers,", m.Unread)
	}
	if m.Set == nil {
		return
	}
	required := m.Set.Requirements()
	for _, root := range slices.Backward(required.Roots) {
		for _, k := range unknownKinds(root.Keys) {
			tell(fmt.Sprintf("in root %d", root.Version), k)
		}
	}
	if required.Targets == nil {
		return
	}
	for _, k := range unknownKinds(required.Targets.DelegationKeys) {
		tell(fmt.Sprintf("in targets %d", required.Targets.Version), k)
	}
}

// unknownKinds are the kinds of keys that nobody is known to read, each once, with
// all the roles that it signs for.
func unknownKinds(keys []trust.KeyForm) []trust.KeyForm {
	var kinds []trust.KeyForm
	for _, k := range keys {
		if knownKind(k) {
			continue
		}
		i := slices.IndexFunc(kinds, func(o trust.KeyForm) bool { return o.KeyType == k.KeyType && o.Scheme == k.Scheme })
		if i < 0 {
			i, kinds = len(kinds), append(kinds, trust.KeyForm{KeyType: k.KeyType, Scheme: k.Scheme})
		}
		kinds[i].Roles = append(kinds[i].Roles, k.Roles...)
	}
	for i := range kinds {
		slices.Sort(kinds[i].Roles)
		kinds[i].Roles = slices.Compact(kinds[i].Roles)
	}
	slices.SortFunc(kinds, func(a, b trust.KeyForm) int {
		return cmp.Or(cmp.Compare(a.KeyType, b.KeyType), cmp.Compare(a.Scheme, b.Scheme))
	})
	return kinds
}

// knownKind says whether some client is known to read keys of that type with that
// scheme (measured: go-tuf v0.x and v2); how a key is written is another matter.
func knownKind(k trust.KeyForm) bool {
	switch k.KeyType {
	case "ed25519":
		return k.Scheme == "ed25519"
	case "rsa":
		return k.Scheme == "rsassa-pss-sha256"
	case "ecdsa", "ecdsa-sha2-nistp256":
		return k.Scheme == "ecdsa-sha2-nistp256" || k.KeyType == "ecdsa" && k.Scheme == "ecdsa-sha2-nistp384"
	}
	return false
}

func plainAll(texts []string) []string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = Plain(t)
	}
	return out
}
