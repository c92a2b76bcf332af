// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment

import (
	"encoding/base64"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
)

// AppendString appends s, in UTF-8, as a JSON string in the one form that RFC 8785,
// section 3.2.2.2, allows.
func AppendString(dst []byte, s []byte) []byte { return jcs.AppendString(dst, s) }

// unquote appends to dst what the JSON string s, quotes included, stands for.
// It accepts only the form that AppendString writes.
func unquote(dst, s []byte) ([]byte, error) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return dst, errors.New("not a JSON string")
	}
	from := len(dst)
	for in := s[1 : len(s)-1]; len(in) > 0; {
		n := jcs.Plain(in)
		dst, in = append(dst, in[:n]...), in[n:]
		if len(in) == 0 {
			break
		}
		if in[0] != '\\' {
			return dst, fmt.Errorf("unescaped byte 0x%02x in a JSON string", in[0])
		}
		c, n, err := jcs.Escape(in)
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
