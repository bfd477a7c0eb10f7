// SPDX-License-Identifier: Apache-2.0

package cache

// WithStep returns o with a function that is called before a file is made readable
// ("judged"), after staging ("staged") and after each step, with the name of its file.
func WithStep(o WriteOptions, f func(done string)) WriteOptions {
	o.step = f
	return o
}

// Quote is quote, and RenameNew is renameNew.
var (
	Quote     = quote
	RenameNew = renameNew
)

// Heals says whether the layout's client gets over damage by itself, as the table of
// rules has it: in "root", "role" or "target", of the kind that docs/caches.md names.
func Heals(l Layout, file, damage string) bool {
	rules := l.rules()
	heals := map[string]faults{"root": rules.rootHeals, "role": rules.roleHeals, "target": rules.targetHeals}[file]
	return heals&map[string]faults{
		"empty, cut off or garbage":     noJSON,
		"JSON of another shape, `null`": noRole,
		"not signed by its keys":        unsigned,
		"not what its metadata lists":   unsigned,
		"not readable":                  locked,
		"a symbolic link in its place":  linked,
		"a directory in its place":      occupied,
	}[damage] != 0
}
