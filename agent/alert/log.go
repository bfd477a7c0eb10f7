// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tufkeeper/tufkeeper/agent/health"
)

// Events of the log sink.
const (
	evRaised   = "problem raised"
	evReminded = "problem reminded"
	evCleared  = "problem cleared"
)

// NewLog returns a sink that writes to the log: a critical problem as an error,
// another as a warning, one that is over as information.
func NewLog(log hclog.Logger) Sink { return logSink{log} }

type logSink struct{ log hclog.Logger }

// Send writes one line and never fails for a kind of alert that exists.
func (s logSink) Send(_ context.Context, a Alert) error {
	p := a.Problem
	args := []any{
		"code", p.Code, "severity", string(p.Severity), "subject", p.Subject.Kind + " " + p.Subject.ID,
		"summary", p.Summary, "remedy", p.Remedy, "since", p.Since.UTC().Format(time.RFC3339),
	}
	if p.Detail != "" {
		args = append(args, "detail", p.Detail)
	}
	switch health.ChangeKind(a.Kind) {
	case health.Raised, health.Reminded:
		event := evRaised
		if a.Kind == string(health.Reminded) {
			event = evReminded
		}
		level := hclog.Warn
		if p.Severity == health.Critical {
			level = hclog.Error
		}
		s.log.Log(level, event, errorLast(append(args, safe(p.Fields)...))...)
	case health.Cleared:
		// The remedy is no longer needed, and the error no longer true.
		s.log.Info(evCleared, "code", p.Code, "severity", string(p.Severity),
			"subject", p.Subject.Kind+" "+p.Subject.ID, "summary", p.Summary, "lasted", a.At.Sub(p.Since).Round(time.Second).String())
	default:
		return fmt.Errorf("writing an alert to the log: unknown kind %q", a.Kind)
	}
	return nil
}

// safe keeps whole pairs only, and quotes values that came from outside.
func safe(fields []any) []any {
	out := make([]any, 0, len(fields))
	for pair := range slices.Chunk(fields, 2) {
		if len(pair) < 2 {
			break
		}
		value := pair[1]
		if text, ok := value.(string); ok {
			value = health.Line(text)
		}
		out = append(out, pair[0], value)
	}
	return out
}

// errorLast moves the error to the end, where a reader looks for it.
func errorLast(pairs []any) []any {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i] == "error" {
			e := slices.Clone(pairs[i : i+2])
			return append(slices.Delete(pairs, i, i+2), e...)
		}
	}
	return pairs
}
