// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tufkeeper/tufkeeper/agent/cache"
	"github.com/tufkeeper/tufkeeper/agent/config"
	"github.com/tufkeeper/tufkeeper/agent/publish"
)

// Mend mends the caches now and brings them forward, as policy allows, from the
// sets that the stores hold. It may run beside an agent: the write protocol
// stands a second writer. A cache that needed mending and could not be mended is
// an error.
func Mend(ctx context.Context, cfg config.Config, log hclog.Logger) error {
	var mirrors []cache.Mirror
	sources := map[string]publish.Source{}
	for _, m := range cfg.Mirrors {
		if m.Preview {
			continue
		}
		set, err := lastGoodSet(cfg.StateDir, m)
		if err != nil {
			return fmt.Errorf("loading the store of mirror %q: %w", m.Name, err)
		}
		mirrors = append(mirrors, cacheMirror(m, set))
		if set != nil {
			sources[m.Name] = publish.Source{Set: set, FirstSeen: set.VerifiedAt(), Soak: m.Soak}
		}
	}
	found, errs := cache.Find(places(cfg), mirrors)
	p := publish.New(publish.Options{
		Policy: func(c cache.Cache) config.Policy { return policyOf(cfg, c) },
		Log:    log.Named("publish"),
	})
	for _, out := range p.Publish(ctx, found, sources, time.Now()) {
		if out.Err != nil {
			errs = append(errs, fmt.Errorf("mending %q: %w", out.Cache.Path, out.Err))
		}
	}
	return errors.Join(errs...)
}

// CheckConfig says what of a config can only be seen wrong by building from it:
// the compatibility table, initial roots and their pins, certificates, schedules.
func CheckConfig(cfg config.Config) error {
	var errs []error
	if _, err := table(cfg); err != nil {
		errs = append(errs, err)
	}
	for _, m := range cfg.Mirrors {
		if _, err := newKeeper(m, cfg.Schedule, Options{Log: hclog.NewNullLogger()}); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// DoubtConfig says what of a config may be right, and is more likely a mistake.
func DoubtConfig(cfg config.Config) []string {
	model, err := table(cfg)
	if err != nil {
		return nil // CheckConfig says it
	}
	var doubts []string
	for _, w := range cfg.Clients.Minimums {
		if slices.Contains(model.Names(), w.Client) || strings.Contains(w.Client, "/") { // a module is the name of a client that has no other
			continue
		}
		doubt := fmt.Sprintf("minimum %q: no client of that name is known", w.Client)
		if near := config.DidYouMean(w.Client, model.Names()); near != "" {
			doubt += " (" + near + ")"
		}
		doubts = append(doubts, doubt)
	}
	return doubts
}
