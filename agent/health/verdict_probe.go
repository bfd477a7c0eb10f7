// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/client"
)

// RuleProbe is the rule of a reason that nothing but a probe gives.
const RuleProbe = "probe"

// The outcomes of a probe.
const (
	ProbeOK      = "ok"
	ProbeFailed  = "failed"
	ProbeUnclear = "unclear"
)

// ProbeOutcome is what a judgement tells of a probe.
type ProbeOutcome struct {
	Outcome string    `json:"outcome"` // "ok", "failed", "unclear"
	At      time.Time `json:"at"`
	Error   string    `json:"error,omitempty"`
}

// exercised are the rules that a probe puts to the test: it initializes, and
// uses no target file.
var exercised = [...]string{"R1", "R2", "R3", "R4", "R5", "R7", "R8", "R9", "R10", "R18", "R19"}

// probeOf returns what that very file did with that very set: its worst outcome,
// of equal ones the newest; nil when it was not run.
func (r Repository) probeOf(c client.Client) *ProbeFacts {
	newest, ok := r.newest()
	if !ok || r.Requirements.Targets == nil || c.File == (client.FileID{}) {
		return nil
	}
	var best *ProbeFacts
	rank := []string{ProbeUnclear, ProbeOK, ProbeFailed}
	for i, p := range r.Probes {
		if p.Mirror != r.Mirror || p.Path != c.Path || !p.File.Same(c.File) || p.Root != newest.Version || p.Targets != r.Requirements.Targets.Version {
			continue
		}
		if best == nil || slices.Index(rank, p.Outcome) > slices.Index(rank, best.Outcome) ||
			p.Outcome == best.Outcome && p.At.After(best.At) {
			best = &r.Probes[i]
		}
	}
	return best
}

// probed holds the judgement against what the client did when it was run. A
// failed probe beats the table; a passed one overrules the rules it exercises.
func (j *Judgement) probed(m *client.Model, c client.Client, r Repository) {
	p := r.probeOf(c)
	if p == nil {
		return
	}
	j.Probe = &ProbeOutcome{Outcome: p.Outcome, At: p.At.UTC(), Error: p.Error}
	at := Instant(p.At)
	switch p.Outcome {
	case ProbeFailed:
		if j.Verdict == Outdated {
			return
		}
		said := fmt.Sprintf("it refused root %d and what comes with it when it was run at %s: %s", p.Root, at, Line(p.Error))
		remedy := "tufkeeper probe " + Typed(c.Path) + ", and read its error"
		if rule, ok := Explained(m, p.Error, nil); ok {
			said += fmt.Sprintf(" (as under %s: %s)", rule.ID, rule.Summary)
			remedy = rule.Remedy
		}
		if j.Verdict == OK {
			j.Disagreement = fmt.Sprintf("the table says that it reads root %d, but run at %s it said: %s", p.Root, at, Line(p.Error))
		}
		// What was not known is known now.
		j.Reasons, j.Verdict = []Reason{{Rule: RuleProbe, Summary: said, Remedy: remedy}}, Outdated
	case ProbeOK:
		var overruled []string
		j.Reasons = slices.DeleteFunc(slices.Clone(j.Reasons), func(r Reason) bool {
			drop := slices.Contains(exercised[:], r.Rule)
			if drop && !r.open {
				overruled = append(overruled, r.Rule)
			}
			return drop
		})
		if len(overruled) > 0 {
			j.Until = time.Time{}
			j.Disagreement = fmt.Sprintf("the table says that it cannot read root %d (%s), but run at %s it did", p.Root, strings.Join(overruled, ", "), at)
		}
		j.Verdict = verdictOf(j.Reasons)
	}
}

// Explained returns the rule that a client's error speaks of: of those that it was
// expected to break by the end of a symptom, which libraries share, else by a whole
// one; of several, the longest symptom says most.
func Explained(m *client.Model, text string, expected []string) (client.Rule, bool) {
	best, says := client.Rule{}, ""
	for _, rule := range m.Rules {
		for _, symptom := range rule.Symptoms() {
			end := symptom[strings.LastIndex(symptom, ": ")+1:] // all of it where there is none
			if slices.Contains(expected, rule.ID) && strings.Contains(text, strings.TrimSpace(end)) {
				return rule, true
			}
			if strings.Contains(text, symptom) && len(symptom) > len(says) {
				best, says = rule, symptom
			}
		}
	}
	return best, says != ""
}
