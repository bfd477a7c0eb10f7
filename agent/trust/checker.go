// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// checker walks a decoded document and keeps the first flaw it meets. Its methods
// return a usable zero value after a flaw, so that the walk reads straight.
type checker struct{ flaw string }

func (c *checker) fail(path, format string, args ...any) {
	if c.flaw == "" {
		c.flaw = path + ": " + fmt.Sprintf(format, args...)
	}
}

// object is for objects whose member names are data: paths, key ids, role names.
func (c *checker) object(path string, v any) object {
	o, ok := v.(object)
	if !ok {
		c.fail(path, "is %s, want an object", kindOf(v))
	}
	return o
}

// members is for objects whose member names are the specification's. encoding/json
// takes such a name in any case, other readers do not: a name that differs from a
// known one, or from another one, only in case is refused.
func (c *checker) members(path string, v any, known ...string) object {
	o := c.object(path, v)
	folded := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(o)) {
		for _, k := range known {
			if name != k && strings.EqualFold(name, k) {
				c.fail(path, "has a member %s, which differs from %q only in case", quote(name), k)
			}
		}
		fold := strings.ToLower(name)
		if folded[fold] {
			c.fail(path, "has two members that differ from %s only in case", quote(name))
		}
		folded[fold] = true
	}
	return o
}

func (c *checker) list(path string, v any) []any {
	l, ok := v.([]any)
	if !ok {
		c.fail(path, "is %s, want an array", kindOf(v))
	}
	return l
}

func (c *checker) text(path string, v any) string {
	s, ok := v.(string)
	if !ok {
		c.fail(path, "is %s, want a string", kindOf(v))
	}
	return s
}

func (c *checker) hex(path string, v any) {
	if _, err := hex.DecodeString(c.text(path, v)); err != nil {
		c.fail(path, "is not hexadecimal")
	}
}

func (c *checker) boolean(path string, v any) {
	if _, ok := v.(bool); !ok {
		c.fail(path, "is %s, want true or false", kindOf(v))
	}
}

func (c *checker) integer(path string, v any, least, most int64) int64 {
	n, ok := v.(int64)
	switch {
	case !ok:
		c.fail(path, "is %s, want an integer", kindOf(v))
	case n < least || n > most:
		c.fail(path, "is %d, want %d to %d", n, least, most)
	}
	return n
}

func (c *checker) noNull(path string, v any) {
	switch v := v.(type) {
	case nil:
		c.fail(path, "is null")
	case object:
		for name, v := range v {
			c.noNull(path+"."+quote(name), v)
		}
	case []any:
		for _, v := range v {
			c.noNull(path, v)
		}
	}
}

// withoutCustom returns targets metadata without what may hold nulls.
func withoutCustom(signed object) object {
	files, ok := signed["targets"].(object)
	if !ok {
		return signed
	}
	bare := object{}
	for name, v := range files {
		if file, ok := v.(object); ok {
			v = maps.Clone(file)
			delete(v.(object), "custom")
		}
		bare[name] = v
	}
	signed = maps.Clone(signed)
	signed["targets"] = bare
	return signed
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "missing or null"
	case object:
		return "an object"
	case []any:
		return "an array"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	default:
		return "a number"
	}
}
