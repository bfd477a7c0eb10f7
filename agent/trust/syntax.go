// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxDepth   = 32      // public metadata is 7 deep
	maxValues  = 200_000 // in one document: values cost far more than the bytes they are written in
	maxInteger = 1 << 53 // beyond it readers that use floats disagree with those that do not
)

// object is a JSON object whose member names are all different.
type object = map[string]any

// decode reads one JSON value as object, []any, string, int64, bool or nil. It
// is stricter than encoding/json wherever two readers could understand the same
// bytes differently: names given twice, bytes after the value, invalid UTF-8,
// lone surrogates, numbers that are not plain integers.
func decode(data []byte) (any, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not UTF-8")
	}
	d := &decoder{Decoder: json.NewDecoder(bytes.NewReader(data))}
	d.UseNumber()
	v, err := decodeValue(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("bytes after the end, from offset %d", d.InputOffset())
	}
	return v, nil
}

// decoder counts the values that it has read.
type decoder struct {
	*json.Decoder
	values int
}

func decodeValue(d *decoder, depth int) (any, error) {
	if d.values++; d.values > maxValues {
		return nil, fmt.Errorf("more than %d values", maxValues)
	}
	t, err := d.Token()
	if err != nil {
		return nil, syntax(d, err)
	}
	switch t := t.(type) {
	case json.Delim:
		if depth == maxDepth {
			return nil, fmt.Errorf("nested deeper than %d", maxDepth)
		}
		if t == '{' {
			return decodeObject(d, depth+1)
		}
		return decodeArray(d, depth+1)
	case json.Number:
		return integer(t.String())
	case string:
		return t, wellFormed(t)
	default: // bool or nil
		return t, nil
	}
}

func decodeObject(d *decoder, depth int) (object, error) {
	o := object{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, syntax(d, err)
		}
		name, ok := t.(string)
		if !ok {
			return nil, fmt.Errorf("member without a name at offset %d", d.InputOffset())
		}
		if err := wellFormed(name); err != nil {
			return nil, err
		}
		if _, twice := o[name]; twice {
			return nil, fmt.Errorf("member %s given twice", quote(name))
		}
		if o[name], err = decodeValue(d, depth); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return o, syntax(d, err)
}

func decodeArray(d *decoder, depth int) ([]any, error) {
	a := []any{}
	for d.More() {
		v, err := decodeValue(d, depth)
		if err != nil {
			return nil, err
		}
		a = append(a, v)
	}
	_, err := d.Token()
	return a, syntax(d, err)
}

// integer refuses fractions, exponents, minus zero, and what a float cannot hold.
func integer(s string) (int64, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && s != "-0" && n <= maxInteger && n >= -maxInteger {
		return n, nil
	}
	return 0, fmt.Errorf("number %s is not a plain integer within 2^53", quote(s))
}

// wellFormed refuses the replacement character: encoding/json puts it where a lone
// surrogate was, so two different names would read as one.
func wellFormed(s string) error {
	if strings.ContainsRune(s, utf8.RuneError) {
		return fmt.Errorf("string %s is not well-formed Unicode", quote(s))
	}
	return nil
}

// syntax says where the input stopped being JSON. The text of encoding/json's
// errors quotes at most one character of the input.
func syntax(d *decoder, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("cut off after %d bytes", d.InputOffset())
	}
	return fmt.Errorf("not JSON at offset %d: %w", d.InputOffset(), err)
}
