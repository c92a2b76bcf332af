// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package jcs

import (
	"errors"
	"math/bits"
)

// Plain returns how many bytes at the start of s stand for themselves in a JSON
// string: all but control characters, '"' and '\'. It looks at eight bytes at once,
// because most strings consist of nothing else.
func Plain[S string | []byte](s S) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(s); i += 8 {
		x := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		quote, slash := x^'"'*ones, x^'\\'*ones
		// A byte's high bit is set in (b-n)&^b if the byte b is less than n. A
		// borrow may set those of bytes further up, never the lowest one falsely.
		if found := ((x-0x20*ones)&^x | (quote-ones)&^quote | (slash-ones)&^slash) & highs; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(s) && s[i] >= 0x20 && s[i] != '"' && s[i] != '\\' {
		i++
	}
	return i
}

// AppendString appends s as a JSON string.
func AppendString[S string | []byte](dst []byte, s S) []byte {
	dst = append(dst, '"')
	for {
		n := Plain(s)
		dst = append(dst, s[:n]...)
		if n == len(s) {
			return append(dst, '"')
		}
		dst = appendEscape(dst, s[n])
		s = s[n+1:]
	}
}

// short are the characters that have a short escape, and how it is spelled.
const short = "\"\"\\\\\bb\tt\nn\ff\rr"

// appendEscape appends the escape of a character that needs one: the short form
// if there is one.
func appendEscape(dst []byte, c byte) []byte {
	for i := 0; i < len(short); i += 2 {
		if short[i] == c {
			return append(dst, '\\', short[i+1])
		}
	}
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// What is wrong with an escape.
var (
	errCutOff  = errors.New("an escape without an end")
	errForm    = errors.New("an escape that canonical form does not have")
	errShorter = errors.New("an escape for which canonical form has a shorter one")
)

// Escape reads the escape that s begins with, with its backslash, and returns the character
// it stands for and its length.
func Escape(s []byte) (c byte, n int, err error) {
	if len(s) < 2 {
		return 0, 0, errCutOff
	}
	if s[1] != 'u' {
		for i := 0; i < len(short); i += 2 {
			if short[i+1] == s[1] {
				return short[i], 2, nil
			}
		}
		return 0, 0, errForm
	}
	if len(s) < 6 {
		return 0, 0, errCutOff
	}
	low := s[5]
	switch {
	case low >= '0' && low <= '9':
		low -= '0'
	case low >= 'a' && low <= 'f':
		low -= 'a' - 10
	default:
		return 0, 0, errForm
	}
	if s[2] != '0' || s[3] != '0' || s[4] != '0' && s[4] != '1' {
		return 0, 0, errForm
	}
	c = (s[4]-'0')<<4 | low
	for i := 0; i < len(short); i += 2 {
		if short[i] == c {
			return 0, 0, errShorter
		}
	}
	return c, 6, nil
}
