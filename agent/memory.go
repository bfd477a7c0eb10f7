// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hashicorp/go-hclog"

	"github.com/tufkeeper/tufkeeper/agent/durable"
	"github.com/tufkeeper/tufkeeper/agent/health"
)

const evProblemsForgotten = "problems forgotten"

// problemsFile remembers across restarts which problems hold and were told.
const (
	problemsFile = "problems.json"
	problemsMax  = 4 << 20
)

// memory is problemsFile, written only when what it says has changed.
type memory struct{ saved []byte }

// load reads what was told before. A file that cannot be read costs a second
// alert for what still holds, and is no reason not to start.
func (m *memory) load(stateDir string, log hclog.Logger) *health.Tracker {
	path := filepath.Join(stateDir, problemsFile)
	data, err := readRegular(path, problemsMax)
	if errors.Is(err, fs.ErrNotExist) {
		return health.NewTracker()
	}
	t := health.NewTracker()
	if err == nil {
		t, err = health.LoadTracker(data)
	}
	if err != nil {
		log.Warn(evProblemsForgotten, "path", path, "error", err)
		return t
	}
	m.saved = data
	return t
}

// save writes it for the next start; the answer is why it could not, or "".
func (m *memory) save(stateDir string, t *health.Tracker) string {
	data, err := json.Marshal(t)
	if err == nil && bytes.Equal(data, m.saved) {
		return ""
	}
	if err == nil {
		err = replaceIn(stateDir, problemsFile, data)
	}
	if err != nil {
		return fmt.Sprintf("remembering problems: %v", err)
	}
	m.saved = data
	return ""
}

func replaceIn(dir, name string, data []byte) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return durable.Replace(root, name, data, 0o600)
}
