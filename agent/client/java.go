// SPDX-License-Identifier: Apache-2.0

package client

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
)

// What is looked for in a jar.
const (
	jarClass      = "dev/sigstore/tuf/Updater.class"
	jarRoot       = "dev/sigstore/tuf/sigstore-tuf-root/root.json"
	jarProperties = "META-INF/maven/dev.sigstore/sigstore-java/pom.properties"
)

// Bounds of reading jars.
const (
	maxJarVersions = 200     // versions in Maven's or Gradle's repository
	maxJarRead     = 8 << 20 // bytes of one jar: its directory, and two small members
	maxProperties  = 64 << 10
)

// jarName is a jar that may be sigstore-java, or hold it.
var jarName = regexp.MustCompile(`^[0-9A-Za-z._+-]{0,100}sigstore[0-9A-Za-z._+-]{0,100}\.jar$`)

// jarVersion is the version in the name of sigstore-java's own jar.
var jarVersion = regexp.MustCompile(`^sigstore-java-([0-9][0-9A-Za-z.+_-]{0,63})\.jar$`)

// jars finds sigstore-java among the names in a directory: jars of its own, and
// those with its name in theirs into which it was packed. Others are not opened.
func (s *search) jars(ctx context.Context, dir string, names []string) {
	for _, name := range names {
		if !jarName.MatchString(name) || strings.HasSuffix(name, "-sources.jar") || strings.HasSuffix(name, "-javadoc.jar") {
			continue
		}
		path := filepath.Join(dir, name)
		s.add(ctx, Java, found{path: path, metadata: path, read: func(_ []byte, c *Client) error { return readJar(path, c) }})
	}
}

// jarVersions looks through the versions of sigstore-java in Maven's repository
// (VERSION/*.jar) or Gradle's (VERSION/HASH/*.jar).
func (s *search) jarVersions(ctx context.Context, dir string) {
	versions, err := list(dir)
	if err != nil {
		s.fail(err)
	}
	if len(versions) > maxJarVersions {
		s.fail(fmt.Errorf("reading directory %q: more than the %d versions that are read", dir, maxJarVersions))
		versions = versions[len(versions)-maxJarVersions:]
	}
	for _, version := range versions {
		below := filepath.Join(dir, version)
		names, err := list(below)
		if err != nil {
			continue // a file, not a version
		}
		s.jars(ctx, below, names)
		for _, name := range names[:min(len(names), 8)] {
			if len(name) != 40 && len(name) != 39 { // Gradle names a directory by a hash, without leading zeros
				continue
			}
			if jars, err := list(filepath.Join(below, name)); err == nil {
				s.jars(ctx, filepath.Join(below, name), jars)
			}
		}
	}
}

// readJar reads what a jar holds of sigstore-java.
func readJar(path string, c *Client) error {
	f, info, err := open(path)
	if err != nil {
		return err
	}
	defer f.Close() // opened for reading: nothing can be lost
	z, err := zip.NewReader(&budget{r: f, left: maxJarRead}, info.Size())
	if err != nil {
		return fmt.Errorf("%w: %w", err, ErrNotClient) // no archive
	}
	return c.fromJar(z, filepath.Base(path))
}

func (c *Client) fromJar(z *zip.Reader, name string) error {
	client := false
	var version string
	for _, member := range z.File {
		switch member.Name {
		case jarClass:
			client = true
		case jarProperties:
			if data, err := unpack(member, maxProperties); err == nil {
				version = property(data, "version")
			}
		case jarRoot:
			if data, err := unpack(member, maxRoot); err == nil && len(c.EmbeddedRoots) == 0 {
				c.addRoot(data)
			}
		}
	}
	if !client {
		return ErrNotClient
	}
	c.Name, c.VersionSource = nameSigstoreJava, fromPackage
	if versionText(version) != nil {
		version, c.VersionSource = "", ""
		if m := jarVersion.FindStringSubmatch(name); m != nil {
			version, c.VersionSource = m[1], "file name"
		}
	}
	c.Version = version
	c.Libraries[SigstoreJava] = version // "" is a version that cannot be told
	return nil
}

// budget bounds what a parser may read in all, whatever the directory of a hostile
// archive sends it after.
type budget struct {
	r    io.ReaderAt
	left int64
}

var errBudget = errors.New("reads more than an archive holds")

func (b *budget) ReadAt(p []byte, off int64) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, errBudget
	}
	return b.r.ReadAt(p, off)
}

// unpack reads one member of at most limit bytes.
func unpack(member *zip.File, limit int64) ([]byte, error) {
	r, err := member.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close() // reading: nothing can be lost
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("larger than %d bytes", limit)
	}
	return data, err
}

// property reads one value from a Java properties file of the plain kind.
func property(data []byte, key string) string {
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		k, v, ok := strings.Cut(lines.Text(), "=")
		if ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
