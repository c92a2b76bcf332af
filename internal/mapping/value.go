// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping

import (
	"errors"
	"strconv"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otel-auditlog/auditlogexporter/internal/tagged"
)

// ErrTooDeep is that a record, its resource or its scope has a value with more
// levels of arrays and maps than an event can hold: 200,000.
var ErrTooDeep = errors.New("a value is nested too deeply: an event holds up to " + strconv.Itoa(tagged.MaxNesting) + " levels of arrays and maps")

// appendValue appends a value; depth counts the arrays and maps around it.
func (e *Encoder) appendValue(dst []byte, v pcommon.Value, depth int) []byte {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return tagged.AppendString(dst, v.Str())
	case pcommon.ValueTypeInt:
		return tagged.AppendInt(dst, v.Int())
	case pcommon.ValueTypeDouble:
		return tagged.AppendDouble(dst, v.Double())
	case pcommon.ValueTypeBool:
		return tagged.AppendBool(dst, v.Bool())
	case pcommon.ValueTypeBytes:
		return tagged.AppendBytes(dst, v.Bytes().AsRaw())
	case pcommon.ValueTypeMap:
		if depth >= tagged.MaxDepth {
			return tagged.AppendDeep(dst, e.appendMap(nil, v.Map(), tagged.Unlimited))
		}
		if e.isTooDeep(depth) {
			return dst
		}
		return e.appendMap(dst, v.Map(), depth+1)
	case pcommon.ValueTypeSlice:
		if depth >= tagged.MaxDepth {
			return tagged.AppendDeep(dst, e.appendSlice(nil, v.Slice(), tagged.Unlimited))
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
	e.tooDeep = e.tooDeep || depth == tagged.Unlimited+tagged.MaxNesting-tagged.MaxDepth-1
	return e.tooDeep
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
		e.stack = append(e.stack, tagged.Entry[pcommon.Value]{Key: k, Value: v, At: len(e.stack)})
		return true
	})
	end := len(e.stack)
	rest := base + tagged.Sort(e.stack[base:])
	more := rest < end
	dst = append(dst, '{')
	start := len(dst)
	for i := base; i < rest; i++ {
		// Not a slice kept from above: a nested map may have moved the stack.
		one := e.stack[i]
		if more && tagged.AfterMore(one.Key) {
			dst = e.appendMore(dst, rest, end, depth)
			more = false
		}
		dst = tagged.AppendKey(dst, one.Key)
		dst = append(dst, ':')
		dst = e.appendValue(dst, one.Value, depth)
		dst = append(dst, ',')
	}
	if more {
		dst = e.appendMore(dst, rest, end, depth)
	}
	clear(e.stack[base:end]) // The record's memory is not the encoder's to keep.
	e.stack = e.stack[:base]
	return tagged.CloseObject(dst, start)
}

// appendMore appends entries of the stack as the member $more, and a comma.
func (e *Encoder) appendMore(dst []byte, from, to, depth int) []byte {
	dst = append(dst, `"$more":`...)
	for i := from; i < to; i++ {
		dst = tagged.AppendPair(dst, e.stack[i].Key, i == from)
		dst = e.appendValue(dst, e.stack[i].Value, depth)
		dst = append(dst, ']')
	}
	return append(dst, "],"...)
}
