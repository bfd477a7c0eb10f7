// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"path/filepath"
	"regexp"
)

// gemspec is the file that RubyGems writes for an installed gem: name, version,
// and the platform where the gem is made for one. The file is a program; only its
// name is read.
var gemspec = regexp.MustCompile(`^(sigstore-([0-9][0-9A-Za-z.]{0,63})(?:-[A-Za-z][0-9A-Za-z_.-]{0,31})?)\.gemspec$`)

// ruby finds sigstore-ruby in RubyGems' directory of specifications.
func (s *search) ruby(ctx context.Context, dir string, names []string) {
	for _, name := range names {
		m := gemspec.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		path := filepath.Join(dir, name)
		s.add(ctx, Ruby, found{path: path, metadata: path, read: func(_ []byte, c *Client) error {
			if err := versionText(m[2]); err != nil {
				return err
			}
			c.Name, c.Version, c.VersionSource = nameSigstoreRuby, m[2], "file name"
			c.Libraries[SigstoreRuby] = m[2]
			c.addRootFile(filepath.Join(filepath.Dir(dir), "gems", m[1], "data", "_store", "prod", "root.json"))
			return nil
		}})
	}
}
