// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment

import (
	"encoding/base64"
	"errors"
	"fmt"
	"unicode/utf8"
)

// AppendString appends s, in UTF-8, as a JSON string in the one form that RFC 8785,
// section 3.2.2.2, allows.
func AppendString(dst []byte, s []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i, c := range s {
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// unquote appends to dst what the JSON string s, quotes included, stands for.
// It accepts only the form that AppendString writes.
func unquote(dst, s []byte) ([]byte, error) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return dst, errors.New("not a JSON string")
	}
	from := len(dst)
	in := s[1 : len(s)-1]
	for i := 0; i < len(in); i++ {
		c := in[i]
		switch {
		case c == '"' || c < 0x20:
			return dst, fmt.Errorf("unescaped byte 0x%02x in a JSON string", c)
		case c != '\\':
			dst = append(dst, c)
			continue
		}
		i++
		if i == len(in) {
			return dst, errors.New("a JSON string ends within an escape")
		}
		switch in[i] {
		case '"', '\\':
			dst = append(dst, in[i])
		case 'b':
			dst = append(dst, '\b')
		case 't':
			dst = append(dst, '\t')
		case 'n':
			dst = append(dst, '\n')
		case 'f':
			dst = append(dst, '\f')
		case 'r':
			dst = append(dst, '\r')
		case 'u':
			c, ok := controlEscape(in[i+1:])
			if !ok {
				return dst, errors.New("a JSON string has a \\u escape that is not in canonical form")
			}
			dst = append(dst, c)
			i += 4
		default:
			return dst, fmt.Errorf("a JSON string has the escape \\%c, which is not in canonical form", in[i])
		}
	}
	if !utf8.Valid(dst[from:]) {
		return dst, errors.New("a JSON string is not UTF-8")
	}
	return dst, nil
}

// controlEscape reads the four hex digits of a \u escape and returns the
// control character they stand for, if the canonical form has no shorter one.
func controlEscape(in []byte) (byte, bool) {
	if len(in) < 4 || in[0] != '0' || in[1] != '0' || in[2] > '1' || in[2] < '0' {
		return 0, false
	}
	c := (in[2] - '0') << 4
	switch d := in[3]; {
	case d >= '0' && d <= '9':
		c |= d - '0'
	case d >= 'a' && d <= 'f':
		c |= d - 'a' + 10
	default:
		return 0, false
	}
	switch c {
	case '\b', '\t', '\n', '\f', '\r':
		return 0, false
	}
	return c, true
}

// base64Strict refuses stray trailing bits, so that every byte string has one
// encoding (RFC 4648, section 3.5).
var base64Strict = base64.StdEncoding.Strict()

// decodeBase64 appends what s stands for. Unlike the standard library's
// decoder, it refuses line breaks within s.
func decodeBase64(dst, s []byte) ([]byte, error) {
	for _, c := range s {
		if c == '\n' || c == '\r' {
			return dst, errors.New("base64 with a line break")
		}
	}
	return base64Strict.AppendDecode(dst, s)
}

// Quote returns s as a JSON string in the form that RFC 8785, section 3.2.2.2, allows.
func Quote(s []byte) []byte { return AppendString(nil, s) }
