// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package emit

import (
	"slices"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
)

// toUTF8 puts U+FFFD where s is not UTF-8.
func toUTF8(s string) string { return strings.ToValidUTF8(s, replacement) }

// textValue is a string, or its bytes if it is not UTF-8.
func textValue(s string) attribute.Value {
	if utf8.ValidString(s) {
		return attribute.StringValue(s)
	}
	return attribute.ByteSliceValue([]byte(s))
}

// keyValue is an attribute in which every string is UTF-8.
func keyValue(kv attribute.KeyValue) attribute.KeyValue {
	return attribute.KeyValue{Key: attribute.Key(toUTF8(string(kv.Key))), Value: value(kv.Value)}
}

// value is v with bytes in place of strings that are not UTF-8.
func value(v attribute.Value) attribute.Value {
	switch v.Type() {
	case attribute.STRING:
		return textValue(v.AsString())
	case attribute.STRINGSLICE:
		all := v.AsStringSlice()
		if !slices.ContainsFunc(all, func(s string) bool { return !utf8.ValidString(s) }) {
			return v
		}
		list := make([]attribute.Value, len(all))
		for i, s := range all {
			list[i] = textValue(s)
		}
		return attribute.SliceValue(list...)
	case attribute.SLICE:
		list := v.AsSlice()
		for i, element := range list {
			list[i] = value(element)
		}
		return attribute.SliceValue(list...)
	case attribute.MAP:
		entries := v.AsMap()
		for i, kv := range entries {
			entries[i] = keyValue(kv)
		}
		return attribute.MapValue(entries...)
	default:
		return v
	}
}
