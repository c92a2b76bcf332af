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

	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
	"github.com/otel-auditlog/auditlogexporter/internal/tagged"
)

// maxTextDepth bounds the nesting of JSON that is carried as text ($json): a map
// takes up to three levels, with the arrays of $more.
const maxTextDepth = 3 * tagged.MaxNesting

// decode reads a value and undoes its tags.
func (d *decoder) decode() (any, error) {
	switch d.Peek() {
	case '"':
		return d.PlainText()
	case '{':
		if tag := d.tag(); tag != "" {
			return d.tagged(tag)
		}
		return d.entries()
	case '[':
		return d.elements()
	case 't':
		return true, d.Literal("true")
	case 'f':
		return false, d.Literal("false")
	case 'n':
		return nil, d.Literal("null")
	default:
		return d.decodeNumber()
	}
}

func (d *decoder) decodeNumber() (any, error) {
	text, err := d.Number()
	if err != nil {
		return nil, err
	}
	if tagged.IsDouble(text) {
		v, err := strconv.ParseFloat(string(text), 64)
		return v, err
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return nil, d.Fail(outOfRange)
	}
	return n, nil
}

func (d *decoder) elements() ([]any, error) {
	list := []any{}
	err := d.Array(func() error {
		v, err := d.decode()
		list = append(list, v)
		return err
	})
	return list, err
}

// entries reads a map.
func (d *decoder) entries() (Map, error) {
	m, more := Map{}, Map(nil)
	err := d.Object(func(key []byte) error {
		name := string(key)
		if name == "$more" {
			var err error
			more, err = d.more()
			return err
		}
		if strings.HasPrefix(name, "$") {
			if !strings.HasPrefix(name, "$$") {
				return d.Fail(fmt.Sprintf("unknown tag %.40q", name))
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
	err = d.Array(func() error {
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
		return d.Fail("an entry of $more is a key and a value")
	})
	return more, err
}

// tag returns the name of the tag that begins here, or "".
func (d *decoder) tag() string {
	for _, tag := range []string{"$bytes", commitTag, "$double", "$int", "$json"} {
		if bytes.HasPrefix(d.Text[d.At:], []byte(`{"`+tag+`":`)) {
			return tag
		}
	}
	return ""
}

// tagged reads a value that is tagged.
func (d *decoder) tagged(tag string) (any, error) {
	var text string
	isString := false
	err := d.Object(func(key []byte) (err error) {
		switch {
		case string(key) == tag:
			text, err = d.PlainText()
		case string(key) == "$string" && tag == "$bytes":
			isString = true
			err = d.Literal("true")
		default:
			err = d.Fail("an unknown member beside " + tag)
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
			return nil, d.Fail(outOfRange)
		}
		return n, nil
	case "$double":
		return d.doubleText(text)
	case commitTag:
		return d.withheld(text)
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, d.Fail("not base64")
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
		return math.Float64frombits(tagged.NaN), nil
	}
	if hex, ok := strings.CutPrefix(text, "NaN(0x"); ok {
		bits, err := strconv.ParseUint(strings.TrimSuffix(hex, ")"), 16, 64)
		if v := math.Float64frombits(bits); err == nil && math.IsNaN(v) {
			return v, nil
		}
		return nil, d.Fail("not a double")
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, d.Fail("not a double")
	}
	return v, nil
}

// deep reads the text of a value that was too deep for plain JSON.
func (d *decoder) deep(text []byte) (any, error) {
	inner := decoder{Reader: jcs.Reader{Text: text, Room: maxTextDepth}, whole: true}
	err := inner.CheckUTF8()
	if err != nil {
		return nil, d.Fail("$json: " + err.Error())
	}
	v, err := inner.decode()
	if err != nil {
		return nil, d.Fail("$json: " + err.Error())
	}
	if inner.At != len(text) {
		return nil, d.Fail("$json: something follows the value")
	}
	return v, nil
}

// withheld reads what stands within the tag of a withheld value.
func (d *decoder) withheld(text string) (any, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	switch {
	case d.whole:
		return nil, d.Fail("a withheld value within one that is whole")
	case err != nil || len(b) != len(Withheld{}):
		return nil, d.Fail("not a commitment")
	}
	return Withheld(b), nil
}
