// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// TestAssumedClientsThatAreALibrary judges releases by their own version. Where one
// in another language starts is not known: an old root that it would never read is
// no reason against it.
func TestAssumedClientsThatAreALibrary(t *testing.T) {
	first := rootOf(1, trust.KeyForm{Roles: []string{"root"}, KeyType: old, Scheme: old, Encoding: "hex", Curve: "P-256"})
	last := rootOf(2, trust.KeyForm{Roles: []string{"root"}, KeyType: ecdsa, Scheme: "ecdsa-sha2-nistp256", Encoding: "pem", Curve: "P-256"})
	last.Expires = instant(t, "2027-01-01T00:00:00Z")
	r := health.Repository{Mirror: "m", Requirements: trust.Requirements{Roots: []trust.RootForm{first, last}}}
	for _, tt := range []struct {
		spec    string
		at      time.Time
		verdict health.Verdict
		says    string
	}{
		{"sigstore-java@2.2.0", time.Time{}, health.OK, ""},
		{"sigstore-java@2.2.0", last.Expires.Add(-time.Hour), health.OK, ""},
		{"sigstore-java@2.2.0", last.Expires.Add(time.Hour), health.Outdated, "root 2 expired at 2027-01-01"},
		{"npm@11.0.0", time.Time{}, health.Unknown, "is not known"},
		{"tuf-client@v0.5.2", time.Time{}, health.Outdated, "go-tuf v0.5.2"},
		{"rekor-cli@v1.5.5", time.Time{}, health.Unknown, "has no TUF client: it reads no root"},
	} {
		r.At = tt.at
		j := health.JudgeClient(loadModel(t), assume(t, tt.spec), r)
		var says []string
		for _, reason := range j.Reasons {
			says = append(says, reason.Summary)
		}
		if all := strings.Join(says, "; "); j.Verdict != tt.verdict || !strings.Contains(all, tt.says) || tt.says == "" && all != "" {
			t.Errorf("%s at %s: %s: %s; want %s: %s", tt.spec, tt.at, j.Verdict, all, tt.verdict, tt.says)
		}
	}
}
