// SPDX-License-Identifier: Apache-2.0

package config

// schema lists every setting by the block it stands in ("" for none), from the
// same tables that decode and print.
func schema() map[string][]setting {
	var (
		c Config
		m Mirror
		o CacheRule
		p CachePlace
		n Minimum
		t Threshold
		r reader
	)
	return map[string][]setting{
		"":          r.top(&c),
		"mirror":    r.mirror(&m),
		"schedule":  r.schedule(&c.Schedule),
		"caches":    r.caches(&c.Caches),
		"place":     r.place(&p),
		"rule":      r.rule(&o),
		"clients":   r.clients(&c.Clients),
		"minimum":   r.minimum(&n),
		"threshold": r.threshold(&t),
		"alerts":    r.alerts(&c.Alerts),
		"log":       r.log(&c.Log),
	}
}

// homeOf says in which block a setting belongs; "" when there is no such
// setting, or it would be at home in several.
func homeOf(name string) string {
	found := ""
	for block, settings := range schema() {
		for _, s := range settings {
			if s.name != name {
				continue
			}
			if found != "" {
				return ""
			}
			found = block + " block"
			if block == "" {
				found = "the file itself"
			}
		}
	}
	return found
}
