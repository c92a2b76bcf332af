// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"encoding/base64"
	"slices"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// maxDepth is how deeply arrays and maps of one value are nested in JSON. What
// lies deeper is carried as text, because common JSON parsers give up at some
// depth (jq 1.6 at 256).
const maxDepth = 100

// unlimited is a depth from which maxDepth is never reached.
const unlimited = -1 << 62

// entry is a key and its value, in a map that is being put in order.
type entry struct {
	key   string
	value pcommon.Value
	at    int // place in the record
}

// appendValue appends a value; depth counts the arrays and maps around it.
func (e *Encoder) appendValue(dst []byte, v pcommon.Value, depth int) []byte {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return appendString(dst, v.Str())
	case pcommon.ValueTypeInt:
		return appendInt(dst, v.Int())
	case pcommon.ValueTypeDouble:
		return appendDouble(dst, v.Double())
	case pcommon.ValueTypeBool:
		if v.Bool() {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case pcommon.ValueTypeBytes:
		return appendBytes(dst, v.Bytes().AsRaw())
	case pcommon.ValueTypeSlice, pcommon.ValueTypeMap:
		if depth >= maxDepth {
			return e.appendDeep(dst, v)
		}
		if v.Type() == pcommon.ValueTypeMap {
			return e.appendMap(dst, v.Map(), depth+1)
		}
		return e.appendSlice(dst, v.Slice(), depth+1)
	default:
		return append(dst, "null"...)
	}
}

func (e *Encoder) appendSlice(dst []byte, s pcommon.Slice, depth int) []byte {
	dst = append(dst, '[')
	for i := range s.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = e.appendValue(dst, s.At(i), depth)
	}
	return append(dst, ']')
}

// appendDeep appends a value as the text of its canonical JSON.
func (e *Encoder) appendDeep(dst []byte, v pcommon.Value) []byte {
	text := e.appendValue(nil, v, unlimited)
	dst = append(dst, `{"$json":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, text)
	return append(dst, `"}`...)
}

// appendMap appends a map with its keys in order. Nested maps share one stack of
// entries, so that a steady stream of records needs no memory for it.
func (e *Encoder) appendMap(dst []byte, m pcommon.Map, depth int) []byte {
	base := len(e.entries)
	m.Range(func(k string, v pcommon.Value) bool {
		e.entries = append(e.entries, entry{k, v, len(e.entries)})
		return true
	})
	entries := e.entries[base:]
	firsts := splitKeys(entries)
	more := base+firsts < len(e.entries)
	dst = append(dst, '{')
	comma := false
	for i := range firsts {
		// Not a slice kept from above: a nested map may have moved the stack.
		one := e.entries[base+i]
		if more && afterMore(one.key) {
			dst = e.appendMore(dst, base+firsts, comma, depth)
			comma, more = true, false
		}
		if comma {
			dst = append(dst, ',')
		}
		comma = true
		dst = appendKey(dst, one.key)
		dst = append(dst, ':')
		dst = e.appendValue(dst, one.value, depth)
	}
	if more {
		dst = e.appendMore(dst, base+firsts, comma, depth)
	}
	e.entries = e.entries[:base]
	return append(dst, '}')
}

// appendMore appends the entries from index from on as the member $more.
func (e *Encoder) appendMore(dst []byte, from int, comma bool, depth int) []byte {
	if comma {
		dst = append(dst, ',')
	}
	dst = append(dst, `"$more":[`...)
	end := len(e.entries)
	for i := from; i < end; i++ {
		if i > from {
			dst = append(dst, ',')
		}
		dst = append(dst, '[')
		dst = appendString(dst, e.entries[i].key)
		dst = append(dst, ',')
		dst = e.appendValue(dst, e.entries[i].value, depth)
		dst = append(dst, ']')
	}
	return append(dst, ']')
}

// afterMore reports whether a key is written behind the member $more: keys that
// begin with '$' are written with two, which sorts before.
func afterMore(key string) bool { return key != "" && key[0] > '$' }

// splitKeys puts the first entry of each UTF-8 key in front, in order of the keys
// (which the '$' that escapes some does not change),
// and the others behind, in the order they came. It returns how many are in front.
func splitKeys(entries []entry) (firsts int) {
	ordered := true
	for i := range entries {
		if !utf8.ValidString(entries[i].key) || i > 0 && compareKeys(entries[i-1].key, entries[i].key) >= 0 {
			ordered = false
			break
		}
	}
	if ordered {
		return len(entries)
	}
	slices.SortFunc(entries, func(a, b entry) int {
		av, bv := utf8.ValidString(a.key), utf8.ValidString(b.key)
		if av != bv {
			if av {
				return -1
			}
			return 1
		}
		if c := compareKeys(a.key, b.key); av && c != 0 {
			return c
		}
		return a.at - b.at
	})
	for i := range entries {
		if !utf8.ValidString(entries[i].key) {
			break
		}
		if i == 0 || entries[i].key != entries[firsts-1].key {
			// Moving a first occurrence to the front leaves the repeated ones
			// behind, to be put in order below.
			entries[firsts], entries[i] = entries[i], entries[firsts]
			firsts++
		}
	}
	slices.SortFunc(entries[firsts:], func(a, b entry) int { return a.at - b.at })
	return firsts
}

// appendKey appends a map's key, escaped if it begins with '$'.
func appendKey(dst []byte, key string) []byte {
	if strings.HasPrefix(key, "$") {
		dst = append(dst, '"', '$')
		at := len(dst)
		dst = appendText(dst, key)
		return append(dst[:at], dst[at+1:]...)
	}
	return appendText(dst, key)
}
