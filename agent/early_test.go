// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/syndtr/goleveldb/leveldb"

	"github.com/tufkeeper/tufkeeper/agent"
	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/client"
	"github.com/tufkeeper/tufkeeper/agent/config"
	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/status"
)

// install puts a program onto this host that looks, without being run, like that
// release of cosign 2.0 to 2.1: it links go-tuf 0.5.2 and sigstore 1.6.1.
func (h *host) install(name, version string) string {
	h.t.Helper()
	info := strings.Join([]string{
		"path\tgithub.com/sigstore/cosign/v2/cmd/cosign", "mod\tgithub.com/sigstore/cosign/v2\t" + version + "\t",
		"dep\tgithub.com/sigstore/sigstore\tv1.6.1\th1:x", "dep\tgithub.com/theupdateframework/go-tuf\tv0.5.2\th1:x", "",
	}, "\n")
	functions := "\x00github.com/theupdateframework/go-tuf/client.(*Client).Update\x00github.com/sigstore/sigstore/pkg/tuf.initializeTUF\x00"
	path := filepath.Join(h.dir, name)
	if err := os.WriteFile(path, program(info, functions), 0o700); err != nil { //nolint:gosec // a program
		h.t.Fatal(err)
	}
	h.cfg.Clients.Globs = append(h.cfg.Clients.Globs, config.Glob(path))
	return path
}

// program is the smallest ELF file that holds build information, and then some.
func program(info, payload string) []byte {
	const at, vaddr = 128, 0x400000
	text := func(s string) []byte { return append(binary.AppendUvarint(nil, uint64(len(s))), s...) }
	blob := append([]byte("\xff Go buildinf:\x08\x02"), make([]byte, 16)...)
	blob = append(append(blob, text("go1.26")...), text("0123456789abcdef"+info+"0123456789abcdef")...)
	blob = append(blob, payload...)
	le := binary.LittleEndian
	head := make([]byte, at)
	copy(head, "\x7fELF\x02\x01\x01")
	for offset, v := range map[int]uint16{16: 2, 18: 62, 52: 64, 54: 56, 56: 1, 58: 64} {
		le.PutUint16(head[offset:], v)
	}
	le.PutUint32(head[20:], 1)
	le.PutUint64(head[32:], 64)
	le.PutUint32(head[64:], 1) // load
	le.PutUint32(head[68:], 6) // read and write
	for offset, v := range map[int]uint64{72: at, 80: vaddr, 88: vaddr, 96: uint64(len(blob)), 104: uint64(len(blob))} {
		le.PutUint64(head[offset:], v)
	}
	return bytes.Join([][]byte{head, blob}, nil)
}

// initialize fills the legacy cache of this host with what the repository serves
// now, as cosign 2.0.1 does.
func (h *host) initialize() {
	h.t.Helper()
	base := h.cfg.Caches.Paths[0]
	if err := os.MkdirAll(base, 0o700); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(base, "remote.json"), fmt.Appendf(nil, "{\"mirror\":%q}", h.cfg.Mirrors[0].URL), 0o600); err != nil {
		h.t.Fatal(err)
	}
	db, err := leveldb.OpenFile(filepath.Join(base, "tuf.db"), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	defer db.Close()
	f := h.repo.Files()
	for role, data := range map[string][]byte{"root": f.Initial, "timestamp": f.Timestamp, "snapshot": f.Snapshot, "targets": f.Targets} {
		if err := db.Put([]byte(role+".json"), data, nil); err != nil {
			h.t.Fatal(err)
		}
	}
}

func problem(r status.Report, code string) health.Problem {
	i := slices.IndexFunc(r.Problems, func(p health.Problem) bool { return p.Code == code })
	if i < 0 {
		return health.Problem{}
	}
	return r.Problems[i]
}

// The incident: the moment the new root is trusted, the client that cannot read it
// is named, with the instant until which it still seems to work.
func TestTheAlertSaysUntilWhenAnOutdatedClientSeemsToWork(t *testing.T) {
	h := newHost(t, sandbox.Options{KeyType: "ecdsa-sha2-nistp256", SHA512: true, TimestampLife: 36 * time.Hour})
	path := h.install("cosign", "v2.0.1")
	h.initialize()
	a := h.start()
	defer h.close(a)
	if r := h.cycle(a); problem(r, health.CosignOutdated).Code != "" {
		t.Fatalf("before the rotation: %v", r.Problems)
	}
	if err := h.repo.RotateRoot(sandbox.Rotation{KeyType: "ecdsa"}); err != nil {
		t.Fatal(err)
	}
	r := h.cycle(a)
	p := problem(r, health.CosignOutdated)
	until := health.Instant(time.Now().Add(36 * time.Hour))[:13] // to the hour
	if p.Subject.ID != path || !strings.Contains(p.Summary, "it seems to work until "+until) || !strings.Contains(p.Summary, "(R2)") {
		t.Errorf("got %q, want one that says until %s…", p.Summary, until)
	}
	if !strings.Contains(h.told.String(), "raised cosign-outdated") {
		t.Errorf("alerts: %s", h.told)
	}
	j := r.Clients[0].Judgements[0]
	if j.Until.IsZero() || j.Required != "cosign 2.2.0" || len(r.Clients[0].Advice) == 0 || !strings.HasPrefix(j.Start, "cached root 1") {
		t.Errorf("judged %+v, advice %q", j, r.Clients[0].Advice)
	}
	if p.Remedy == "" || strings.Contains(strings.Join(r.Clients[0].Advice, "\n"), "insecure") {
		t.Errorf("to do: %q, %q", p.Remedy, r.Clients[0].Advice)
	}
}

// A preview is refreshed like any mirror, never published, and tells what will break.
func TestAPreviewWarnsAndIsNeverPublished(t *testing.T) {
	for _, preview := range []bool{true, false} {
		h := newHost(t, sandbox.Options{KeyType: "ecdsa-sha2-nistp256", SHA512: true})
		path := h.install("cosign", "v2.0.1")
		h.cfg.Mirrors[0].Preview = preview
		dir := filepath.Join(h.cfg.Caches.Paths[0], cache.DirName(h.cfg.Mirrors[0].URL.String()))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		f := h.repo.Files()
		for name, data := range map[string][]byte{"root.json": f.Initial, "timestamp.json": f.Timestamp, "snapshot.json": f.Snapshot, "targets.json": f.Targets} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		a := h.start()
		defer h.close(a)
		if r := h.cycle(a); strings.Contains(codes(r), "outdated") || strings.Contains(codes(r), "endangered") {
			t.Fatalf("before the rotation: %s", codes(r))
		}
		if err := h.repo.RotateRoot(sandbox.Rotation{KeyType: "ecdsa"}); err != nil {
			t.Fatal(err)
		}
		r := h.cycle(a)
		cached, err := os.ReadFile(filepath.Join(dir, "timestamp.json"))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(cached, f.Timestamp) != preview {
			t.Errorf("preview %v, published %v", preview, !preview)
		}
		if !preview {
			continue
		}
		p := problem(r, health.ClientEndangered)
		if p.Subject.ID != path || p.Severity != health.Warning || !strings.Contains(p.Summary, "it will break when production adopts this") || !strings.Contains(p.Summary, "(R2)") {
			t.Errorf("got %+v", p)
		}
		if r.Mirrors[0].Roles["root"].Version != 2 || r.Clients[0].Verdict != health.Endangered {
			t.Errorf("root %d, verdict %s", r.Mirrors[0].Roles["root"].Version, r.Clients[0].Verdict)
		}
	}
}

// A key that nobody reads, in a root that our own library refuses, in the online
// roles, and in a scheme that our own library does not look at.
func TestAKeyThatNobodyReadsIsAnAlarm(t *testing.T) {
	for name, rotation := range map[string]sandbox.Rotation{
		"one key of root": {ExtraKeyType: "ml-dsa"},
		"every key":       {KeyType: "ml-dsa"},
		"a scheme":        {KeyType: "ecdsa", Scheme: "ecdsa-sha9-nistp256"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, preview := range []bool{false, true} {
				h := newHost(t, sandbox.Options{})
				h.cfg.Mirrors[0].Preview = preview
				a := h.start()
				h.cycle(a)
				if err := h.repo.RotateRoot(rotation); err != nil {
					t.Fatal(err)
				}
				p := problem(h.cycle(a), health.KeyTypeUnknown)
				h.close(a)
				if !strings.Contains(p.Summary, "clients that pass today will fail") {
					t.Errorf("preview %v: got %+v", preview, p)
				}
				if want := map[bool]health.Severity{false: health.Critical, true: health.Warning}[preview]; p.Severity != want {
					t.Errorf("preview %v: %s, want %s", preview, p.Severity, want)
				}
			}
		})
	}
}

// A mirror that answers 403 for the next root is at fault, not its clients.
func TestAMirrorThatForbidsFailsItsClients(t *testing.T) {
	h := newHost(t, sandbox.Options{KeyType: "ecdsa-sha2-nistp256", SHA512: true})
	path := h.install("cosign", "v2.0.1")
	h.cfg.Mirrors[0].ForbiddenEndsChain = true
	h.repo.SetFault("2.root.json", sandbox.Fault{Status: http.StatusForbidden})
	a := h.start()
	defer h.close(a)
	r := h.cycle(a)
	if !r.Mirrors[0].Forbidden || r.Mirrors[0].LastError != nil || r.Clients[0].Verdict != health.Outdated {
		t.Errorf("mirror %+v, verdict %s", r.Mirrors[0], r.Clients[0].Verdict)
	}
	if got := codes(r); strings.Contains(got, "cosign-outdated") {
		t.Errorf("problems: %s", got)
	}
	asked, err := agent.Clients(t.Context(), h.cfg, config.Env{Home: h.dir}, agent.ClientsOptions{Files: []string{path}})
	if err != nil {
		t.Fatal(err)
	}
	if j := asked.Clients[0].Judgements[0]; j.Verdict != health.Outdated || j.Reasons[0].Rule != "R10" {
		t.Errorf("clients says %+v", j)
	}
	look, err := agent.Look(t.Context(), h.cfg, config.Env{Home: h.dir}, status.About{})
	if err != nil {
		t.Fatal(err)
	}
	if p := problem(look, health.MirrorUnfit); p.Subject.ID != "test" || !strings.Contains(p.Summary, "cosign v2.0.1 at "+path) {
		t.Errorf("got %+v of %s", p, codes(look))
	}
}

func TestAMinimumAndAMisspeltOne(t *testing.T) {
	h := newHost(t, sandbox.Options{KeyType: "ecdsa-sha2-nistp256", SHA512: true})
	path := h.install("cosign", "v2.0.1")
	h.cfg.Clients.Minimums = []config.Minimum{{Client: "cosign", Version: "2.0.2"}, {Client: "cosgin", Version: "2.0.2"}}
	a := h.start()
	defer h.close(a)
	r := h.cycle(a)
	p := problem(r, health.ClientBelowMinimum)
	if p.Subject.ID != path || r.Clients[0].Verdict != health.Outdated || strings.Contains(codes(r), "cosign-outdated") {
		t.Errorf("got %+v, verdict %s, problems %s", p, r.Clients[0].Verdict, codes(r))
	}
	if !strings.Contains(strings.Join(r.Unseen, "\n"), `minimum "cosgin": no client of that name is known`) || strings.Contains(strings.Join(r.Unseen, "\n"), `minimum "cosign"`) {
		t.Errorf("unseen: %q", r.Unseen)
	}
}

// What config takes for a version, versions are compared by.
func TestEveryMinimumCanBeCompared(t *testing.T) {
	for _, version := range []string{"2.6.3", "v2.6", "3.0.6-r1", "1:2.2.3-1.fc39", "2.5.0-2+b4", "2.0.0~rc1", "2.2.3+carbide.2", "v2.2.0-12-gabc1234", "2.2.0_1", "2.0.0-"} {
		_, err := config.Parse(fmt.Appendf(nil, "clients {\n minimum \"cosign\" {\n version = %q\n }\n}", version), "", config.Env{StateHome: "/s"})
		if err != nil {
			t.Errorf("%s: %v", version, err)
		}
		if _, err := client.Upstream(version); err != nil {
			t.Errorf("%s: %v", version, err)
		}
	}
}

// A probe that failed beats the table, for that very file and that very set; one
// that anybody could have written is not believed.
func TestAProbeBeatsTheTable(t *testing.T) {
	h := newHost(t, sandbox.Options{KeyType: "ecdsa-sha2-nistp256", SHA512: true})
	path := h.install("cosign", "v2.0.1")
	h.cfg.Clients.ProbeResults = filepath.Join(h.dir, "probes.json")
	model, err := client.LoadModel("")
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.Read(path, model, 0)
	if err != nil {
		t.Fatal(err)
	}
	write := func(mode os.FileMode, root int64) {
		t.Helper()
		data, err := json.Marshal(map[string]any{"schema": 1, "probes": []health.ProbeFacts{{
			Path: path, File: c.File,
			Mirror: "test", Root: root, Targets: 1, Start: "initial root 1", At: time.Now().Add(-time.Minute), Outcome: health.ProbeFailed, Error: "invalid key",
		}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(h.cfg.Clients.ProbeResults, data, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(h.cfg.Clients.ProbeResults, mode); err != nil {
			t.Fatal(err)
		}
	}
	a := h.start()
	defer h.close(a)
	write(0o600, 2)
	if r := h.cycle(a); strings.Contains(codes(r), "outdated") || len(r.Unseen) > 0 {
		t.Errorf("of another set: %s, unseen %q", codes(r), r.Unseen)
	}
	write(0o666, 1)
	if r := h.cycle(a); strings.Contains(codes(r), "outdated") || len(r.Unseen) != 1 || !strings.Contains(r.Unseen[0], "probe results") {
		t.Errorf("one that others can write: %s, unseen %q", codes(r), r.Unseen)
	}
	write(0o600, 1)
	r := h.cycle(a)
	if j := r.Clients[0].Judgements[0]; j.Verdict != health.Outdated || j.Probe == nil || j.Reasons[0].Rule != "probe" {
		t.Errorf("judged %+v", j)
	}
	if got := codes(r); !strings.Contains(got, "cosign-outdated") || !strings.Contains(got, "probe-disagrees") {
		t.Errorf("problems: %s", got)
	}
}

func TestATableThatCannotBeBelievedRefusesTheConfig(t *testing.T) {
	h := newHost(t, sandbox.Options{})
	bad := filepath.Join(h.dir, "compat.json")
	if err := os.WriteFile(bad, []byte("{\"schema\": 99}"), 0o600); err != nil {
		t.Fatal(err)
	}
	table := h.cfg
	table.Clients.Model = bad
	if err := agent.CheckConfig(table); err == nil || !strings.Contains(err.Error(), "schema 99") {
		t.Errorf("checked: %v", err)
	}
	o := h.options()
	o.Config = table
	if _, err := agent.New(o); err == nil || !strings.Contains(err.Error(), "schema 99") {
		t.Errorf("started: %v", err)
	}
	r := run(t, h, func() (config.Config, error) { return table, nil }, nil)
	until(t, "the first refresh", func() bool { return len(r.report().Mirrors) == 1 && r.report().Mirrors[0].LastSuccess != nil })
	r.reloads <- struct{}{}
	until(t, "the refusal", func() bool { return strings.Contains(codes(r.report()), "config-invalid") })
	if p := problem(r.report(), health.ConfigInvalid); !strings.Contains(p.Summary, "schema 99") {
		t.Errorf("got %+v", p)
	}
}
