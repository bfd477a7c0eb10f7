// SPDX-License-Identifier: Apache-2.0

package health

import "time"

// Severity of a problem. The zero value is no severity.
type Severity string

// The two severities, as status JSON spells them.
const (
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// Worse says whether s is worse than o.
func (s Severity) Worse(o Severity) bool { return s.rank() > o.rank() }

func (s Severity) rank() int {
	switch s {
	case Critical:
		return 2
	case Warning:
		return 1
	}
	return 0
}

// Subject is what a problem is about. Kind is "mirror", "cache", "client",
// "agent" or "config"; ID is a mirror's name or a path.
type Subject struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
}

// Finding is a condition that holds in one look, before its hold time is applied.
// Code and Subject, with Detail when not empty, identify it from look to look.
type Finding struct {
	Code     string
	Severity Severity
	Subject  Subject
	// Detail tells findings of one code and subject apart ("timestamp", "snapshot"); mostly "".
	Detail  string
	Summary string // one line, quoted already where it holds text from outside
	Remedy  string // what to type
	// Hold is how long the condition must last before it is raised, and be gone
	// before it is cleared. Judge takes it from the catalogue.
	Hold time.Duration
	// Fields are key/value pairs for the log ("cosign", "required", "path" …).
	Fields []any
}

// Problem is a condition that holds now.
type Problem struct {
	Code     string    `json:"code"`
	Severity Severity  `json:"severity"`
	Since    time.Time `json:"since"`
	Subject  Subject   `json:"subject"`
	Summary  string    `json:"summary"`
	Remedy   string    `json:"remedy"`
	Detail   string    `json:"detail,omitempty"`
	Fields   []any     `json:"-"`
}

// Problems turns findings into problems at once, without holding any back: for a
// single look, which has no yesterday to compare with. Worst first.
func Problems(now time.Time, findings []Finding) []Problem {
	problems := make([]Problem, 0, len(findings))
	for _, f := range findings {
		problems = append(problems, f.problem(now))
	}
	sortProblems(problems)
	return problems
}

func (f Finding) problem(since time.Time) Problem {
	return Problem{
		Code: f.Code, Severity: f.Severity, Since: since.UTC(), Subject: f.Subject,
		Summary: f.Summary, Remedy: f.Remedy, Detail: f.Detail, Fields: f.Fields,
	}
}
