// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"time"
)

// writeJSON writes one document, as every --json does.
func (p *program) writeJSON(v any) error {
	enc := json.NewEncoder(p.stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func nowUTC() time.Time { return time.Now().UTC() }
