// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// maxTextDepth bounds the nesting of JSON that is carried as text ($json): a map
// takes up to three levels, with the arrays of $more.
const maxTextDepth = 3 * maxNesting

// decode reads a value and undoes its tags.
func (d *decoder) decode() (any, error) {
	switch d.peek() {
	case '"':
		return d.plainText()
	case '{':
		if tag := d.tag(); tag != "" {
			return d.tagged(tag)
		}
		return d.entries()
	case '[':
		return d.elements()
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
	if isDouble(text) {
		v, err := strconv.ParseFloat(string(text), 64)
		return v, err
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return nil, d.fail(errRange.Error())
	}
	return n, nil
}

func (d *decoder) elements() ([]any, error) {
	list := []any{}
	err := d.array(func() error {
		v, err := d.decode()
		list = append(list, v)
		return err
	})
	return list, err
}

// entries reads a map.
func (d *decoder) entries() (Map, error) {
	m, more := Map{}, Map(nil)
	err := d.object(func(key []byte) error {
		name := string(key)
		if name == "$more" {
			var err error
			more, err = d.more()
			return err
		}
		if strings.HasPrefix(name, "$") {
			if !strings.HasPrefix(name, "$$") {
				return d.fail(fmt.Sprintf("unknown tag %.40q", name))
			}
			name = name[1:]
		}
		v, err := d.decode()
		m = append(m, KeyValue{name, v})
		return err
	})
	return append(m, more...), err
}

// more reads the entries that a map's own members have no place for.
func (d *decoder) more() (more Map, err error) {
	err = d.array(func() error {
		pair, err := d.elements()
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
	return more, err
}

// tag returns the name of the tag that begins here, or "".
func (d *decoder) tag() string {
	for _, tag := range []string{"$bytes", commitTag, "$double", "$int", "$json"} {
		if bytes.HasPrefix(d.b[d.i:], []byte(`{"`+tag+`":`)) {
			return tag
		}
	}
	return ""
}

// tagged reads a value that is tagged.
func (d *decoder) tagged(tag string) (any, error) {
	var text string
	isString := false
	err := d.object(func(key []byte) (err error) {
		switch {
		case string(key) == tag:
			text, err = d.plainText()
		case string(key) == "$string" && tag == "$bytes":
			isString = true
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
			return nil, d.fail(errRange.Error())
		}
		return n, nil
	case "$double":
		return d.doubleText(text)
	case commitTag:
		return d.withheld(text)
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, d.fail("not base64")
	}
	switch {
	case tag == "$json":
		return d.deep(raw)
	case isString:
		return string(raw), nil
	default:
		return raw, nil
	}
}

// doubleText reads what stands within the tag $double.
func (d *decoder) doubleText(text string) (any, error) {
	if text == "NaN" {
		return math.Float64frombits(goNaN), nil
	}
	if hex, ok := strings.CutPrefix(text, "NaN(0x"); ok {
		bits, err := strconv.ParseUint(strings.TrimSuffix(hex, ")"), 16, 64)
		if v := math.Float64frombits(bits); err == nil && math.IsNaN(v) {
			return v, nil
		}
		return nil, d.fail("not a double")
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, d.fail("not a double")
	}
	return v, nil
}

// deep reads the text of a value that was too deep for plain JSON.
func (d *decoder) deep(text []byte) (any, error) {
	inner := decoder{scanner: scanner{b: text, room: maxTextDepth}, whole: true}
	err := inner.checkUTF8()
	if err != nil {
		return nil, d.fail("$json: " + err.Error())
	}
	v, err := inner.decode()
	if err != nil {
		return nil, d.fail("$json: " + err.Error())
	}
	if inner.i != len(text) {
		return nil, d.fail("$json: something follows the value")
	}
	return v, nil
}
