// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A cache whose set soaks for hours, and that is damaged meanwhile, is not put off
// until the set has soaked.
func TestTheSoonestRetryCounts(t *testing.T) {
	for name, tc := range map[string]struct {
		asked []time.Duration // one after the other
		want  []time.Duration // when it is tried
	}{
		"a shorter wait after a longer one": {[]time.Duration{time.Hour, time.Second}, []time.Duration{time.Second}},
		"a longer wait after a shorter one": {[]time.Duration{time.Second, time.Hour}, []time.Duration{time.Second}},
		"no wait to speak of":               {[]time.Duration{1}, []time.Duration{shortest}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
				defer cancel()
				m, retry, start := newMender(nil, nil), make(chan string), time.Now()
				for _, wait := range tc.asked {
					m.later(ctx, "/c", wait, retry)
				}
				var tried []time.Duration
				for ctx.Err() == nil {
					select {
					case <-retry:
						tried = append(tried, time.Since(start))
					case <-ctx.Done():
					}
				}
				if !slices.Equal(tried, tc.want) {
					t.Errorf("tried after %s, want %s", tried, tc.want)
				}
			})
		})
	}
}
