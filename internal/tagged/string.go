// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package tagged

import (
	"encoding/base64"
	"unicode/utf8"

	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
)

const hexDigits = "0123456789abcdef"

// Verbatim reports whether s is ASCII that stands for itself in a JSON string: what
// most strings are, told by one look at each word of eight bytes.
func Verbatim(s string) bool {
	n := len(s)
	if n < 8 {
		return n == 0 || !special(shortWord(s))
	}
	for i := 0; i+8 < n; i += 8 {
		if special(word(s[i:])) {
			return false
		}
	}
	return !special(word(s[n-8:])) // may overlap the word before
}

// special reports whether any byte of a word is a control character, '"', '\\' or
// not ASCII. As long as no byte has its high bit set, subtracting sets that of a
// byte that is less, and of others only by a borrow from such a one.
func special(x uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	return (x|(x-0x20*ones)|((x^'"'*ones)-ones)|((x^'\\'*ones)-ones))&highs != 0
}

// word returns the first eight bytes of s.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// shortWord returns a word with all bytes of s, which has one to seven, and else
// letters or bytes of s again.
func shortWord(s string) uint64 {
	n := len(s)
	if n >= 4 {
		return uint64(half(s)) | uint64(half(s[n-4:]))<<32
	}
	return 0x6161616161<<24 | uint64(s[0]) | uint64(s[n/2])<<8 | uint64(s[n-1])<<16
}

// half returns the first four bytes of s.
func half(s string) uint32 {
	_ = s[3]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

// AppendString appends a string value, tagged if it is not UTF-8.
func AppendString(dst []byte, s string) []byte {
	if Verbatim(s) {
		return append(append(append(dst, '"'), s...), '"')
	}
	if utf8.ValidString(s) {
		return jcs.AppendString(dst, s)
	}
	dst = append(dst, `{"$bytes":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, []byte(s))
	return append(dst, `","$string":true}`...)
}

// AppendBytes appends a byte string value.
func AppendBytes(dst, b []byte) []byte {
	dst = append(dst, `{"$bytes":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, `"}`...)
}

// AppendHex appends bytes in hex.
func AppendHex(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return dst
}
