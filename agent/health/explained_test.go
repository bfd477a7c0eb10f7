// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/health"
)

func TestExplained(t *testing.T) {
	m := &client.Model{Rules: []client.Rule{
		{ID: "A", Symptom: "updating: invalid key"},
		{ID: "B", Symptom: "invalid key"},
		{ID: "C", Symptom: "starting: invalid key", SymptomV2: "not enough signatures"},
		{ID: "D"},
	}}
	for _, tt := range []struct {
		name, text string
		expected   []string
		want       string
	}{
		{"nothing known", "no space left", nil, ""},
		{"of two symptoms the longer one", "error updating: invalid key", nil, "A"},
		{"the shorter one alone", "reading: invalid key", nil, "B"},
		{"the end of what was expected", "reading: invalid key", []string{"C"}, "C"},
		{"expected, by the other library's symptom", "root: not enough signatures", []string{"C"}, "C"},
		{"expected, but something else happened", "error updating: invalid key", []string{"D"}, "A"},
	} {
		if got, ok := health.Explained(m, tt.text, tt.expected); got.ID != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: rule %q, %v, want %q", tt.name, got.ID, ok, tt.want)
		}
	}
}
