// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	maxLinks = 40   // symbolic links on the way to one directory, as the kernel allows
	maxDepth = 3    // levels below a directory
	maxDirs  = 256  // directories watched below a directory
	maxNames = 4096 // names read of one directory in search of others
)

// A point is a name in a directory that decides where a path leads: the last
// component of a watched directory, a symbolic link on the way to it, or the
// first component that is missing.
type point struct{ dir, name string }

// A route is what must be watched for one directory. All paths are real: no
// component of them is a symbolic link.
type route struct {
	points []point
	tree   []string // the directory itself and those below; nil when it is not there
}

// find walks to dir, one component after the other.
func find(dir string) route {
	var r route
	at, left, links := "/", split(dir), 0
	for len(left) > 0 {
		name := left[0]
		left = left[1:]
		if name == ".." { // in the target of a link; at is real
			at = filepath.Dir(at)
			continue
		}
		path := filepath.Join(at, name)
		info, err := os.Lstat(path)
		switch {
		case err != nil || links > maxLinks: // missing, or not to be seen: wait for it here
			r.points = append(r.points, point{at, name})
			return r
		case info.Mode()&fs.ModeSymlink != 0:
			r.points = append(r.points, point{at, name})
			target, err := os.Readlink(path)
			if err != nil { // replaced just now
				return r
			}
			links++
			if filepath.IsAbs(target) {
				at = "/"
			}
			left = append(split(target), left...)
		case !info.IsDir():
			r.points = append(r.points, point{at, name})
			return r
		default:
			if len(left) == 0 {
				r.points = append(r.points, point{at, name})
			}
			at = path
		}
	}
	r.tree = below(nil, at, maxDepth)
	return r
}

// split lists the components of a path; ".." stays, since what it means
// depends on the links before it.
func split(path string) []string {
	return strings.FieldsFunc(path, func(c rune) bool { return c == '/' })
}

// below appends dir and the directories below it, down to some depth. It reads
// no more names than it must, and follows no links.
func below(found []string, dir string, depth int) []string {
	if len(found) >= maxDirs {
		return found
	}
	found = append(found, dir)
	if depth == 0 {
		return found
	}
	f, err := os.Open(dir)
	if err != nil { // gone again, or not ours to read: its parent is watched, and the scan looks
		return found
	}
	defer f.Close() // only read from
	for range maxNames / 256 {
		entries, err := f.ReadDir(256) // in the order of the disk, without sorting
		for _, e := range entries {
			if e.IsDir() {
				found = below(found, filepath.Join(dir, e.Name()), depth-1)
			}
		}
		if err != nil { // io.EOF as a rule
			break
		}
	}
	return found
}
