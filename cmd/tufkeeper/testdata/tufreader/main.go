// SPDX-License-Identifier: Apache-2.0

// Command tufreader reads one target file as a program built on sigstore-go does,
// once or again and again: a real client for the end-to-end tests. It says "ok" or
// what went wrong, a line for each run, and ends with 1 when the last one failed.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/tuf"
)

func main() {
	o := tuf.DefaultOptions()
	flag.StringVar(&o.RepositoryBaseURL, "url", o.RepositoryBaseURL, "the mirror")
	flag.StringVar(&o.CachePath, "base", o.CachePath, "the directory of all caches")
	root := flag.String("root", "", "the root.json to start from, as if it were compiled in")
	target := flag.String("target", "trusted_root.json", "what is read")
	runs := flag.Int("runs", 1, "how often")
	flag.BoolVar(&o.ForceCache, "force", false, "use the cache as long as it is valid")
	flag.IntVar(&o.CacheValidity, "days", 0, "use the cache when it was checked within so many days")
	offline := flag.Bool("offline", false, "there is no network")
	pause := flag.Duration("pause", 0, "before each run, a time around this")
	wait := flag.Bool("wait", false, "say ready, and begin when standard input ends")
	flag.Parse()

	var err error
	if o.Root, err = os.ReadFile(*root); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if *offline {
		o.Fetcher = noNetwork{}
	}
	if *wait {
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.Stdin) // whatever ends it
	}
	for range *runs {
		if *pause > 0 {
			time.Sleep(rand.N(2 * *pause))
		}
		if err = read(o, *target); err != nil {
			fmt.Println(strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Println("ok")
		}
	}
	if err != nil {
		os.Exit(1)
	}
}

func read(o *tuf.Options, target string) error {
	each := *o
	c, err := tuf.New(&each)
	if err != nil {
		return err
	}
	data, err := c.GetTarget(target)
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return errors.New("the target file is empty")
	}
	return nil
}

// noNetwork answers like a host without one.
type noNetwork struct{}

func (noNetwork) DownloadFile(url string, _ int64, _ time.Duration) ([]byte, error) {
	return nil, fmt.Errorf("there is no network: %s", url)
}
