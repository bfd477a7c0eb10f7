// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	maxLinks     = 40       // symbolic links on the way to one directory, as the kernel allows
	maxDepth     = 3        // levels below a directory
	maxDirs      = 256      // directories watched below a directory
	maxNamesEach = 4096     // names read of one directory in search of others
	maxNames     = 16 << 10 // names read of all of them together
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
func find(dir string) route { return walk(dir, func(string, fs.DirEntry) {}) }

// walk is find that hands each name it reads below dir to seen.
func walk(dir string, seen func(path string, e fs.DirEntry)) route {
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
	r.tree = below(at, seen)
	return r
}

// split lists the components of a path; ".." stays, since what it means
// depends on the links before it.
func split(path string) []string {
	return strings.FieldsFunc(path, func(c rune) bool { return c == '/' })
}

// below lists dir and the directories below it, those that are nearest first, and
// hands each name that it reads to seen. Neither a million names in one directory nor
// a million directories make it read more than it must, and it follows no links.
func below(dir string, seen func(path string, e fs.DirEntry)) []string {
	tree, depth := []string{dir}, map[string]int{}
	budget := maxNames
	for i := 0; i < len(tree); i++ { // it grows meanwhile
		at := tree[i]
		if depth[at] == maxDepth {
			break // and all that follow are as deep
		}
		budget -= names(at, min(budget, maxNamesEach), func(e fs.DirEntry) {
			path := filepath.Join(at, e.Name())
			seen(path, e)
			if e.IsDir() && len(tree) < maxDirs {
				tree = append(tree, path)
				depth[path] = depth[at] + 1
			}
		})
	}
	return tree
}

// names hands up to limit names of a directory to seen, in the order of the disk, and
// says how many there were. One that cannot be read has none: it is gone again, or not
// ours to read.
func names(dir string, limit int, seen func(fs.DirEntry)) int {
	if limit <= 0 {
		return 0
	}
	// Not a link, and not a FIFO that would make us wait: what it was a moment ago may
	// be something else now.
	f, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return 0
	}
	defer f.Close() // only read from
	n := 0
	for n < limit {
		entries, err := f.ReadDir(min(256, limit-n))
		for _, e := range entries {
			seen(e)
		}
		n += len(entries)
		if err != nil { // io.EOF as a rule
			break
		}
	}
	return n
}
