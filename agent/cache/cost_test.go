// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/sandbox"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// inTime is far above what a look takes, and far below what it took when it did its
// worst, on a busy machine too.
const inTime = 5 * time.Second

// bomb is a document of the size of targets that is dear to read.
func bomb(t *testing.T, signers []string, values int) []byte {
	t.Helper()
	var signatures []string
	for _, id := range signers {
		signatures = append(signatures, fmt.Sprintf(`{"keyid":%q,"sig":"00"}`, id))
	}
	size := (trust.MaxTargets-5000)/values - 1
	return []byte(fmt.Sprintf(`{"signatures":[%s],"signed":{"_type":"targets","spec_version":"1.0","version":1,"expires":"2099-01-01T00:00:00Z","targets":{},"x":[%s1]}}`,
		strings.Join(signatures, ","), strings.Repeat(strings.Repeat("1", min(size, 10))+",", values)))
}

// What is not signed is not worked through once for each root there ever was: that
// took minutes. The race detector makes a second of it ten.
func TestUnsignedMetadataCostsLittle(t *testing.T) {
	d := newDen(t, cache.GH)
	for range 13 {
		must(t, d.RotateRoot(sandbox.Rotation{}))
	}
	d.fill(t)
	var root metadata.Metadata[metadata.RootType]
	must(t, json.Unmarshal(d.RootJSON(1), &root))
	for name, doc := range map[string][]byte{
		"millions of values":       bomb(t, nil, trust.MaxTargets/2-5000),
		"no signature":             bomb(t, nil, 190_000),
		"signatures of every name": bomb(t, root.Signed.Roles[trust.Targets].KeyIDs, 190_000),
	} {
		put(t, d.path("targets.json"), doc)
		c, set := d.cache(t), d.set(t)
		began := time.Now()
		in := c.Inspect(set, began)
		if took := time.Since(began); in.State != cache.Damaged || took > 6*inTime {
			t.Errorf("%s: %s (%s) after %s", name, in.State, in.Detail, took)
		} else {
			t.Logf("%s: %s", name, took)
		}
	}
}

// lone is a repository of one root of that version, which lists one file of that length.
func lone(t *testing.T, version, length int64) *trust.Set {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	must(t, err)
	signer, err := signature.LoadED25519Signer(private)
	must(t, err)
	key, err := metadata.KeyFromPublicKey(public)
	must(t, err)
	expires := time.Now().AddDate(1, 0, 0)
	root := metadata.Root(expires)
	root.Signed.Version = version
	for _, role := range metadata.TOP_LEVEL_ROLE_NAMES {
		must(t, root.Signed.AddKey(key, role))
	}
	listed := metadata.TargetFile()
	sum := sha256.Sum256(nil)
	listed.Length, listed.Hashes["sha256"] = length, sum[:]
	targets := metadata.Targets(expires)
	targets.Signed.Targets["big.iso"] = listed
	set, err := trust.Verify(trust.Files{
		Initial: signed(t, root, signer), Targets: signed(t, targets, signer),
		Snapshot: signed(t, metadata.Snapshot(expires), signer), Timestamp: signed(t, metadata.Timestamp(expires), signer),
	}, time.Now())
	must(t, err)
	return set
}

func signed[T metadata.Roles](t *testing.T, m *metadata.Metadata[T], by signature.Signer) []byte {
	t.Helper()
	_, err := m.Sign(by)
	must(t, err)
	data, err := json.Marshal(m)
	must(t, err)
	return data
}

// The number of a root costs nothing.
func TestHistoryIsReadByTheRootsThereAre(t *testing.T) {
	d := newDen(t, cache.SigstorePython)
	set := lone(t, trust.MaxVersion-1, 1)
	c := d.cache(t)
	began := time.Now()
	c.Inspect(set, began)
	if took := time.Since(began); took > inTime {
		t.Errorf("it took %s", took)
	}
}

// A target file that is bigger than any that is kept here is not read, and not judged.
func TestATargetFileTooBigIsNotJudged(t *testing.T) {
	d := newDen(t, cache.Cosign)
	path := filepath.Join(d.files, "big.iso")
	put(t, path, nil)
	must(t, os.Truncate(path, 1<<30))
	set := lone(t, 1, 1<<40)
	began := time.Now()
	in := d.cache(t).Inspect(set, began)
	if took := time.Since(began); took > inTime {
		t.Errorf("it took %s", took)
	}
	for _, damage := range in.Damage {
		if strings.Contains(damage.File, "big.iso") {
			t.Errorf("damage %v", damage)
		}
	}
}
