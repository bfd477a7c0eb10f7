// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/mirror"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// readWhere reads what clients are to be held against from somewhere else than
// the stores: a mirror URL, a directory of N.root.json (with the other roles
// where they are there), or one root file, which is judged by itself. Nothing of
// it is verified and nothing is kept: it answers a question, and is never trusted.
func readWhere(ctx context.Context, where string) (health.Repository, error) {
	r := health.Repository{Mirror: where}
	scheme, _, isURL := strings.Cut(where, "://")
	const hint = "give the URL of a mirror (https://…), a directory of N.root.json, or the file of one root"
	if isURL && !slices.Contains([]string{"https", "http", "file"}, strings.ToLower(scheme)) {
		return r, wrongAsk(hint, "judging against %q: mirrors are not reached by %s", where, scheme)
	}
	if !isURL {
		abs, err := filepath.Abs(where)
		if err != nil {
			return r, err
		}
		info, err := os.Stat(abs)
		if err != nil {
			return r, wrongAsk(hint, "reading what to judge against: %w", err)
		}
		if !info.IsDir() {
			form, err := rootFile(abs)
			r.Requirements.Roots, r.Alone = []trust.RootForm{form}, true
			if err != nil {
				return r, wrongAsk(hint, "%w", err)
			}
			return r, nil
		}
		lowest, _, err := rootsIn(abs)
		if err != nil {
			return r, wrongAsk(hint, "reading what to judge against: %w", err)
		}
		if lowest == 0 {
			return r, wrongAsk(hint, "judging against %q: there is no N.root.json in it", where)
		}
		where = (&url.URL{Scheme: "file", Path: abs}).String()
	}
	m, err := mirror.New(mirror.Options{
		Name: "against", URLs: []string{where}, AllowHTTP: true, ForbiddenEndsChain: true, Attempts: 2, FileTimeout: 30 * time.Second,
		UserAgent: "tufkeeper",
	}, hclog.NewNullLogger())
	if err != nil {
		return r, err
	}
	w := reading{ctx: ctx, m: m, origin: m.Origins()[0]}
	if r.Requirements.Roots, err = w.roots(); err != nil {
		return r, err
	}
	r.Forbidden = m.Stats().Forbidden
	w.rest(&r.Requirements)
	return r, w.err
}

func rootFile(path string) (trust.RootForm, error) {
	data, err := readRegular(path, trust.MaxRoot)
	if err != nil {
		return trust.RootForm{}, fmt.Errorf("reading a root: %w", err)
	}
	form, err := trust.FormOf(data)
	if err != nil {
		return form, fmt.Errorf("reading the root %q: %w", path, err)
	}
	return form, nil
}

// reading is one unverified look at a repository. The first error ends it.
type reading struct {
	ctx    context.Context
	m      *mirror.Mirror
	origin string
	err    error
}

// roots reads the chain. From a mirror it ends at the first root that is missing;
// from a directory what lies behind a gap is read, too: the gap is a finding.
func (w *reading) roots() ([]trust.RootForm, error) {
	first := int64(1)
	last := int64(0) // of a directory: behind a gap there may be more
	if path, ok := strings.CutPrefix(w.origin, "file://"); ok {
		if lowest, highest, err := rootsIn(path); err == nil && lowest > 0 {
			first, last = lowest, highest
		}
	}
	var forms []trust.RootForm
	for v := first; v < first+trust.MaxRootRotations; v++ {
		data, err := w.m.FetchRoot(w.ctx, w.origin, fmt.Sprintf("%d.root.json", v), trust.MaxRoot)
		if errors.Is(err, mirror.ErrMissing) {
			if v < last {
				continue
			}
			break
		}
		if err != nil {
			return nil, err
		}
		form, err := trust.FormOf(data)
		if err != nil {
			return nil, fmt.Errorf("reading root %d: %w", v, err)
		}
		forms = append(forms, form)
	}
	if len(forms) == 0 {
		return nil, fmt.Errorf("there is no %d.root.json at %s", first, w.origin)
	}
	return forms, nil
}

// rootsIn are the lowest and the highest N of the N.root.json in dir; 0 for none.
func rootsIn(dir string) (lowest, highest int64, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, 0, err
	}
	var versions []int64
	for _, e := range entries {
		n, ok := strings.CutSuffix(e.Name(), ".root.json")
		if v, err := strconv.ParseInt(n, 10, 64); ok && err == nil && v > 0 {
			versions = append(versions, v)
		}
	}
	if len(versions) == 0 {
		return 0, 0, nil
	}
	return slices.Min(versions), slices.Max(versions), nil
}

// rest reads the roles after root, as far as they are there.
func (w *reading) rest(req *trust.Requirements) {
	timestamp := w.file("timestamp.json", trust.MaxTimestamp)
	if timestamp == nil {
		return
	}
	role, err := trust.Peek(trust.Timestamp, timestamp)
	if err != nil {
		w.err = fmt.Errorf("reading the timestamp: %w", err)
		return
	}
	req.TimestampExpires = role.Expires
	snapshot := w.listed(timestamp, trust.Snapshot, trust.MaxSnapshot)
	if snapshot == nil {
		return
	}
	targets := w.listed(snapshot, trust.Targets, trust.MaxTargets)
	if targets == nil {
		return
	}
	form, err := trust.TargetsFormOf(targets, w.trustedRoot(targets))
	if err != nil {
		w.err = fmt.Errorf("reading the targets: %w", err)
		return
	}
	req.Targets = &form
}

// file reads a file; nil when it is not there.
func (w *reading) file(name string, limit int64) []byte {
	if w.err != nil {
		return nil
	}
	data, err := w.m.Fetch(w.ctx, w.origin, name, limit)
	if err != nil && !errors.Is(err, mirror.ErrMissing) {
		w.err = err
	}
	return data
}

// listed reads the version of a role that the role above it lists, with and
// without the version in its name.
func (w *reading) listed(above []byte, role string, limit int64) []byte {
	var doc struct {
		Signed struct {
			Meta map[string]struct {
				Version int64 `json:"version"`
			} `json:"meta"`
		} `json:"signed"`
	}
	if err := json.Unmarshal(above, &doc); err != nil {
		w.err = fmt.Errorf("reading what lists %s: %w", role, err)
		return nil
	}
	if data := w.file(fmt.Sprintf("%d.%s.json", doc.Signed.Meta[role+".json"].Version, role), limit); data != nil {
		return data
	}
	return w.file(role+".json", limit)
}

// trustedRoot reads the trusted root that targets list; nil when it is not there.
func (w *reading) trustedRoot(targets []byte) []byte {
	var doc struct {
		Signed struct {
			Targets map[string]struct {
				Hashes map[string]string `json:"hashes"`
			} `json:"targets"`
		} `json:"signed"`
	}
	if json.Unmarshal(targets, &doc) != nil {
		return nil // TargetsFormOf says what is wrong with it
	}
	for _, hash := range doc.Signed.Targets[trust.TrustedRoot].Hashes {
		if data := w.file("targets/"+hash+"."+trust.TrustedRoot, trust.MaxTargetFile); data != nil {
			return data
		}
	}
	return w.file("targets/"+trust.TrustedRoot, trust.MaxTargetFile) // as without consistent snapshots
}
