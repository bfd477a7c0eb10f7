// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/health"
)

// writeJSON writes one document, as every --json does. It may hold names that
// anybody has chosen, and standard output may be a terminal.
func (p *program) writeJSON(v any) error {
	var doc bytes.Buffer
	enc := json.NewEncoder(&doc)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := p.stdout.Write(health.PlainJSON(doc.Bytes()))
	return err
}

func nowUTC() time.Time { return time.Now().UTC() }
