// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"slices"

	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// PublicRepository describes Sigstore's public instance as it stood under that
// root, by what the compatibility table knows of it: the roots up to that one, and
// the targets of that version, or for 0 the newest that were published under it.
// It is false where the table does not list them. No expiry is judged.
func PublicRepository(m *client.Model, root, targets int64) (Repository, bool) {
	at := slices.IndexFunc(m.Roots, func(r client.KnownRoot) bool { return r.Version == root })
	if at < 0 {
		return Repository{}, false
	}
	var req trust.Requirements
	for _, known := range m.Roots[:at+1] {
		req.Roots = append(req.Roots, publicForm(known))
	}
	for _, t := range m.Targets {
		if t.Version == targets || targets == 0 && t.Root <= root {
			form := publicTargets(t)
			req.Targets = &form // they are listed oldest first
		}
	}
	return Repository{Mirror: "sigstore", Requirements: req, Start: "embedded"}, req.Targets != nil
}

// publicForm is what a root of the public instance demands. All keys of one of
// them are of one kind.
func publicForm(known client.KnownRoot) trust.RootForm {
	return trust.RootForm{
		Version: known.Version, Expires: known.Expires, SHA256: known.SHA256, SignedSHA256: known.SignedSHA256,
		OnlineKeys: fmt.Sprint("public since root ", known.OnlineKeysSince),
		Keys: []trust.KeyForm{{
			Roles:   []string{trust.Root, trust.Snapshot, trust.Targets, trust.Timestamp},
			KeyType: known.KeyType, Scheme: known.Scheme, Encoding: known.Encoding, Curve: known.Curve, Extra: known.KeyFields,
		}},
	}
}

func publicTargets(known client.KnownTargets) trust.TargetsForm {
	form := trust.TargetsForm{Version: known.Version, Paths: []string{"rekor.pub"}, LogKeyTypes: known.LogKeyTypes}
	if len(known.LogKeyTypes) > 0 {
		form.Paths = append(form.Paths, trust.TrustedRoot)
	}
	if len(known.Hashes) == 1 && known.Hashes[0] == "sha256" {
		form.SHA256Only = form.Paths
	}
	return form
}

// Fit is JudgeClient without advisories, and without what to replace the client
// by: all that a drawing of every combination needs.
func Fit(m *client.Model, c client.Client, r Repository) Judgement { return judgeFit(m, c, r) }
