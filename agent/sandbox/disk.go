// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
)

// WriteTo writes what is served, without edits and faults, as files below dir,
// which is made where it does not exist: the tree of a file:// mirror, or of any
// web server. Files that are no longer served are left.
func (r *Repo) WriteTo(dir string) error {
	r.mu.Lock()
	s := r.served()
	r.mu.Unlock()
	for name, data := range s.files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("writing the sandbox repository: %w", err)
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			return fmt.Errorf("writing the sandbox repository: %w", err)
		}
	}
	return nil
}
