// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"

	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/config"
)

// An AskError says that a question cannot be asked as it was: what is wrong with
// it was seen without asking anybody.
type AskError struct {
	err  error
	hint string
}

func (e *AskError) Error() string { return e.err.Error() }
func (e *AskError) Unwrap() error { return e.err }

// Hint says how it can be asked.
func (e *AskError) Hint() string { return e.hint }

func wrongAsk(hint, format string, args ...any) error {
	return &AskError{err: fmt.Errorf(format, args...), hint: hint}
}

// assumed is client.Model's Assume for somebody who may have mistyped.
func assumed(model *client.Model, spec string) (client.Client, error) {
	c, err := model.Assume(spec)
	if err == nil {
		return c, nil
	}
	ask := &AskError{err: err}
	if wrong := (*client.AssumeError)(nil); errors.As(err, &wrong) {
		ask.hint = wrong.Hint()
		if near := config.DidYouMean(wrong.Unknown, model.Names()); near != "" && wrong.Unknown != "" {
			ask.hint = near
		}
	}
	return c, ask
}
