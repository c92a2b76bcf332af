// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"cmp"
	"slices"
	"unicode/utf8"

	"github.com/otel-auditlog/auditlogexporter/internal/jsontext"
)

// entry is a key and its value in a map that is being put in order.
type entry[V any] struct {
	key   string
	value V
	at    int // place in the record
}

// splitKeys puts the first entry of each UTF-8 key in front, in order of the
// keys, and the others behind, in the order they came. It returns how many are in
// front. (The '$' that escapes some keys does not change their order.)
func splitKeys[V any](entries []entry[V]) (firsts int) {
	ordered, valid := true, 0
	for i := range entries {
		if !utf8.ValidString(entries[i].key) {
			ordered = false
			continue
		}
		ordered = ordered && (i == 0 || compareKeys(entries[i-1].key, entries[i].key) < 0)
		// Keys that are not UTF-8 end up behind the others.
		entries[valid], entries[i] = entries[i], entries[valid]
		valid++
	}
	if ordered {
		return len(entries)
	}
	slices.SortFunc(entries[:valid], func(a, b entry[V]) int {
		if c := compareKeys(a.key, b.key); c != 0 {
			return c
		}
		return a.at - b.at
	})
	for i := range entries[:valid] {
		if i == 0 || entries[i].key != entries[firsts-1].key {
			// What stood there is a repeated entry, to be put in order below.
			entries[firsts], entries[i] = entries[i], entries[firsts]
			firsts++
		}
	}
	slices.SortFunc(entries[firsts:], func(a, b entry[V]) int { return a.at - b.at })
	return firsts
}

// compareKeys orders strings by their UTF-16 code units (RFC 8785, section
// 3.2.3). UTF-8 bytes order alike, except that characters beyond the Basic
// Multilingual Plane (first byte F0 and above) come before U+E000 to U+FFFF (EE,
// EF).
func compareKeys[S string | []byte](a, b S) int {
	for i := range min(len(a), len(b)) {
		if a[i] == b[i] {
			continue
		}
		if beyond := a[i] >= 0xf0; beyond != (b[i] >= 0xf0) && min(a[i], b[i]) >= 0xee {
			if beyond {
				return -1
			}
			return 1
		}
		return cmp.Compare(a[i], b[i])
	}
	return cmp.Compare(len(a), len(b))
}

// appendKey appends a map's key, escaped if it begins with '$'.
func appendKey(dst []byte, key string) []byte {
	if key == "" || key[0] != '$' {
		return jsontext.Append(dst, key)
	}
	dst = append(dst, '"', '$')
	at := len(dst)
	dst = jsontext.Append(dst, key)
	return append(dst[:at], dst[at+1:]...)
}

// afterMore reports whether a key is written behind the member $more: keys that
// begin with '$' are written with two, which sorts before.
func afterMore(key string) bool { return key != "" && key[0] > '$' }
