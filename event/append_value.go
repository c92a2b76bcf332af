// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"encoding/base64"

	"github.com/otel-auditlog/auditlogexporter/internal/tagged"
)

// appendAny appends a decoded value, as appendValue does a record's; depth counts
// the arrays and maps around it.
func appendAny(dst []byte, v any, depth int) []byte {
	switch v := v.(type) {
	case string:
		return tagged.AppendString(dst, v)
	case int64:
		return tagged.AppendInt(dst, v)
	case float64:
		return tagged.AppendDouble(dst, v)
	case bool:
		return tagged.AppendBool(dst, v)
	case []byte:
		return tagged.AppendBytes(dst, v)
	case Withheld:
		return appendWithheld(dst, v)
	case Map:
		if depth >= tagged.MaxDepth {
			return tagged.AppendDeep(dst, appendEntries(nil, v, tagged.Unlimited))
		}
		return appendEntries(dst, v, depth+1)
	case []any:
		if depth >= tagged.MaxDepth {
			return tagged.AppendDeep(dst, appendElements(nil, v, tagged.Unlimited))
		}
		return appendElements(dst, v, depth+1)
	default:
		return append(dst, "null"...)
	}
}

func appendElements(dst []byte, list []any, depth int) []byte {
	dst = append(dst, '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendAny(dst, v, depth)
	}
	return append(dst, ']')
}

// appendEntries appends a map whose values have depth arrays and maps around them.
func appendEntries(dst []byte, m Map, depth int) []byte {
	entries := make([]tagged.Entry[any], len(m))
	for i, kv := range m {
		entries[i] = tagged.Entry[any]{Key: kv.Key, Value: kv.Value, At: i}
	}
	firsts := tagged.Sort(entries)
	rest := entries[firsts:]
	dst = append(dst, '{')
	start := len(dst)
	for _, one := range entries[:firsts] {
		if len(rest) > 0 && tagged.AfterMore(one.Key) {
			dst = appendMoreEntries(dst, rest, depth)
			rest = nil
		}
		dst = tagged.AppendKey(dst, one.Key)
		dst = append(dst, ':')
		dst = appendAny(dst, one.Value, depth)
		dst = append(dst, ',')
	}
	if len(rest) > 0 {
		dst = appendMoreEntries(dst, rest, depth)
	}
	return tagged.CloseObject(dst, start)
}

func appendMoreEntries(dst []byte, rest []tagged.Entry[any], depth int) []byte {
	dst = append(dst, `"$more":`...)
	for i, one := range rest {
		dst = tagged.AppendPair(dst, one.Key, i == 0)
		dst = appendAny(dst, one.Value, depth)
		dst = append(dst, ']')
	}
	return append(dst, "],"...)
}

// commitTag is the tag of a withheld value. No client can forge it: a key of theirs that
// begins with '$' is written with one more.
const commitTag = "$commit"

func appendWithheld(dst []byte, w Withheld) []byte {
	dst = append(dst, `{"`+commitTag+`":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, w[:])
	return append(dst, `"}`...)
}
