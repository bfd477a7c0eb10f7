// SPDX-License-Identifier: Apache-2.0

package cache

// WithStep returns o with a function that is called after staging ("staged") and
// after each step, with the name of its file.
func WithStep(o WriteOptions, f func(done string)) WriteOptions {
	o.step = f
	return o
}

// Quote is quote.
var Quote = quote
