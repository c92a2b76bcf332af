// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package jcs_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
)

// read is what a string stands for, or an error if it is not in canonical form.
func read(s []byte) (out []byte, err error) {
	for in := s[1 : len(s)-1]; len(in) > 0; {
		n := jcs.Plain(in)
		out, in = append(out, in[:n]...), in[n:]
		if len(in) == 0 {
			break
		}
		c, n, err := jcs.Escape(in)
		if err != nil {
			return nil, err
		}
		out, in = append(out, c), in[n:]
	}
	return out, nil
}

// Each byte, wherever it stands among eight, is written as encoding/json reads it, and
// comes back.
func TestEveryByte(t *testing.T) {
	for c := range 0x80 {
		for at := range 17 {
			s := bytes.Repeat([]byte("x"), 17)
			s[at] = byte(c)
			text := jcs.AppendString(nil, s)
			if again := jcs.AppendString(nil, string(s)); !bytes.Equal(text, again) {
				t.Errorf("%q as a string: %s", s, again)
			}
			var want string
			if err := json.Unmarshal(text, &want); err != nil || want != string(s) {
				t.Errorf("%q: %s is %q, %v", s, text, want, err)
			}
			if got, err := read(text); err != nil || !bytes.Equal(got, s) {
				t.Errorf("%s is %q, %v", text, got, err)
			}
		}
	}
}

// An escape has one form.
func TestEscapeRefused(t *testing.T) {
	for _, s := range []string{
		``, `\`, `\/`, `\x`, `\u`, `\u000`, `\u001F`, `\u0020`, `\u0041`, `\u0100`, `\u1000`, `\u0008`, `\u0009`, `\u000a`, `\u000c`, `\u000d`,
		`\u0022`, `\u005c`, `\U0001`, `\u00 1`, `\u002f`, `\u00-1`,
	} {
		if c, n, err := jcs.Escape([]byte(s)); err == nil {
			t.Errorf("%s is %q of %d bytes", s, c, n)
		}
	}
}

// What is read comes from one text only.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{`\n`, `\u001f`, `\"`, `\\`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		if len(s) == 0 || s[0] != '\\' {
			return
		}
		c, n, err := jcs.Escape(s)
		if err == nil && string(jcs.AppendString(nil, []byte{c})) != `"`+string(s[:n])+`"` {
			t.Errorf("%q is read as %q", s[:n], c)
		}
	})
}
