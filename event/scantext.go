// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import "github.com/otel-auditlog/auditlogexporter/internal/jsontext"

// text reads a string and returns what is between the quotes, and whether it holds
// escapes.
func (s *scanner) text() (raw []byte, escaped bool, err error) {
	if s.peek() != '"' {
		return nil, false, s.missing('"')
	}
	s.i++
	start := s.i
	for {
		s.i += jsontext.Plain(s.b[s.i:])
		switch s.peek() {
		case '"':
			raw = s.b[start:s.i]
			s.i++
			return raw, escaped, nil
		case '\\':
			escaped = true
			if err := s.escape(); err != nil {
				return nil, false, err
			}
		default:
			if s.i >= len(s.b) {
				return nil, false, s.fail("a string without an end")
			}
			return nil, false, s.fail("a control character in a string")
		}
	}
}

// escape reads an escape sequence, which must be the one canonical form has.
func (s *scanner) escape() error {
	_, n, err := jsontext.Escape(s.b[s.i:])
	if err != nil {
		return s.fail(err.Error())
	}
	s.i += n
	return nil
}

// appendUnescaped appends what a string stands for; raw has been checked.
func appendUnescaped(dst, raw []byte) []byte {
	for len(raw) > 0 {
		n := jsontext.Plain(raw)
		dst, raw = append(dst, raw[:n]...), raw[n:]
		if len(raw) > 0 {
			c, n, err := jsontext.Escape(raw)
			if err != nil {
				panic(err) // it has been checked
			}
			dst, raw = append(dst, c), raw[n:]
		}
	}
	return dst
}
