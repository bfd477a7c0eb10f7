// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/status"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

var update = flag.Bool("update", false, "renew golden files and generated parts of the documentation")

const (
	day  = 24 * time.Hour
	evil = "/home/eve/\x1b[2J\x1b]0;owned\a\nOK - all is well | x=1 \u202egnp.exe \xff"
)

var (
	signed = time.Date(2026, 8, 21, 12, 0, 0, 0, time.UTC)
	looked = signed.Add(20*time.Hour + 48*time.Minute)
	reader = looked.Add(12 * time.Minute) // when somebody reads the report
)

// set is a real verified set of a repository that was signed at signed.
func set(t *testing.T) *trust.Set {
	t.Helper()
	repo, err := sandbox.New(sandbox.Options{Now: func() time.Time { return signed }})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := repo.BumpTimestamp(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := trust.Verify(repo.Files(), signed)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// well is a host with nothing wrong.
func well(t *testing.T) health.Facts {
	return health.Facts{
		At: looked,
		Mirrors: []health.MirrorFacts{{
			Name: "sigstore", URL: "https://tuf-repo-cdn.sigstore.dev", Set: set(t),
			LastAttempt: looked, LastSuccess: looked, NextAttempt: looked.Add(4 * time.Hour), Interval: 4 * time.Hour,
		}},
		Caches: []health.CacheFacts{{
			Cache: cache.Cache{
				Path: "/home/ada/.sigstore/root/tuf-repo-cdn.sigstore.dev", Base: "/home/ada/.sigstore/root",
				Layout: cache.LayoutSigstoreGo, Reader: cache.Cosign, Mirror: "sigstore", Owner: "ada",
			},
			Policy: "mend", PolicyWhy: `the configuration says "mend"`,
			Inspection: cache.Inspection{State: cache.Fresh, Detail: "root 1, timestamp 4, snapshot 1, targets 1"},
		}},
		Clients: []health.ClientFacts{{Client: cosign("v3.1.3", "/usr/local/bin/cosign"), System: true}},
	}
}

func cosign(version, path string) client.Client {
	c := client.Client{
		Ecosystem: client.Go,
		Path:      path, Name: "cosign", Version: version, VersionSource: "build info", MainModule: "github.com/sigstore/cosign/v3",
		Libraries:     map[string]string{"go-tuf": "v0.7.0", "go-tuf/v2": "v2.4.2", "sigstore": "v1.10.8", "sigstore-go": "v1.2.1"},
		EmbeddedRoots: []client.EmbeddedRoot{{Version: 14, Instance: "public", Expires: time.Date(2026, 6, 22, 13, 0, 0, 0, time.UTC)}},
		Notes:         []string{"needs-network: its embedded root has expired, it can never use its cache offline"},
	}
	if version == "v2.0.1" {
		c.MainModule, c.Notes = "github.com/sigstore/cosign/v2", nil
		c.Libraries = map[string]string{"go-tuf": "v0.5.2", "sigstore": "v1.6.1"}
		c.Package = &client.Package{Manager: "apk", Name: "cosign", Version: "2.0.1-r6"}
		c.EmbeddedRoots = []client.EmbeddedRoot{{Version: 2, Instance: "public", Expires: time.Date(2022, 5, 11, 0, 0, 0, 0, time.UTC)}}
	}
	return c
}

// judged gives every client a verdict: cosign 2.0.1 is outdated, the rest is ok.
func judged(f health.Facts) []health.ClientJudgement {
	var out []health.ClientJudgement
	for _, c := range f.Clients {
		j := health.Judgement{Mirror: "sigstore", Start: "embedded root 14", Verdict: health.OK}
		switch {
		case c.Client.Version == "v2.0.1":
			j.Start, j.Verdict, j.Required, j.Until = "embedded root 2", health.Outdated, "cosign 2.2.0", looked.Add(5*day)
			j.Reasons = []health.Reason{
				{Rule: "R2", Summary: `root 9 uses the key type "ecdsa", which its go-tuf v0.5.2 cannot read`, Remedy: "install cosign 2.2.0 or newer"},
				{Rule: "R6", Summary: "its sigstore v1.6.1 cannot read targets that are hashed with sha256 only", Remedy: "install cosign 2.2.0 or newer"},
			}
		case c.Client.Name == "deploy-tool":
			j.Start, j.Verdict = "", health.Unknown
			j.Reasons = []health.Reason{{Rule: "unknown", Summary: "the versions of its libraries cannot be told", Remedy: "install a released build"}}
		}
		told := health.ClientJudgement{Client: c.Client, System: c.System}
		if j.Verdict == health.Outdated {
			j.Probe = &health.ProbeOutcome{Outcome: "failed", At: looked.Add(-time.Hour), Error: "error updating to TUF remote mirror: invalid key"}
			told.Advice = health.Advice{Steps: []string{
				"# the package of Alpine Linux v3.23 is cosign 2.6.3-r1, which is good",
				"apk add --upgrade 'cosign>=2.2.0'",
				"curl --proto '=https' -sSfLO https://example.org/cosign/releases/download/v2.6.3/cosign_checksums.txt && grep ' cosign-linux-amd64$' cosign_checksums.txt | sha256sum -c -",
			}}
		}
		told.Judgements = []health.Judgement{j}
		out = append(out, told)
	}
	return out
}

// ill is a host on which a lot is wrong.
func ill(t *testing.T) health.Facts {
	f := well(t)
	f.Mirrors[0].NextAttempt = looked.Add(3*time.Hour + 48*time.Minute)
	f.Mirrors = append(f.Mirrors, health.MirrorFacts{
		Name: "staging", URL: "https://tuf-repo-cdn.sigstage.dev", Preview: true, Interval: 4 * time.Hour,
		LastAttempt: looked.Add(-6 * time.Minute), NextAttempt: looked.Add(20 * time.Minute),
		Kind: health.FailUnreachable, Failures: 4,
		LastError: `fetching https://tuf-repo-cdn.sigstage.dev/timestamp.json: dial tcp: lookup tuf-repo-cdn.sigstage.dev on 127.0.0.53:53: no such host`,
	})
	add := func(path, owner string, layout cache.Layout, in cache.Inspection) {
		f.Caches = append(f.Caches, health.CacheFacts{
			Cache:      cache.Cache{Path: path, Base: filepath.Dir(path), Layout: layout, Reader: cache.Cosign, Mirror: "sigstore", Owner: owner},
			Inspection: in, Policy: "mend", PolicyWhy: `the configuration says "mend"`,
		})
	}
	other := func(path string, reader cache.Reader, layout cache.Layout, policy, why string, in cache.Inspection) {
		add(path, "ada", layout, in)
		c := &f.Caches[len(f.Caches)-1]
		c.Cache.Reader, c.Policy, c.PolicyWhy = reader, policy, why
		if policy == "report" {
			c.Cache.Mirror = ""
		}
	}
	add("/home/grace/.sigstore/root/tuf-repo-cdn.sigstore.dev", "grace", cache.LayoutSigstoreGo, cache.Inspection{
		State: cache.Damaged, Detail: "timestamp.json is truncated", Consequence: "every run of cosign fails until it is mended",
		Damage: []cache.Damage{{File: "timestamp.json", What: "truncated"}},
	})
	add("/home/linus/.sigstore/root/tuf-repo-cdn.sigstore.dev", "root", cache.LayoutSigstoreGo, cache.Inspection{
		State: cache.Unusable, Detail: "owned by root, in the home of linus", Consequence: "cosign of linus cannot keep what it downloads",
		Remedy: "chown -R linus: /home/linus/.sigstore",
	})
	add("/srv/ci/workers/eu-central-1/runner-07/home/.sigstore/root/tuf-repo-cdn.sigstore.dev", "ci-runner-eu-central-1", cache.LayoutSigstoreGo, cache.Inspection{
		State: cache.Behind, Detail: "older than the last good set: timestamp 3, the mirror has 4",
	})
	f.Caches[len(f.Caches)-1].Compared = `every 2s: the file system of "/srv/ci/workers/eu-central-1" (nfs) does not tell of every change`
	other("/home/ada/.cache/gh/.sigstore/root/tuf-repo.github.com", cache.GH, cache.LayoutSigstoreGo, "report", "its mirror is not configured", cache.Inspection{
		State: cache.Foreign, Detail: "readable; its mirror is not configured, so it was not compared", Asks: cache.AsksDaily,
		NotBefore: looked.Add(5 * time.Hour), Versions: map[string]int64{"timestamp": 12},
	})
	other("/home/ada/.npm/_tuf/tuf.example.org%3A8443", cache.NPM, cache.LayoutSigstoreJS, "report", "its mirror is not configured", cache.Inspection{
		State: cache.Damaged, Detail: "root.json: truncated", Consequence: "npm fails on every run: this file is what it starts from",
		Damage: []cache.Damage{{File: "root.json", What: "truncated"}}, Asks: cache.AsksAlways,
	})
	other("/home/ada/.local/share/sigstore-python/tuf/https%3A%2F%2Ftuf-repo-cdn.sigstore.dev", cache.SigstorePython, cache.LayoutSigstorePython, "mend", "", cache.Inspection{
		State: cache.Ahead, Detail: "newer than the last good set: timestamp 6 (4)", Asks: cache.AsksAlways,
		Consequence: "its client fails while its mirror answers with less",
	})
	f.Clients = append(f.Clients,
		health.ClientFacts{Client: cosign("v2.0.1", "/usr/bin/cosign"), System: true},
		health.ClientFacts{Client: client.Client{Ecosystem: client.Go, Path: "/opt/deploy/bin/deploy-tool", Name: "deploy-tool", VersionSource: "none"}, System: true},
	)
	f.Unseen = []string{"reading /opt/secret: permission denied"}
	return f
}

var about = status.About{Version: "0.1.0", Host: "build-07", PID: 4711, Started: signed.Add(-30 * day)}

// report judges the facts as the agent does, and has every problem begin a while ago.
func report(f health.Facts) status.Report {
	js := judged(f)
	problems := health.Problems(f.At.Add(-2*time.Hour), health.Judge(f, health.Limits{}, js))
	return status.Build(f, js, problems, about)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (renew it with -update, and read the diff)\ngot\n%s\nwant\n%s", path, got, want)
	}
}

func text(t *testing.T, r status.Report, s status.Style) string {
	t.Helper()
	var b bytes.Buffer
	if err := status.Text(&b, r, s); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestText(t *testing.T) {
	fresh := health.Facts{At: looked, Mirrors: []health.MirrorFacts{{Name: "sigstore", URL: "https://tuf-repo-cdn.sigstore.dev", Interval: 4 * time.Hour}}}
	many := well(t)
	for i := range 40 {
		c := many.Caches[0]
		c.Cache.Path = "/home/user" + strconv.Itoa(i) + "/.sigstore/root/tuf-repo-cdn.sigstore.dev"
		c.Cache.Owner = "user" + strconv.Itoa(i)
		many.Caches = append(many.Caches, c)
		many.Clients = append(many.Clients, health.ClientFacts{Client: cosign("v3.1.3", "/home/user"+strconv.Itoa(i)+"/bin/cosign")})
	}
	expired := well(t)
	expired.At = signed.Add(8 * day)
	for _, c := range []struct {
		name   string
		report status.Report
		style  status.Style
	}{
		{"well-80", report(well(t)), status.Style{Width: 80, Now: reader}},
		{"ill-80", report(ill(t)), status.Style{Width: 80, Now: reader}},
		{"ill-120", report(ill(t)), status.Style{Width: 120, Now: reader}},
		{"ill-colour-100", report(ill(t)), status.Style{Width: 100, Now: reader, Color: true}},
		{"old-80", report(well(t)), status.Style{Width: 80, Now: looked.Add(13 * time.Hour)}},
		{"first-80", report(fresh), status.Style{Width: 80, Now: reader}},
		{"nothing-80", status.Report{Schema: 1, Generated: looked}, status.Style{Width: 80}},
		{"many-80", report(many), status.Style{Width: 80, Now: reader}},
		{"expired-80", report(expired), status.Style{Width: 80, Now: expired.At.Add(time.Minute)}},
	} {
		t.Run(c.name, func(t *testing.T) { golden(t, c.name, text(t, c.report, c.style)) })
	}
	var caches, clients bytes.Buffer
	s := status.Style{Width: 100, Now: reader}
	if err := errors.Join(status.CachesText(&caches, report(ill(t)), s), status.ClientsText(&clients, report(ill(t)), s)); err != nil {
		t.Fatal(err)
	}
	golden(t, "caches-100", caches.String())
	for _, width := range []int{48, 80, 120} {
		caches.Reset()
		if err := status.CachesText(&caches, report(ill(t)), status.Style{Width: width, Now: reader}); err != nil {
			t.Fatal(err)
		}
		golden(t, "caches-"+strconv.Itoa(width), caches.String())
	}
	golden(t, "clients-100", clients.String())
	clients.Reset()
	s.Width = 80
	if err := status.ClientsText(&clients, report(ill(t)), s); err != nil {
		t.Fatal(err)
	}
	golden(t, "clients-80", clients.String())
}

// Nobody can hide another's cache by filling a home with directories.
func TestCachesOfOneOwnerAreFolded(t *testing.T) {
	f := well(t)
	for i := range 80 {
		c := f.Caches[0]
		c.Cache.Path, c.Cache.Owner = "/home/eve/.npm/_tuf/x"+strconv.Itoa(i), "eve"
		f.Caches = append(f.Caches, c)
	}
	last := f.Caches[0]
	last.Cache.Path, last.Cache.Owner = "/home/zoe/.npm/_tuf/x", "zoe"
	f.Caches = append(f.Caches, last)
	f.Caches[70].Inspection = cache.Inspection{State: cache.Damaged, Detail: "timestamp.json: empty"}
	var b strings.Builder
	if err := status.CachesText(&b, report(f), status.Style{Width: 100, Now: looked}); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	if n := strings.Count(got, "/home/eve/"); n != 50 {
		t.Errorf("%d caches of eve, want 50", n)
	}
	for _, want := range []string{"/home/ada/.sigstore", "/home/zoe/.npm", f.Caches[70].Cache.Path + " ", "and 30 more of eve: tufkeeper caches --json"} {
		if !strings.Contains(got, want) {
			t.Errorf("without %q:\n%s", want, got)
		}
	}
}

// hostile is a host where everything that comes from outside is an attack on a
// terminal.
func hostile(t *testing.T) health.Facts {
	f := ill(t)
	f.Mirrors[1].Name, f.Mirrors[1].URL, f.Mirrors[1].LastError = evil, evil, evil
	for i := range f.Caches {
		c := &f.Caches[i]
		c.Cache.Path, c.Cache.Owner = evil, evil
		c.Inspection.Detail, c.Inspection.Consequence, c.Inspection.Remedy = evil, evil, evil
	}
	for i := range f.Clients {
		c := &f.Clients[i].Client
		c.Path, c.Notes, c.Libraries = evil, []string{evil}, map[string]string{evil: evil}
		if i > 0 {
			c.Name, c.Version = evil, evil
		}
	}
	f.Unseen = []string{evil}
	return f
}

// What every rendering promises: nothing that moves the cursor, no line wider
// than asked for, no blank at the end of a line.
func TestALongListOfEmbeddedRootsIsShort(t *testing.T) {
	f := well(t)
	c := &f.Clients[0].Client
	c.EmbeddedRoots = nil
	for v := int64(1); v <= 14; v++ {
		root := client.EmbeddedRoot{Version: v, Instance: "public", Expires: looked.Add(time.Duration(v-20) * day)}
		c.EmbeddedRoots = append(c.EmbeddedRoots, root)
		if v == 9 || v == 10 {
			root.Instance = map[int64]string{9: "staging"}[v]
			c.EmbeddedRoots = append(c.EmbeddedRoots, root)
		}
	}
	c.EmbeddedRoots = append(c.EmbeddedRoots, client.EmbeddedRoot{Version: 3, Instance: "configured", Expires: looked.Add(day)})
	var b strings.Builder
	if err := status.ClientsText(&b, report(f), status.Style{Width: 200, Now: looked}); err != nil {
		t.Fatal(err)
	}
	if want := "embedded roots 1 to 14 (expired), embedded root 3, 2 embedded roots of other instances\n"; !strings.Contains(b.String(), want) {
		t.Errorf("without %q:\n%s", want, b.String())
	}
}

func TestNoTextEscapes(t *testing.T) {
	for _, width := range []int{0, 10, 48, 80, 120, 200} {
		for _, f := range []health.Facts{well(t), ill(t), hostile(t)} {
			r := report(f)
			r.Host, r.Version = evil, evil
			for i := range r.Clients { // a status file is what its owner made of it
				r.Clients[i].Verdict = evil
			}
			for i := range r.Problems {
				if i%2 == 0 {
					p := &r.Problems[i]
					p.Code, p.Summary, p.Remedy, p.Subject.ID = evil, evil, evil, evil
				}
			}
			s := status.Style{Width: width, Now: reader}
			var b bytes.Buffer
			if err := errors.Join(status.Text(&b, r, s), status.CachesText(&b, r, s), status.ClientsText(&b, r, s)); err != nil {
				t.Fatal(err)
			}
			limit := map[int]int{0: 80, 10: 48}[width]
			if limit == 0 {
				limit = width
			}
			for line := range strings.Lines(b.String()) {
				line = strings.TrimSuffix(line, "\n")
				// A word of what is to be typed is never broken, and no line of prose begins
				// with what may be a path.
				words, _ := health.Words(strings.TrimSuffix(line, ` \`))
				oneWord := len(words) < 2 || utf8.RuneCountInString(line[:len(line)-len(strings.TrimLeft(line, " "))]+strings.Join(words[:len(words)-1], " ")) <= limit
				if n := utf8.RuneCountInString(line); n > limit && !oneWord && !strings.HasPrefix(strings.TrimSpace(line), `rule "`) { // a block is pasted whole
					t.Errorf("width %d: %d columns: %q", width, n, line)
				}
				if strings.TrimRight(line, " ") != line {
					t.Errorf("width %d: blanks at the end of %q", width, line)
				}
				for _, r := range line {
					if !strconv.IsPrint(r) || r == utf8.RuneError {
						t.Fatalf("width %d: %q holds %q", width, line, r)
					}
				}
			}
		}
	}
}

// Colour is added to words that say the same: without it, the same text stands.
func TestColourAddsNothingButColour(t *testing.T) {
	r := report(ill(t))
	colour := text(t, r, status.Style{Width: 90, Now: reader, Color: true})
	if !strings.Contains(colour, "\x1b[") {
		t.Fatal("there is no colour")
	}
	for _, code := range []string{"\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[33m", "\x1b[1;31m", "\x1b[36m"} {
		colour = strings.ReplaceAll(colour, code, "")
	}
	if got := text(t, r, status.Style{Width: 90, Now: reader}); got != colour {
		t.Errorf("without colour\n%s\nwith it\n%s", got, colour)
	}
}

func TestAWriterThatFailsIsReported(t *testing.T) {
	if err := status.Text(broken{}, report(well(t)), status.Style{}); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
}

var errBroken = errors.New("broken pipe")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }
