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

// invisible are characters that Unicode counts as letters, marks or symbols, and that
// show as nothing: names and hidden text are made of them.
var invisible = &unicode.RangeTable{
	R16: []unicode.Range16{{Lo: 0x2800, Hi: 0x2800, Stride: 1}}, // a braille pattern without a dot
}

// safe reports whether a character shows as itself.
func safe(r rune) bool {
	if r < utf8.RuneSelf {
		return ' ' <= r && r < 0x7f
	}
	return unicode.IsGraphic(r) && !unicode.IsSpace(r) && r != utf8.RuneError &&
		!unicode.In(r, invisible, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
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
	var b []byte
	for r := range Runes(s) {
		b = appendText(b, r)
	}
	return string(b)
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
