// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// maxScanDepth bounds the nesting that the scanner follows. The encoder nests no
// deeper than maxDepth within a value, and a value at most a few levels deep;
// only what is carried as text ($json) may be deeper.
const maxScanDepth = 10_000

// scanner reads JSON and accepts only the canonical form (RFC 8785): no white
// space, members in order and once each, one way to write each string and each
// number. What it reads is UTF-8: see checkUTF8.
type scanner struct {
	b []byte
	i int
	// room is how many more levels the nesting may have.
	room int
	// known is what is known of the events before, or nil.
	known *memory
	// keys holds the unescaped forms of keys that are compared.
	keys [2][]byte
}

func (s *scanner) fail(what string) error {
	return fmt.Errorf("byte %d: %s", s.i, what)
}

// checkUTF8 checks all that is to be scanned at once, so that strings need not be
// checked one by one.
func (s *scanner) checkUTF8() error {
	if utf8.Valid(s.b) {
		return nil
	}
	for {
		r, size := utf8.DecodeRune(s.b[s.i:])
		if r == utf8.RuneError && size == 1 {
			return s.fail("not UTF-8")
		}
		s.i += size
	}
}

func (s *scanner) peek() byte {
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

func (s *scanner) expect(c byte) error {
	if s.peek() != c {
		return s.missing(c)
	}
	s.i++
	return nil
}

func (s *scanner) missing(c byte) error { return s.fail(fmt.Sprintf("%q expected", c)) }

func (s *scanner) literal(word string) error {
	if len(s.b)-s.i < len(word) || string(s.b[s.i:s.i+len(word)]) != word {
		return s.fail("not a JSON value")
	}
	s.i += len(word)
	return nil
}

// value skips one value.
func (s *scanner) value() error {
	switch c := s.peek(); {
	case c == '"':
		_, _, err := s.text()
		return err
	case c == '{':
		return s.object(func([]byte) error { return s.value() })
	case c == '[':
		return s.array(s.value)
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	default:
		_, err := s.number()
		return err
	}
}

func (s *scanner) enter() error {
	if s.room == 0 {
		return s.fail("nested too deep")
	}
	s.room--
	return nil
}

// object reads an object and calls member with each key, unescaped and valid until
// the next, to read the value.
func (s *scanner) object(member func(key []byte) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	if err := s.expect('{'); err != nil {
		return err
	}
	if s.peek() == '}' {
		s.i++
		s.room++
		return nil
	}
	var before []byte
	escaped := false // whether before is in need of unescaping
	for first := true; ; first = false {
		raw, esc, err := s.text()
		if err != nil {
			return err
		}
		if !first {
			if err := s.inOrder(before, escaped, raw, esc); err != nil {
				return err
			}
		}
		before, escaped = raw, esc
		if err := s.expect(':'); err != nil {
			return err
		}
		key := raw
		if esc {
			key = appendUnescaped(nil, raw)
		}
		if err := member(key); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.i++
		case '}':
			s.i++
			s.room++
			return nil
		default:
			return s.fail("',' or '}' expected")
		}
	}
}

// inOrder checks that key b may follow key a.
func (s *scanner) inOrder(a []byte, aEscaped bool, b []byte, bEscaped bool) error {
	if aEscaped {
		s.keys[0] = appendUnescaped(s.keys[0][:0], a)
		a = s.keys[0]
	}
	if bEscaped {
		s.keys[1] = appendUnescaped(s.keys[1][:0], b)
		b = s.keys[1]
	}
	switch c := compareKeys(a, b); {
	case c == 0:
		return s.fail(fmt.Sprintf("the member %.40q occurs twice", b))
	case c > 0:
		return s.fail(fmt.Sprintf("the member %.40q is out of order", b))
	}
	return nil
}

// array reads an array and calls element to read each value.
func (s *scanner) array(element func() error) error {
	if err := s.enter(); err != nil {
		return err
	}
	if err := s.expect('['); err != nil {
		return err
	}
	if s.peek() == ']' {
		s.i++
		s.room++
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.i++
		case ']':
			s.i++
			s.room++
			return nil
		default:
			return s.fail("',' or ']' expected")
		}
	}
}

var errNumber = errors.New("not a number in canonical form")

// number reads a number and returns its text.
func (s *scanner) number() ([]byte, error) {
	start := s.i
	digits, plain := 0, true
	for s.i < len(s.b) {
		c := s.b[s.i]
		if c >= '0' && c <= '9' {
			digits++
		} else if c == '.' || c == 'e' || c == '+' || c == '-' && s.i > start {
			plain = false
		} else if c != '-' {
			break
		}
		s.i++
	}
	text := s.b[start:s.i]
	if digits == 0 {
		return nil, s.fail("not a JSON value")
	}
	if plain && digits <= 15 {
		first := text[0]
		if first == '-' {
			first = text[1]
		}
		if first == '0' && len(text) > 1 {
			return nil, s.fail(errNumber.Error())
		}
		return text, nil
	}
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return nil, s.fail(errNumber.Error())
	}
	var buf [32]byte
	if string(appendNumber(buf[:0], v)) != string(text) {
		return nil, s.fail(errNumber.Error())
	}
	return text, nil
}
