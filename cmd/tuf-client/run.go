// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tufkeeper/tufkeeper/agent/durable"
	"github.com/tufkeeper/tufkeeper/agent/mirror"
	"github.com/tufkeeper/tufkeeper/agent/refresh"
	"github.com/tufkeeper/tufkeeper/agent/store"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

const usage = `usage:
  tuf-client --metadata-dir DIR init ROOT_FILE
  tuf-client --metadata-dir DIR --metadata-url URL refresh
  tuf-client --metadata-dir DIR --metadata-url URL (--target-name PATH)...
             --target-dir DIR --target-base-url URL download`

// initialRoot is where init keeps the initial root, below the metadata directory.
// Trust never starts from root.json beside it, which refreshes write.
const initialRoot = "initial_root/root.json"

// flags are the options of the protocol; they come before the command.
type flags struct {
	metadataDir, metadataURL string
	targetNames              []string
	targetDir, targetURL     string
	args                     []string
}

// run is the program. The protocol knows two exit codes: 0, and 1 for everything
// else, wrong usage and panics included.
func run(ctx context.Context, args []string, getenv func(string) string, stderr io.Writer) int {
	err := trust.Guard("running", func() error {
		f, err := parse(args)
		if err != nil {
			return err
		}
		log := hclog.New(&hclog.LoggerOptions{Output: stderr, Level: hclog.Info})
		now, err := clock(ctx, getenv)
		if err != nil {
			return err
		}
		switch f.args[0] {
		case "init":
			return initialize(f, log)
		case "refresh":
			return withRefresher(f, log, func(r *refresh.Refresher) error {
				_, err := r.Refresh(ctx, now)
				return err
			})
		default:
			return withRefresher(f, log, func(r *refresh.Refresher) error {
				return download(ctx, r, now, f)
			})
		}
	})
	if err != nil {
		fmt.Fprintf(stderr, "tuf-client: %v\n", err)
		return 1
	}
	return 0
}

func parse(args []string) (flags, error) {
	var f flags
	set := flag.NewFlagSet("tuf-client", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.StringVar(&f.metadataDir, "metadata-dir", "", "")
	set.StringVar(&f.metadataURL, "metadata-url", "", "")
	set.StringVar(&f.targetDir, "target-dir", "", "")
	set.StringVar(&f.targetURL, "target-base-url", "", "")
	set.Func("target-name", "", func(name string) error {
		f.targetNames = append(f.targetNames, name)
		return nil
	})
	if err := set.Parse(args); err != nil {
		return f, fmt.Errorf("%w\n%s", err, usage)
	}
	f.args = set.Args()
	want := map[string]bool{
		"init":     len(f.args) == 2 && f.metadataDir != "",
		"refresh":  len(f.args) == 1 && f.metadataDir != "" && f.metadataURL != "",
		"download": len(f.args) == 1 && f.metadataDir != "" && f.metadataURL != "" && f.targetDir != "" && f.targetURL != "" && len(f.targetNames) > 0,
	}
	if len(f.args) == 0 || !want[f.args[0]] {
		return f, errors.New(usage)
	}
	return f, nil
}

// clock returns the time. Under faketime, which a static binary does not notice,
// it asks a program that does.
func clock(ctx context.Context, getenv func(string) string) (time.Time, error) {
	if getenv("FAKETIME") == "" {
		return time.Now(), nil
	}
	out, err := exec.CommandContext(ctx, "date", "+%s").Output()
	if err != nil {
		return time.Time{}, fmt.Errorf("asking for the fake time: %w", err)
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("asking for the fake time: %w", err)
	}
	return time.Unix(seconds, 0), nil
}

// initialize keeps the initial root. It is checked when it is used.
func initialize(f flags, log hclog.Logger) error {
	data, err := readSmall(f.args[1])
	if err != nil {
		return fmt.Errorf("reading initial root: %w", err)
	}
	dir, err := os.OpenRoot(f.metadataDir)
	if err != nil {
		return fmt.Errorf("opening metadata directory: %w", err)
	}
	defer dir.Close()
	if err := dir.MkdirAll(filepath.Dir(initialRoot), 0o700); err != nil {
		return fmt.Errorf("keeping initial root: %w", err)
	}
	if err := durable.Replace(dir, initialRoot, data, 0o600); err != nil {
		return fmt.Errorf("keeping initial root: %w", err)
	}
	log.Info("initial root kept", "path", filepath.Join(f.metadataDir, initialRoot))
	return nil
}

func readSmall(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, trust.MaxRoot+1))
	if err == nil && len(data) > trust.MaxRoot {
		err = fmt.Errorf("%q is larger than %d bytes", path, trust.MaxRoot)
	}
	return data, err
}

// withRefresher opens the store, runs f, and closes the store.
func withRefresher(f flags, log hclog.Logger, do func(*refresh.Refresher) error) (err error) {
	initial, err := readSmall(filepath.Join(f.metadataDir, initialRoot))
	if err != nil {
		return fmt.Errorf("reading initial root: %w", err)
	}
	m, err := mirror.New(mirror.Options{
		Name: "conformance", URLs: []string{f.metadataURL}, AllowHTTP: true, Attempts: 1,
	}, log.Named("mirror"))
	if err != nil {
		return err
	}
	s, err := store.Open(f.metadataDir, log.Named("store"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	r, err := refresh.New(refresh.Options{
		Name: "conformance", Mirror: m, Store: s, Initial: initial,
		TargetsURL: f.targetURL, Log: log.Named("refresh"),
	})
	if err != nil {
		return err
	}
	return do(r)
}

// download gets the target files in order, and stops at the first that cannot be
// had. One that is in the directory already, with the right content, is left
// alone: not even its time changes.
func download(ctx context.Context, r *refresh.Refresher, now time.Time, f flags) error {
	dir, err := os.OpenRoot(f.targetDir)
	if err != nil {
		return fmt.Errorf("opening target directory: %w", err)
	}
	defer dir.Close()
	for _, path := range f.targetNames {
		t, err := r.Lookup(ctx, now, path)
		if err != nil {
			return err
		}
		name := trust.Escape(t.Path)
		if have, err := readTarget(dir, name, t.Length); err != nil {
			return err
		} else if have != nil && t.Verify(have) == nil {
			continue
		}
		data, err := r.Download(ctx, t)
		if err != nil {
			return err
		}
		if err := durable.Replace(dir, name, data, 0o644); err != nil {
			return fmt.Errorf("keeping target file %q: %w", path, err)
		}
	}
	return nil
}

// readTarget returns the file that is there, if it can be the target at all; nil if
// not.
func readTarget(dir *os.Root, name string, length int64) ([]byte, error) {
	info, err := dir.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && (!info.Mode().IsRegular() || info.Size() != length || length > trust.MaxTargetFile) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return dir.ReadFile(name)
}
