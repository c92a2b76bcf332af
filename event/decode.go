// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"bytes"
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// decode reads a value and undoes its tags; depth counts the arrays and maps
// around it. Tags are refused where the encoder would not have used them.
func (d *decoder) decode(depth int) (any, error) {
	switch d.peek() {
	case '"':
		return d.plainText()
	case '{':
		return d.decodeObject(depth)
	case '[':
		if depth >= maxDepth {
			return nil, d.fail("an array nested deeper than canonical form has it")
		}
		list := []any{}
		err := d.array(func() error {
			v, err := d.decode(depth + 1)
			list = append(list, v)
			return err
		})
		return list, err
	case 't':
		return true, d.literal("true")
	case 'f':
		return false, d.literal("false")
	case 'n':
		return nil, d.literal("null")
	default:
		return d.decodeNumber()
	}
}

func (d *decoder) decodeNumber() (any, error) {
	text, err := d.number()
	if err != nil {
		return nil, err
	}
	if bytes.ContainsAny(text, ".e") {
		v, err := strconv.ParseFloat(string(text), 64)
		if err != nil {
			return nil, d.fail("a number out of range")
		}
		return v, nil
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || n < -maxSafeInteger || n > maxSafeInteger {
		return nil, d.fail("an integer that is to be tagged")
	}
	return n, nil
}

// decodeObject reads a map, or a tag.
func (d *decoder) decodeObject(depth int) (any, error) {
	start := d.i
	if tag := d.tag(); tag != "" {
		v, err := d.decodeTag(tag, depth)
		if err != nil {
			return nil, err
		}
		// One value has one form: had the value been written again, these bytes
		// would have come out.
		if tag != "$json" && !bytes.Equal(appendAny(nil, v), d.b[start:d.i]) {
			return nil, d.fail("a tag " + tag + " that canonical form does not have")
		}
		return v, nil
	}
	if depth >= maxDepth {
		return nil, d.fail("a map nested deeper than canonical form has it")
	}
	m, more := Map{}, Map(nil)
	err := d.object(func(key []byte) error {
		name := string(key)
		if name == "$more" {
			var err error
			more, err = d.decodeMore(depth + 1)
			return err
		}
		if strings.HasPrefix(name, "$") {
			if !strings.HasPrefix(name, "$$") {
				return d.fail("unknown tag " + name)
			}
			name = name[1:]
		}
		v, err := d.decode(depth + 1)
		m = append(m, KeyValue{name, v})
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, kv := range more {
		if _, again := m.Get(kv.Key); !again && utf8.ValidString(kv.Key) {
			return nil, d.fail("an entry of $more that is to be a member")
		}
	}
	return append(m, more...), nil
}

// tag returns the name of the tag that begins here, or "".
func (d *decoder) tag() string {
	for _, tag := range []string{"$bytes", "$double", "$int", "$json"} {
		if bytes.HasPrefix(d.b[d.i:], []byte(`{"`+tag+`":`)) {
			return tag
		}
	}
	return ""
}

func (d *decoder) decodeTag(tag string, depth int) (any, error) {
	var text string
	isString := false
	err := d.object(func(key []byte) (err error) {
		switch string(key) {
		case tag:
			text, err = d.plainText()
		case "$string":
			isString = tag == "$bytes"
			err = d.literal("true")
		default:
			err = d.fail("an unknown member beside " + tag)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	switch tag {
	case "$int":
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, d.fail("bad $int")
		}
		return n, nil
	case "$double":
		return d.doubleText(text)
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, d.fail("bad base64")
	}
	switch {
	case tag == "$json":
		return d.decodeDeep(raw, depth)
	case isString:
		return string(raw), nil
	default:
		return raw, nil
	}
}

func (d *decoder) doubleText(text string) (any, error) {
	switch {
	case text == "NaN":
		return math.NaN(), nil
	case strings.HasPrefix(text, "NaN(0x") && strings.HasSuffix(text, ")"):
		bits, err := strconv.ParseUint(text[len("NaN(0x"):len(text)-1], 16, 64)
		if v := math.Float64frombits(bits); err == nil && math.IsNaN(v) {
			return v, nil
		}
	default:
		if v, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(v) {
			return v, nil
		}
	}
	return nil, d.fail("bad $double")
}

// decodeDeep reads the text of a value that was too deep for plain JSON.
func (d *decoder) decodeDeep(text []byte, depth int) (any, error) {
	if depth != maxDepth || len(text) == 0 || text[0] != '{' && text[0] != '[' {
		return nil, d.fail("a tag $json that canonical form does not have")
	}
	inner := decoder{scanner{b: text}}
	inner.depth = unlimited
	v, err := inner.decode(unlimited)
	if err != nil {
		return nil, err
	}
	if inner.i != len(text) {
		return nil, d.fail("something follows the value in $json")
	}
	switch v.(type) {
	case Map, []any:
		return v, nil
	default:
		return nil, d.fail("a tag $json that canonical form does not have")
	}
}

// decodeMore reads the entries that a map's own members have no place for.
func (d *decoder) decodeMore(depth int) (more Map, err error) {
	err = d.array(func() error {
		var pair []any
		err := d.array(func() error {
			v, err := d.decode(depth)
			pair = append(pair, v)
			return err
		})
		if err != nil {
			return err
		}
		if len(pair) == 2 {
			if key, ok := pair[0].(string); ok {
				more = append(more, KeyValue{key, pair[1]})
				return nil
			}
		}
		return d.fail("an entry of $more is a key and a value")
	})
	if err == nil && len(more) == 0 {
		err = d.fail("an empty $more is left out")
	}
	return more, err
}

// appendAny appends a decoded scalar as the encoder would.
func appendAny(dst []byte, v any) []byte {
	switch v := v.(type) {
	case int64:
		return appendInt(dst, v)
	case float64:
		return appendDouble(dst, v)
	case string:
		return appendString(dst, v)
	case []byte:
		return appendBytes(dst, v)
	default:
		return dst
	}
}
