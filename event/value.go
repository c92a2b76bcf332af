// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"encoding/base64"
	"errors"
	"math"
	"strconv"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// maxDepth is how deeply arrays and maps of one value are nested in JSON. What
// lies deeper is carried as text, because common JSON parsers give up at some
// depth (jq 1.6 at 256).
const maxDepth = 100

// unlimited is the depth that counting begins with within such a text, so that
// maxDepth is never reached.
const unlimited = math.MinInt / 2

// maxNesting is how deeply arrays and maps of one value may be nested at all.
// Following them takes stack, and running out of it cannot be recovered from.
const maxNesting = 200_000

// ErrTooDeep is that a record, its resource or its scope has a value with more
// levels of arrays and maps than an event can hold: 200,000.
var ErrTooDeep = errors.New("a value is nested too deeply: an event holds up to " + strconv.Itoa(maxNesting) + " levels of arrays and maps")

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
		return appendBool(dst, v.Bool())
	case pcommon.ValueTypeBytes:
		return appendBytes(dst, v.Bytes().AsRaw())
	case pcommon.ValueTypeMap:
		if depth >= maxDepth {
			return appendDeep(dst, e.appendMap(nil, v.Map(), unlimited))
		}
		if e.isTooDeep(depth) {
			return dst
		}
		return e.appendMap(dst, v.Map(), depth+1)
	case pcommon.ValueTypeSlice:
		if depth >= maxDepth {
			return appendDeep(dst, e.appendSlice(nil, v.Slice(), unlimited))
		}
		if e.isTooDeep(depth) {
			return dst
		}
		return e.appendSlice(dst, v.Slice(), depth+1)
	default:
		return append(dst, "null"...)
	}
}

// isTooDeep reports whether an event has no room for an array or map with that many
// around it, and takes note of it.
func (e *Encoder) isTooDeep(depth int) bool {
	e.tooDeep = e.tooDeep || depth == unlimited+maxNesting-maxDepth-1
	return e.tooDeep
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, "true"...)
	}
	return append(dst, "false"...)
}

// appendDeep appends a value that is given in canonical JSON as text.
func appendDeep(dst, text []byte) []byte {
	dst = append(dst, `{"$json":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, text)
	return append(dst, `"}`...)
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

// appendMap appends a map with its keys in order. Nested maps share one stack of
// entries, so that a steady stream of records needs no memory for it.
func (e *Encoder) appendMap(dst []byte, m pcommon.Map, depth int) []byte {
	base := len(e.stack)
	m.Range(func(k string, v pcommon.Value) bool {
		e.stack = append(e.stack, entry[pcommon.Value]{k, v, len(e.stack)})
		return true
	})
	end := len(e.stack)
	rest := base + splitKeys(e.stack[base:])
	more := rest < end
	dst = append(dst, '{')
	start := len(dst)
	for i := base; i < rest; i++ {
		// Not a slice kept from above: a nested map may have moved the stack.
		one := e.stack[i]
		if more && afterMore(one.key) {
			dst = e.appendMore(dst, rest, end, depth)
			more = false
		}
		dst = appendKey(dst, one.key)
		dst = append(dst, ':')
		dst = e.appendValue(dst, one.value, depth)
		dst = append(dst, ',')
	}
	if more {
		dst = e.appendMore(dst, rest, end, depth)
	}
	clear(e.stack[base:end]) // The record's memory is not the encoder's to keep.
	e.stack = e.stack[:base]
	return closeObject(dst, start)
}

// appendMore appends entries of the stack as the member $more, and a comma.
func (e *Encoder) appendMore(dst []byte, from, to, depth int) []byte {
	dst = append(dst, `"$more":`...)
	for i := from; i < to; i++ {
		dst = appendPair(dst, e.stack[i].key, i == from)
		dst = e.appendValue(dst, e.stack[i].value, depth)
		dst = append(dst, ']')
	}
	return append(dst, "],"...)
}

// appendPair begins an element of $more: the key, for the value to follow.
func appendPair(dst []byte, key string, first bool) []byte {
	if first {
		dst = append(dst, "[["...)
	} else {
		dst = append(dst, ",["...)
	}
	dst = appendString(dst, key)
	return append(dst, ',')
}

// closeObject ends an object whose members begin at start, a comma behind each.
func closeObject(dst []byte, start int) []byte {
	if len(dst) == start {
		return append(dst, '}')
	}
	dst[len(dst)-1] = '}'
	return dst
}
