// SPDX-License-Identifier: Apache-2.0

package probe

import "github.com/tufkeeper/tufkeeper/agent/client"

// rootFile is the name in the home of the root that a client is to start from.
const rootFile = "root.json"

// A way returns the commands by which a client reads a mirror from scratch. With
// own it starts from the root that is in itself.
type way func(url, home string, own bool) [][]string

// Known says whether a way to probe a client is known.
func Known(c client.Client) bool {
	_, ok := wayOf(c)
	return ok
}

func wayOf(c client.Client) (way, bool) {
	switch c.Name {
	case "cosign", "gitsign":
		return initialize(c.Name), true
	case "tuf-client":
		return tufClient, true
	}
	return nil, false
}

// initialize is the command of cosign, and of gitsign, which has taken it over.
func initialize(name string) way {
	return func(url, home string, own bool) [][]string {
		args := []string{name, "initialize", "--mirror", url}
		if !own {
			args = append(args, "--root", home+"/"+rootFile)
		}
		return [][]string{args}
	}
}

// tufClient is go-tuf's own example: its init only stores the root.
func tufClient(url, home string, _ bool) [][]string {
	store := home + "/store"
	return [][]string{
		{"tuf-client", "init", "-s", store, url, home + "/" + rootFile},
		{"tuf-client", "list", "-s", store, url},
	}
}
