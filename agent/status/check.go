// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// Exit codes of a check, by the monitoring convention.
const (
	CheckOK = iota
	CheckWarning
	CheckCritical
	CheckUnknown
)

// staleAfter is how many intervals a report is believed.
const staleAfter = 3

// Check writes what a monitoring system wants: one line with a verdict and
// performance data, then a line per problem. It returns the exit code. A report
// that is too old, or that knows of no refresh, is unknown and never ok; so is a
// report that cannot be written.
func Check(w io.Writer, r Report, now time.Time) int {
	r = r.whole()
	code, text := r.check(now)
	word := [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}[code]
	var b strings.Builder
	fmt.Fprintf(&b, "%s - %s | %s\n", word, unpiped(text), strings.Join(r.performance(now), " "))
	for _, p := range r.Problems {
		line := fmt.Sprintf("%s %s: %s", strings.ToUpper(string(p.Severity)), health.Plain(p.Code), health.Line(p.Summary))
		if p.Remedy != "" {
			if todo := health.Todo(p.Remedy); todo == health.Line(p.Remedy) && todo == unpiped(todo) {
				line += "; to do: " + todo
			} else { // a command that is cut off or changed is another one
				line += "; to do: as tufkeeper status says"
			}
		}
		b.WriteString(unpiped(line) + "\n")
	}
	for _, u := range r.Unseen {
		b.WriteString(unpiped("not looked at: "+health.Line(u)) + "\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return CheckUnknown
	}
	return code
}

// CheckFailed writes why no check could be made, and returns CheckUnknown.
func CheckFailed(w io.Writer, err error) int {
	// Nothing is left to do when not even this can be written: the code says it.
	_, _ = fmt.Fprintf(w, "UNKNOWN - %s\n", unpiped(health.Line(err.Error())))
	return CheckUnknown
}

func (r Report) check(now time.Time) (int, string) {
	if age, old := r.stale(now); old {
		return CheckUnknown, fmt.Sprintf("the last report is %s old, from %s: is the agent running?", health.Span(age), health.Instant(r.Generated))
	}
	if r.Generated.Sub(now) > health.DefaultLimits().Skew {
		return CheckUnknown, fmt.Sprintf("the last report is from the future, %s: is the clock right?", health.Instant(r.Generated))
	}
	codes := make([]string, 0, len(r.Problems))
	for _, p := range r.Problems {
		if code := health.Plain(p.Code); !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	late := r.expiredSince(now)
	critical, warning := r.count()
	text := ""
	if critical+warning > 0 {
		text = counted(critical, warning) + ": " + strings.Join(codes, ", ")
	}
	switch {
	case len(late) > 0:
		return CheckCritical, joined("; ", text, health.MetadataExpired+": "+strings.Join(late, ", ")+" expired after the last report")
	case critical > 0:
		return CheckCritical, text
	case warning > 0:
		return CheckWarning, text
	case len(r.Mirrors) == 0:
		return CheckUnknown, "no mirror is configured"
	}
	if waiting := r.unrefreshed(); len(waiting) > 0 {
		return CheckUnknown, "nothing was refreshed yet from " + strings.Join(waiting, ", ")
	}
	return CheckOK, r.summary(now)
}

// stale says how old the report is, and whether it is too old to be believed.
func (r Report) stale(now time.Time) (time.Duration, bool) {
	age := now.Sub(r.Generated)
	return age, r.IntervalSeconds > 0 && age > staleAfter*time.Duration(r.IntervalSeconds)*time.Second
}

// unrefreshed names the mirrors of which nothing is known.
func (r Report) unrefreshed() []string {
	var names []string
	for _, m := range r.Mirrors {
		if len(m.Roles) == 0 {
			names = append(names, health.Plain(m.Name))
		}
	}
	return names
}

// expiredSince names what has expired between the report and now. With a clock
// that is known to be wrong nothing is said of expiry, as in the report.
func (r Report) expiredSince(now time.Time) []string {
	var expired []string
	for _, p := range r.Problems {
		if p.Code == health.ClockSkewed {
			return nil
		}
	}
	for _, m := range r.Mirrors {
		for _, name := range roleNames {
			role, ok := m.Roles[name]
			if ok && !m.Preview && now.After(role.Expires) && !r.Generated.After(role.Expires) {
				expired = append(expired, fmt.Sprintf("%s %d of mirror %s", name, role.Version, health.Plain(m.Name)))
			}
		}
	}
	return expired
}

// summary says in a few words what there is, when all is well.
func (r Report) summary(now time.Time) string {
	parts := []string{}
	for _, m := range r.Mirrors {
		if role, ok := m.Roles[trust.Timestamp]; ok && !m.Preview {
			parts = append(parts, fmt.Sprintf("%s timestamp %d, %s left", health.Plain(m.Name), role.Version, health.Span(role.Expires.Sub(now))))
		}
	}
	parts = append(parts, r.failing()...)
	caches := plural(len(r.Caches), "cache")
	if text := r.troubled(); text != "" {
		caches += ", " + text
	}
	return strings.Join(append(parts, caches, plural(len(r.Clients), "client")), "; ")
}

// Headline is one line about this host, for the service manager.
func (r Report) Headline() string {
	t, text := r.verdict(r.Generated)
	switch t {
	case good:
		return "ok: " + r.summary(r.Generated)
	case bad, warn:
		if len(r.Problems) > 0 {
			return text + ": " + health.Plain(r.Problems[0].Code)
		}
	}
	return text
}

// performance is the data behind the bar: labels come from the configuration,
// never from the network. Seconds left are negative once a role has expired.
func (r Report) performance(now time.Time) []string {
	critical, warning := r.count()
	data := []string{
		fmt.Sprintf("critical=%d;;0;0", critical), fmt.Sprintf("warning=%d;0;;0", warning),
		fmt.Sprintf("age=%ds;;;0", max(0, int64(now.Sub(r.Generated)/time.Second))),
		fmt.Sprintf("caches=%d;;;0", len(r.Caches)), fmt.Sprintf("clients=%d;;;0", len(r.Clients)),
	}
	for _, m := range r.Mirrors {
		for _, name := range roleNames {
			if role, ok := m.Roles[name]; ok {
				data = append(data, fmt.Sprintf("'%s %s'=%ds", label(m.Name), name, int64(role.Expires.Sub(now)/time.Second)))
			}
		}
	}
	return data
}

// label keeps a mirror's name from ending its label early.
func label(name string) string {
	return strings.NewReplacer("'", "_", "=", "_", "|", "_").Replace(health.Plain(name))
}

// unpiped keeps a text from being taken for performance data.
func unpiped(text string) string { return strings.ReplaceAll(text, "|", "¦") }
