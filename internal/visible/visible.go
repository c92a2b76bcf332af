// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package visible makes text that anybody may have written safe to show: characters
// that control a terminal, change the direction of text or are invisible are written as
// escapes.
package visible

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// safe reports whether a character shows as itself.
func safe(r rune) bool {
	return r == ' ' || unicode.IsGraphic(r) && !unicode.IsSpace(r) && r != utf8.RuneError
}

// isSafe reports whether a string has nothing but such characters.
func isSafe(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !safe(r) }) < 0
}

// Text returns s for people to read, on one line: what is not safe, and bytes that are
// not UTF-8, stand as \x1b, \u202e or \U000e0041. Backslashes stay as they are, so
// that there is no way back.
func Text(s string) string {
	if isSafe(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case safe(r):
			b.WriteString(s[i : i+n])
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += n
	}
	return b.String()
}

// JSON returns JSON that means the same as s, which is JSON without insignificant
// white space, in UTF-8: what is not safe stands as an escape of JSON.
func JSON(s string) string {
	if isSafe(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case safe(r):
			b.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		}
	}
	return b.String()
}
