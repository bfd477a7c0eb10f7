// SPDX-License-Identifier: Apache-2.0

package distro

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// merged are directories that distributions have made symbolic links to others,
// while packages still list their files under the old name (and the other way
// round: a package lists /usr/bin/x on a host that has not merged).
var merged = [...]string{"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr/sbin", "/usr/lib64"}

// names returns what a database may call the file that path leads to: its real
// path first, then the path with the directories as they were given, then either
// below directories that are links. It is empty when nothing is there.
func (h host) names(path string) []string {
	path = h.lastHop(path)
	realPath, info, err := h.resolve(path)
	if err != nil || info == nil {
		return nil
	}
	names := []string{realPath}
	if path != realPath {
		names = append(names, path)
	}
	for _, dir := range merged {
		target, info, err := h.resolve(dir)
		if err != nil || info == nil || target == dir {
			continue
		}
		if below, ok := strings.CutPrefix(realPath, target+"/"); ok {
			if n := dir + "/" + below; !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	return names
}

// lastHop follows the links that the file itself is, but not those of the
// directories it lies in: the last name is one that a package may have given it.
func (h host) lastHop(path string) string {
	path = filepath.Clean("/" + path)
	for range maxLinks {
		dir, _, err := h.resolve(filepath.Dir(path))
		if err != nil {
			return path
		}
		at := h.at(filepath.Join(dir, filepath.Base(path)))
		info, err := os.Lstat(at)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return path
		}
		target, err := os.Readlink(at)
		if err != nil {
			return path
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(dir, target)
		}
		path = filepath.Clean(target)
	}
	return path
}

// byStore reads the package from the path of a file in a store that keeps every
// version apart: Nix's and Homebrew's.
func byStore(path string) (Package, bool) {
	if rest, ok := strings.CutPrefix(path, "/nix/store/"); ok {
		dir, _, _ := strings.Cut(rest, "/")
		hash, label, _ := strings.Cut(dir, "-")
		for i := 1; i+1 < len(label); i++ {
			if label[i] == '-' && label[i+1] >= '0' && label[i+1] <= '9' && len(hash) == 32 {
				return Package{Manager: "nix", Name: fit(label[:i]), Version: fit(label[i+1:])}, true
			}
		}
		return Package{}, false
	}
	if _, rest, ok := strings.Cut(path, "/Cellar/"); ok {
		parts := strings.SplitN(rest, "/", 3)
		if len(parts) == 3 && parts[0] != "" && parts[1] != "" {
			return Package{Manager: "homebrew", Name: fit(parts[0]), Version: fit(parts[1])}, true
		}
	}
	return Package{}, false
}
