// SPDX-License-Identifier: Apache-2.0

package trust_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater" // only to compare with

	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// updaterAccepts runs go-tuf's own client over the files, and asks it for every
// target of the set.
func updaterAccepts(t testing.TB, files trust.Files, set *trust.Set) error {
	t.Helper()
	served := map[string][]byte{}
	names := map[string][]byte{"snapshot": files.Snapshot, "targets": files.Targets}
	maps.Copy(names, files.Delegated)
	for role, data := range names {
		found, _ := set.Role(role)
		served[fmt.Sprintf("%s.json", url.PathEscape(role))] = data
		served[fmt.Sprintf("%d.%s.json", found.Version, url.PathEscape(role))] = data
	}
	served["timestamp.json"] = files.Timestamp
	first, err := trust.Peek(trust.Root, files.Initial)
	if err != nil {
		return err
	}
	for i, data := range files.Roots {
		served[fmt.Sprintf("%d.root.json", first.Version+int64(i)+1)] = data
	}
	cfg, err := config.New("http://repo.invalid", files.Initial)
	if err != nil {
		return err
	}
	cfg.DisableLocalCache = true
	cfg.LocalMetadataDir = t.TempDir()
	cfg.Fetcher = fetcher(served)
	u, err := updater.New(cfg)
	if err != nil {
		return err
	}
	u.UnsafeSetRefTime(now)
	if err := u.Refresh(); err != nil {
		return err
	}
	for _, target := range set.Targets() {
		if _, err := u.GetTargetInfo(target.Path); err != nil {
			return fmt.Errorf("target %q: %w", target.Path, err)
		}
	}
	return nil
}

type fetcher map[string][]byte

func (f fetcher) DownloadFile(url string, most int64, _ time.Duration) ([]byte, error) {
	name := strings.TrimPrefix(url, "http://repo.invalid/")
	data, ok := f[name]
	if !ok {
		return nil, &metadata.ErrDownloadHTTP{StatusCode: http.StatusNotFound, URL: url}
	}
	if int64(len(data)) > most {
		return nil, &metadata.ErrDownloadLengthMismatch{Msg: name}
	}
	return data, nil
}
