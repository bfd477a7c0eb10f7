// SPDX-License-Identifier: Apache-2.0

package checkup_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/checkup"
	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
)

func TestDirectoriesOfTwoCaches(t *testing.T) {
	repo, err := sandbox.New(sandbox.Options{Sigstore: true})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(repo.Handler())
	defer server.Close()
	base := t.TempDir()
	if _, err := sandbox.Read(base, server.URL, repo.InitialRoot(), "trusted_root.json"); err != nil {
		t.Fatal(err)
	}
	cosign, java := cache.Place{Base: base, Reader: cache.Cosign}, cache.Place{Base: base, Reader: cache.SigstoreJava}
	mine := cache.Mirror{Name: "mine", URL: server.URL}
	twin := cache.Mirror{Name: "twin", URL: strings.Replace(server.URL, "http://", "https://", 1)}
	look := func(mirrors []cache.Mirror, places ...cache.Place) []health.CollisionFacts {
		kept, overlaps := cache.Apart(places)
		_, collisions, unseen := checkup.Caches(checkup.Places{
			Caches: kept, Overlaps: overlaps, Policy: func(cache.Cache) (string, string) { return "report", "" },
		}, mirrors, time.Now())
		if len(unseen) > 0 {
			t.Errorf("told twice: %q", unseen)
		}
		return collisions
	}
	one := func(t *testing.T, got []health.CollisionFacts, path string, words ...string) {
		t.Helper()
		if len(got) != 1 || got[0].Path != path {
			t.Fatalf("got %+v, want one of %s", got, path)
		}
		text := got[0].One + "; " + got[0].Other + "; " + got[0].Remedy
		for _, w := range words {
			if !strings.Contains(text, w) {
				t.Errorf("%q lacks %q", text, w)
			}
		}
	}
	if got := look([]cache.Mirror{mine}, cosign); len(got) != 0 {
		t.Errorf("nothing shared: %+v", got)
	}
	dir := cache.DirName(server.URL)
	one(t, look([]cache.Mirror{mine, twin}, cosign), dir, "mirror mine ("+mine.URL+")", "mirror twin ("+twin.URL+")", "keep one of the two mirrors")

	// cosign was told of the twin, which nobody configured.
	remote := filepath.Join(base, "remote.json")
	if err := os.WriteFile(remote, []byte(`{"mirror":"`+twin.URL+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	one(t, look([]cache.Mirror{mine}, cosign), filepath.Join(base, dir), "mirror mine", twin.URL+", which remote.json names", "cosign initialize")
	if err := os.Remove(remote); err != nil {
		t.Fatal(err)
	}

	got := look([]cache.Mirror{mine}, cosign, java)
	one(t, got, base, "cosign with its place "+base, "sigstore-java", "tufkeeper config show")
	if got[0].Written {
		t.Error("two clients that name their files alike are said to get along")
	}
	if got := look([]cache.Mirror{mine}, cosign, cache.Place{Base: filepath.Join(base, "x"), Reader: cache.GH}); len(got) != 1 || !got[0].Written {
		t.Errorf("one place in another: %+v, want one that is written", got)
	}
}
