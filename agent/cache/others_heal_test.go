// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/cache"
)

// hurts is what is done to one file of a cache.
var hurts = []struct {
	name string
	hurt func(path string) error
}{
	{"empty", rewrite(func([]byte) []byte { return nil })},
	{"truncated", rewrite(func(b []byte) []byte { return b[:len(b)/2] })},
	{"random bytes", rewrite(func([]byte) []byte { return []byte("\x93\x01\xff\xfe\x00garbage\xc3\x28") })},
	{"null", rewrite(func([]byte) []byte { return []byte("null") })},
	{"another shape", rewrite(func([]byte) []byte { return []byte(`{"signatures":[],"signed":{}}`) })},
	{"bad signature", rewrite(spoil)},
	{"directory", instead(func(path string) error { return os.Mkdir(path, 0o755) })},
	{"mode 000", func(path string) error { return os.Chmod(path, 0) }},
	{"dangling link", instead(func(path string) error { return os.Symlink("/nonexistent/file", path) })},
}

func rewrite(f func([]byte) []byte) func(string) error {
	return func(path string) error {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, f(data), 0o600)
	}
}

func instead(f func(path string) error) func(string) error {
	return func(path string) error {
		if err := os.Remove(path); err != nil {
			return err
		}
		return f(path)
	}
}

// spoil changes a digit of every signature, or a byte of what has none.
func spoil(data []byte) []byte {
	data = bytes.Clone(data)
	parts := bytes.SplitAfter(data, []byte(`"sig"`))
	if len(parts) == 1 {
		data[0] ^= 1
		return data
	}
	for _, after := range parts[1:] {
		digit := &after[20] // in the first half of a signature in hex
		*digit = map[bool]byte{true: '1', false: '0'}[*digit == '0']
	}
	return bytes.Join(parts, nil)
}

// What is said of a damaged cache is what its client does: it repairs the damage by
// itself or fails from then on; and mended, it reads its cache again.
func TestOthersHealAsSaid(t *testing.T) {
	eachOther(t, func(t *testing.T, d *desk) {
		for _, name := range []string{"root.json", "timestamp.json", "snapshot.json", "targets.json", target} {
			for _, h := range hurts {
				t.Run(name+" "+h.name, func(t *testing.T) {
					d.hurt(t, name, h.hurt)
					in := d.inspect(t)
					heals := !slices.ContainsFunc(in.Damage, func(d cache.Damage) bool { return !d.Heals })
					first, second := d.read(t), d.read(t)
					healed := first == nil && second == nil
					if len(in.Damage) == 0 {
						t.Fatalf("%s (%s): no damage told", in.State, in.Detail)
					}
					// Online the client downloads a target file anew; offline it believes
					// what there is, and so this is never left to it. sigstore-java checks
					// no signature in its cache, ever.
					believed := name == target && d.targets != "" && !in.Damage[0].Object ||
						d.reader == cache.SigstoreJava && in.Damage[0].What == "bad signature"
					if heals != healed && !(believed && healed) {
						t.Errorf("said %v (%s; %s), but the client says: %v; %v", in.Damage, in.Detail, in.Consequence, first, second)
					}
					d.hurt(t, name, h.hurt)
					d.replace(t)
					if err := d.read(t); err != nil {
						t.Errorf("mended from %v, and the client fails: %v", in.Damage, err)
					}
					if in := d.inspect(t); in.State != cache.Fresh {
						t.Errorf("mended: %s (%s), want fresh", in.State, in.Detail)
					}
				})
			}
		}
	})
}

// hurt brings back the cache and damages one file of it: where python-tuf has linked
// root.json, what the link leads to, or the link itself.
func (d *desk) hurt(t *testing.T, name string, hurt func(path string) error) {
	t.Helper()
	d.load(t, "b")
	must(t, hurt(d.path(t, name)))
}
