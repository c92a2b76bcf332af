// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package jcs

// RawString reads a string and returns what is between the quotes, and whether it holds
// escapes.
func (r *Reader) RawString() (raw []byte, escaped bool, err error) {
	if r.Peek() != '"' {
		return nil, false, r.missing('"')
	}
	r.At++
	start := r.At
	for {
		r.At += Plain(r.Text[r.At:])
		switch r.Peek() {
		case '"':
			raw = r.Text[start:r.At]
			r.At++
			return raw, escaped, nil
		case '\\':
			escaped = true
			if err := r.escape(); err != nil {
				return nil, false, err
			}
		default:
			if r.At >= len(r.Text) {
				return nil, false, r.Fail("a string without an end")
			}
			return nil, false, r.Fail("a control character in a string")
		}
	}
}

// escape reads an escape sequence, which must be the one canonical form has.
func (r *Reader) escape() error {
	_, n, err := Escape(r.Text[r.At:])
	if err != nil {
		return r.Fail(err.Error())
	}
	r.At += n
	return nil
}

// AppendUnescaped appends what a string stands for; raw has been checked.
func AppendUnescaped(dst, raw []byte) []byte {
	for len(raw) > 0 {
		n := Plain(raw)
		dst, raw = append(dst, raw[:n]...), raw[n:]
		if len(raw) > 0 {
			c, n, err := Escape(raw)
			if err != nil {
				panic(err) // it has been checked
			}
			dst, raw = append(dst, c), raw[n:]
		}
	}
	return dst
}

// PlainText reads a string and returns what it stands for.
func (r *Reader) PlainText() (string, error) {
	raw, escaped, err := r.RawString()
	if err != nil {
		return "", err
	}
	if escaped {
		return string(AppendUnescaped(nil, raw)), nil
	}
	return string(raw), nil
}
