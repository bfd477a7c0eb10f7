// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// distribution is the name of a Python package's metadata directory, or of its
// metadata file in the oldest form: "sigstore-3.6.2.dist-info",
// "tuf-2.1.0-py3.11.egg-info".
var distribution = regexp.MustCompile(`^(sigstore|tuf|securesystemslib|cryptography)-([0-9][0-9A-Za-z.!+_]{0,63})(?:-py[0-9.]{1,8})?\.(dist|egg)-info$`)

// pythonLibraries are the libraries of sigstore-python by their package's name.
var pythonLibraries = map[string]string{"tuf": PythonTUF, "securesystemslib": SecureSystemsLib, "cryptography": PyCryptography}

// python finds sigstore-python in a site-packages directory. The libraries it uses
// are those installed beside it: Python imports them from there first.
func (s *search) python(ctx context.Context, dir string, names []string) {
	libraries, several := map[string]string{}, map[string]bool{}
	var own []string
	for _, name := range names {
		m := distribution.FindStringSubmatch(name)
		switch {
		case m == nil:
		case m[1] == "sigstore":
			own = append(own, name)
		default:
			library := pythonLibraries[m[1]]
			if have, ok := libraries[library]; ok && have != m[2] {
				several[library] = true
			}
			libraries[library] = m[2]
		}
	}
	var notes []string
	for _, library := range slices.Sorted(maps.Keys(several)) {
		// What an interrupted update leaves: which of them is imported is not told.
		delete(libraries, library)
		notes = append(notes, "more than one version of "+library+" is recorded beside it")
	}
	for _, name := range own {
		metadata := filepath.Join(dir, name, "METADATA")
		if strings.HasSuffix(name, ".egg-info") {
			metadata = filepath.Join(dir, name, "PKG-INFO")
			if regular(filepath.Join(dir, name)) {
				metadata = filepath.Join(dir, name)
			}
		}
		s.add(ctx, Python, found{
			path: filepath.Join(dir, "sigstore"), metadata: metadata, libraries: libraries, notes: notes,
			read: func(data []byte, c *Client) error {
				version, err := pythonVersion(data)
				if err != nil {
					return err
				}
				c.Name, c.Version, c.VersionSource = nameSigstorePython, version, fromPackage
				c.Libraries[SigstorePython] = version
				store := filepath.Join(dir, "sigstore", "_store")
				c.addRootFile(
					filepath.Join(store, url.QueryEscape(publicMirror), "root.json"), // since 4.0
					filepath.Join(store, "prod", "root.json"),                        // since 2.0
					filepath.Join(store, "root.json"),
				)
				return nil
			},
		})
	}
}

// maxHeaders bounds the header lines of a metadata file that are read.
const maxHeaders = 2000

// pythonVersion reads the version from a package's metadata: header lines as in
// mail, the description behind them.
func pythonVersion(data []byte) (string, error) {
	var name, version string
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 0; n < maxHeaders && lines.Scan(); n++ {
		key, value, ok := strings.Cut(lines.Text(), ":")
		if !ok && strings.TrimSpace(key) == "" {
			break // the description begins
		}
		switch value = strings.TrimSpace(value); {
		case strings.EqualFold(key, "Name") && name == "":
			name = value
		case strings.EqualFold(key, "Version") && version == "":
			version = value
		}
	}
	if !strings.EqualFold(name, "sigstore") {
		return "", fmt.Errorf("metadata of %.60q, not of sigstore: %w", name, ErrNotClient)
	}
	return version, versionText(version)
}

// versionText refuses what cannot be a version.
func versionText(version string) error {
	if version == "" || len(version) > maxVersionText || !regexpVersion.MatchString(version) {
		return fmt.Errorf("%.60q is not a version", version)
	}
	return nil
}

var regexpVersion = regexp.MustCompile(`^[0-9][0-9A-Za-z.!+_~-]*$`)
