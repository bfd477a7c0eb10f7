// SPDX-License-Identifier: Apache-2.0

package executable

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
)

const (
	// buildMagic begins what the linker writes of a build, at an address divisible by buildAlign.
	buildMagic  = "\xff Go buildinf:"
	buildAlign  = 16
	buildHeader = 32
	// maxBuildInfo bounds the module information of one program; large ones have a hundred kilobytes.
	maxBuildInfo = 4 << 20
)

var errNoBuildInfo = errors.New("it has none")

// Build reads what Go's linker recorded of the build: modules, settings and
// Go's version. The error says no more than what is wrong with it.
//
// debug/buildinfo would do the same, but loads the symbols of a Mach-O or PE file
// on the way, as often as the file wants.
func (f *File) Build() (*debug.BuildInfo, error) {
	l := &f.layout
	where := l.buildInfo
	if where.Empty() {
		where = Span{0, f.size}
	}
	var build *debug.BuildInfo
	last := error(errNoBuildInfo)
	tries := 0
	err := f.Chunks(where, func(chunk []byte, at int64) bool {
		for from := 0; ; {
			i := bytes.Index(chunk[from:], []byte(buildMagic))
			if i < 0 {
				return true
			}
			place := at + int64(from+i)
			from += i + 1
			if place%buildAlign != 0 {
				continue
			}
			if build, last = l.decodeBuild(f, place); last == nil {
				return false
			}
			// A program that reads such information holds the beginning, too.
			if tries++; tries == 64 {
				return false
			}
		}
	})
	if err != nil {
		return nil, err
	}
	if last != nil {
		return nil, last
	}
	return build, nil
}

// decodeBuild reads the information that begins at an offset.
func (l *layout) decodeBuild(f *File, at int64) (*debug.BuildInfo, error) {
	head, ok := f.section(at, buildHeader)
	if !ok {
		return nil, errors.New("it is cut off")
	}
	var version, modules string
	const inline = 2
	if head[15]&inline != 0 { // since Go 1.18
		next := at + buildHeader
		if version, next, ok = f.varString(next); ok {
			modules, _, ok = f.varString(next)
		}
	} else {
		version, modules, ok = l.pointed(f, head)
	}
	if !ok || version == "" {
		return nil, errors.New("it is damaged")
	}
	// The module information stands between two marks of 16 bytes.
	if n := len(modules); n >= 33 && modules[n-17] == '\n' {
		modules = modules[16 : n-16]
	} else {
		modules = ""
	}
	build, err := debug.ParseBuildInfo(modules)
	if err != nil {
		return nil, fmt.Errorf("it is damaged: %w", err)
	}
	build.GoVersion = strings.ToValidUTF8(version, "?")
	return build, nil
}

// varString reads a string with its length before it.
func (f *File) varString(at int64) (string, int64, bool) {
	head, ok := f.section(at, min(binary.MaxVarintLen64, f.size-at))
	if !ok {
		return "", 0, false
	}
	length, n := binary.Uvarint(head)
	if n <= 0 || length > maxBuildInfo {
		return "", 0, false
	}
	text, ok := f.section(at+int64(n), int64(length))
	return string(text), at + int64(n) + int64(length), ok
}

// pointed reads the form of Go before 1.18: addresses of strings, which are
// addresses and lengths.
func (l *layout) pointed(f *File, head []byte) (version, modules string, ok bool) {
	size := int(head[14])
	if l.order == nil || size != 4 && size != 8 || size == 8 != l.class64 {
		return "", "", false
	}
	text := func(at []byte) (string, bool) {
		where, ok := l.offset(l.uint(at))
		if !ok {
			return "", false
		}
		pair, ok := f.section(where.From, int64(2*size))
		if !ok {
			return "", false
		}
		n := l.uint(pair[size:])
		where, ok = l.offset(l.uint(pair[:size]))
		if !ok || n > maxBuildInfo || int64(n) > where.To-where.From {
			return "", false
		}
		b, ok := f.section(where.From, int64(n))
		return string(b), ok
	}
	if version, ok = text(head[16 : 16+size]); !ok {
		return "", "", false
	}
	modules, ok = text(head[16+size : 16+2*size])
	return version, modules, ok || modules == ""
}
