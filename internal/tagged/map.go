// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package tagged

import (
	"slices"
	"unicode/utf8"

	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
)

// Entry is a key and its value in a map that is being put in order.
type Entry[V any] struct {
	Key   string
	Value V
	At    int // place in the record
}

// Sort puts the first entry of each UTF-8 key in front, in order of the
// keys, and the others behind, in the order they came. It returns how many are in
// front. (The '$' that escapes some keys does not change their order.)
func Sort[V any](entries []Entry[V]) (firsts int) {
	ordered, valid := true, 0
	for i := range entries {
		if !utf8.ValidString(entries[i].Key) {
			ordered = false
			continue
		}
		ordered = ordered && (i == 0 || jcs.CompareKeys(entries[i-1].Key, entries[i].Key) < 0)
		// Keys that are not UTF-8 end up behind the others.
		entries[valid], entries[i] = entries[i], entries[valid]
		valid++
	}
	if ordered {
		return len(entries)
	}
	slices.SortFunc(entries[:valid], func(a, b Entry[V]) int {
		if c := jcs.CompareKeys(a.Key, b.Key); c != 0 {
			return c
		}
		return a.At - b.At
	})
	for i := range entries[:valid] {
		if i == 0 || entries[i].Key != entries[firsts-1].Key {
			// What stood there is a repeated entry, to be put in order below.
			entries[firsts], entries[i] = entries[i], entries[firsts]
			firsts++
		}
	}
	slices.SortFunc(entries[firsts:], func(a, b Entry[V]) int { return a.At - b.At })
	return firsts
}

// AppendKey appends a map's key, escaped if it begins with '$'.
func AppendKey(dst []byte, key string) []byte {
	if key == "" || key[0] != '$' {
		return jcs.AppendString(dst, key)
	}
	dst = append(dst, '"', '$')
	at := len(dst)
	dst = jcs.AppendString(dst, key)
	return append(dst[:at], dst[at+1:]...)
}

// AfterMore reports whether a key is written behind the member $more: keys that
// begin with '$' are written with two, which sorts before.
func AfterMore(key string) bool { return key != "" && key[0] > '$' }
