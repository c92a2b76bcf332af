// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package visible

import (
	"bufio"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// notUTF8 is added to a byte that is not UTF-8, to stand for it among runes.
const notUTF8 = utf8.MaxRune + 1

// bare reports whether a character cannot be taken for the end of a value, nor for what
// separates a name from a value.
func bare(r rune) bool {
	switch {
	case r >= notUTF8:
		return false
	case r < utf8.RuneSelf:
		return r > ' ' && r < 0x7f && !strings.ContainsRune("=\"'`\\", r)
	default:
		return safe(r) && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r))
	}
}

// Value returns s as the value in NAME=VALUE: on one line, without an end but its own.
// What has nothing but letters, digits and common signs stands as it is. All else is in
// double quotes, within which a quote and a backslash have a backslash in front, and what
// [Text] writes as escapes stands so: no value can be taken for the text around it.
func Value(s string) string {
	runes := Runes(s)
	if isBare(runes) {
		return s
	}
	b := []byte{'"'}
	for r := range runes {
		b = appendQuoted(b, r)
	}
	return string(append(b, '"'))
}

// WriteValue writes what [Value] returns, in memory that does not depend on its length.
func WriteValue(w *bufio.Writer, runes iter.Seq[rune]) error {
	quoted := !isBare(runes)
	if quoted {
		w.WriteByte('"')
	}
	var b []byte
	for r := range runes {
		if b = b[:0]; quoted {
			b = appendQuoted(b, r)
		} else {
			b = utf8.AppendRune(b, r)
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	if quoted {
		return w.WriteByte('"')
	}
	return nil
}

func isBare(runes iter.Seq[rune]) bool {
	empty := true
	for r := range runes {
		if !bare(r) {
			return false
		}
		empty = false
	}
	return !empty
}

func appendQuoted(b []byte, r rune) []byte {
	if r == '"' || r == '\\' {
		b = append(b, '\\')
	}
	return appendText(b, r)
}

// appendText appends a character, as an escape if it is not safe.
func appendText(b []byte, r rune) []byte {
	switch {
	case r >= notUTF8:
		return fmt.Appendf(b, `\x%02x`, r-notUTF8)
	case safe(r):
		return utf8.AppendRune(b, r)
	case r < utf8.RuneSelf:
		return fmt.Appendf(b, `\x%02x`, r)
	case r < 0x10000:
		return fmt.Appendf(b, `\u%04x`, r)
	default:
		return fmt.Appendf(b, `\U%08x`, r)
	}
}

// Runes yields the characters of a text for [WriteValue].
func Runes(s string) iter.Seq[rune] {
	return func(yield func(rune) bool) {
		for i := 0; i < len(s); {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				r = notUTF8 + rune(s[i])
			}
			if i += n; !yield(r) {
				return
			}
		}
	}
}

// RunesOfJSON yields the characters of a string in JSON, which is known to be well-formed,
// without its quotes, for [WriteValue].
func RunesOfJSON(raw []byte) iter.Seq[rune] {
	return func(yield func(rune) bool) {
		for raw := raw; len(raw) > 0; {
			r, n := utf8.DecodeRune(raw)
			if raw[0] == '\\' {
				r, n = unescape(raw)
			}
			if raw = raw[n:]; !yield(r) {
				return
			}
		}
	}
}

// unescape reads an escape at the beginning of a text; of half a surrogate pair it makes
// U+FFFD.
func unescape(raw []byte) (r rune, n int) {
	if len(raw) < 2 {
		return utf8.RuneError, 1
	}
	if at := strings.IndexByte(`"\/bfnrt`, raw[1]); at >= 0 {
		return rune("\"\\/\b\f\n\r\t"[at]), 2
	}
	high, ok := hexRune(raw)
	if !ok {
		return utf8.RuneError, 1
	}
	if low, ok := hexRune(raw[6:]); ok {
		if both := utf16.DecodeRune(high, low); both != utf8.RuneError {
			return both, 12
		}
	}
	if 0xd800 <= high && high < 0xe000 {
		high = utf8.RuneError
	}
	return high, 6
}

// hexRune reads \uXXXX.
func hexRune(raw []byte) (rune, bool) {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	v, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	return rune(v), err == nil
}
