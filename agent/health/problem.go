package health

import "time"

// Severity of a problem. The zero value is no severity.
type Severity string

// The two severities, as status JSON spells them.
const (
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

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
	// Fields are key/value pairs for the log, with STYLE's keys ("cosign", "required", "path" …).
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
