// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package jcs

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// MaxDepth bounds the nesting that a reader of an event follows. An event nests no deeper
// than 100 levels within a value, and a value at most a few levels deep; only what is carried
// as text ($json) may be deeper.
const MaxDepth = 10_000

// Reader reads JSON and accepts only the canonical form (RFC 8785): no white space, members
// in order and once each, one way to write each string and each number. What it reads must be
// UTF-8: see [Reader.CheckUTF8]. It is for one goroutine at a time.
type Reader struct {
	Text []byte
	// At is where the next byte to read stands.
	At int
	// Room is how many more levels the nesting may have.
	Room int
	// keys holds the unescaped forms of keys that are compared.
	keys [2][]byte
}

// NewReader returns a reader with room for [MaxDepth] levels.
func NewReader(text []byte) Reader { return Reader{Text: text, Room: MaxDepth} }

// Fail returns an error that says where the reader stands.
func (r *Reader) Fail(what string) error {
	return fmt.Errorf("byte %d: %s", r.At, what)
}

// CheckUTF8 checks all that is to be read at once, so that strings need not be
// checked one by one.
func (r *Reader) CheckUTF8() error {
	if utf8.Valid(r.Text) {
		return nil
	}
	for {
		c, size := utf8.DecodeRune(r.Text[r.At:])
		if c == utf8.RuneError && size == 1 {
			return r.Fail("not UTF-8")
		}
		r.At += size
	}
}

// Peek returns the next byte, or 0 at the end.
func (r *Reader) Peek() byte {
	if r.At < len(r.Text) {
		return r.Text[r.At]
	}
	return 0
}

// Expect reads the byte c.
func (r *Reader) Expect(c byte) error {
	if r.Peek() != c {
		return r.missing(c)
	}
	r.At++
	return nil
}

func (r *Reader) missing(c byte) error { return r.Fail(fmt.Sprintf("%q expected", c)) }

// Literal reads a word.
func (r *Reader) Literal(word string) error {
	if len(r.Text)-r.At < len(word) || string(r.Text[r.At:r.At+len(word)]) != word {
		return r.Fail("not a JSON value")
	}
	r.At += len(word)
	return nil
}

// Value skips one value.
func (r *Reader) Value() error {
	switch c := r.Peek(); {
	case c == '"':
		_, _, err := r.RawString()
		return err
	case c == '{':
		return r.Object(func([]byte) error { return r.Value() })
	case c == '[':
		return r.Array(r.Value)
	case c == 't':
		return r.Literal("true")
	case c == 'f':
		return r.Literal("false")
	case c == 'n':
		return r.Literal("null")
	default:
		_, err := r.Number()
		return err
	}
}

// Enter takes room for one more level.
func (r *Reader) Enter() error {
	if r.Room == 0 {
		return r.Fail("nested too deep")
	}
	r.Room--
	return nil
}

// Object reads an object and calls member with each key, unescaped and valid until
// the next, to read the value.
func (r *Reader) Object(member func(key []byte) error) error {
	if err := r.Enter(); err != nil {
		return err
	}
	if err := r.Expect('{'); err != nil {
		return err
	}
	if r.Peek() == '}' {
		r.At++
		r.Room++
		return nil
	}
	var before []byte
	escaped := false // whether before is in need of unescaping
	for first := true; ; first = false {
		raw, esc, err := r.RawString()
		if err != nil {
			return err
		}
		if !first {
			if err := r.inOrder(before, escaped, raw, esc); err != nil {
				return err
			}
		}
		before, escaped = raw, esc
		if err := r.Expect(':'); err != nil {
			return err
		}
		key := raw
		if esc {
			key = AppendUnescaped(nil, raw)
		}
		if err := member(key); err != nil {
			return err
		}
		switch r.Peek() {
		case ',':
			r.At++
		case '}':
			r.At++
			r.Room++
			return nil
		default:
			return r.Fail("',' or '}' expected")
		}
	}
}

// inOrder checks that key b may follow key a.
func (r *Reader) inOrder(a []byte, aEscaped bool, b []byte, bEscaped bool) error {
	if aEscaped {
		r.keys[0] = AppendUnescaped(r.keys[0][:0], a)
		a = r.keys[0]
	}
	if bEscaped {
		r.keys[1] = AppendUnescaped(r.keys[1][:0], b)
		b = r.keys[1]
	}
	switch c := CompareKeys(a, b); {
	case c == 0:
		return r.Fail(fmt.Sprintf("the member %.40q occurs twice", b))
	case c > 0:
		return r.Fail(fmt.Sprintf("the member %.40q is out of order", b))
	}
	return nil
}

// Array reads an array and calls element to read each value.
func (r *Reader) Array(element func() error) error {
	if err := r.Enter(); err != nil {
		return err
	}
	if err := r.Expect('['); err != nil {
		return err
	}
	if r.Peek() == ']' {
		r.At++
		r.Room++
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		switch r.Peek() {
		case ',':
			r.At++
		case ']':
			r.At++
			r.Room++
			return nil
		default:
			return r.Fail("',' or ']' expected")
		}
	}
}

var errNumber = errors.New("not a number in canonical form")

// Number reads a number and returns its text.
func (r *Reader) Number() ([]byte, error) {
	start := r.At
	digits, plain := 0, true
	for r.At < len(r.Text) {
		c := r.Text[r.At]
		if c >= '0' && c <= '9' {
			digits++
		} else if c == '.' || c == 'e' || c == '+' || c == '-' && r.At > start {
			plain = false
		} else if c != '-' {
			break
		}
		r.At++
	}
	text := r.Text[start:r.At]
	if digits == 0 {
		return nil, r.Fail("not a JSON value")
	}
	if plain && digits <= 15 {
		first := text[0]
		if first == '-' {
			first = text[1]
		}
		if first == '0' && len(text) > 1 {
			return nil, r.Fail(errNumber.Error())
		}
		return text, nil
	}
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return nil, r.Fail(errNumber.Error())
	}
	var buf [32]byte
	if string(AppendNumber(buf[:0], v)) != string(text) {
		return nil, r.Fail(errNumber.Error())
	}
	return text, nil
}
