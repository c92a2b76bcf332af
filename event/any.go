// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

// appendAny appends a decoded value, as appendValue does a record's; depth counts
// the arrays and maps around it.
func appendAny(dst []byte, v any, depth int) []byte {
	switch v := v.(type) {
	case string:
		return appendString(dst, v)
	case int64:
		return appendInt(dst, v)
	case float64:
		return appendDouble(dst, v)
	case bool:
		return appendBool(dst, v)
	case []byte:
		return appendBytes(dst, v)
	case Withheld:
		return appendWithheld(dst, v)
	case Map:
		if depth >= maxDepth {
			return appendDeep(dst, appendEntries(nil, v, unlimited))
		}
		return appendEntries(dst, v, depth+1)
	case []any:
		if depth >= maxDepth {
			return appendDeep(dst, appendElements(nil, v, unlimited))
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
	entries := make([]entry[any], len(m))
	for i, kv := range m {
		entries[i] = entry[any]{kv.Key, kv.Value, i}
	}
	firsts := splitKeys(entries)
	rest := entries[firsts:]
	dst = append(dst, '{')
	start := len(dst)
	for _, one := range entries[:firsts] {
		if len(rest) > 0 && afterMore(one.key) {
			dst = appendMoreEntries(dst, rest, depth)
			rest = nil
		}
		dst = appendKey(dst, one.key)
		dst = append(dst, ':')
		dst = appendAny(dst, one.value, depth)
		dst = append(dst, ',')
	}
	if len(rest) > 0 {
		dst = appendMoreEntries(dst, rest, depth)
	}
	return closeObject(dst, start)
}

func appendMoreEntries(dst []byte, rest []entry[any], depth int) []byte {
	dst = append(dst, `"$more":`...)
	for i, one := range rest {
		dst = appendPair(dst, one.key, i == 0)
		dst = appendAny(dst, one.value, depth)
		dst = append(dst, ']')
	}
	return append(dst, "],"...)
}
