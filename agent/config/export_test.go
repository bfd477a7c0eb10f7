// SPDX-License-Identifier: Apache-2.0

package config

// Settings lists what can be set, by block ("" for none).
func Settings() map[string][]string {
	all := map[string][]string{}
	for block, settings := range schema() {
		for _, s := range settings {
			all[block] = append(all[block], s.name)
		}
	}
	return all
}
