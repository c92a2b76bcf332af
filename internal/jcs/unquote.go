// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package jcs

import (
	"encoding/base64"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Unquote appends to dst what the JSON string s, quotes included, stands for. It accepts only
// UTF-8 in the form that [AppendString] writes.
func Unquote(dst, s []byte) ([]byte, error) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return dst, errors.New("not a JSON string")
	}
	from := len(dst)
	for in := s[1 : len(s)-1]; len(in) > 0; {
		n := Plain(in)
		dst, in = append(dst, in[:n]...), in[n:]
		if len(in) == 0 {
			break
		}
		if in[0] != '\\' {
			return dst, fmt.Errorf("unescaped byte 0x%02x in a JSON string", in[0])
		}
		c, n, err := Escape(in)
		if err != nil {
			return dst, fmt.Errorf("a JSON string has %w", err)
		}
		dst, in = append(dst, c), in[n:]
	}
	if !utf8.Valid(dst[from:]) {
		return dst, errors.New("a JSON string is not UTF-8")
	}
	return dst, nil
}

// AppendBase64 appends b as a JSON string in base64 (RFC 4648, section 4).
func AppendBase64(dst, b []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, '"')
}

// base64Strict refuses stray trailing bits, so that every byte string has one encoding (RFC
// 4648, section 3.5).
var base64Strict = base64.StdEncoding.Strict()

// DecodeBase64 appends what s, without quotes, stands for. Unlike the standard library's
// decoder, it refuses line breaks within s.
func DecodeBase64(dst, s []byte) ([]byte, error) {
	for _, c := range s {
		if c == '\n' || c == '\r' {
			return dst, errors.New("base64 with a line break")
		}
	}
	return base64Strict.AppendDecode(dst, s)
}
