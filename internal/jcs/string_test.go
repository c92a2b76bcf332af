// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package jcs_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"

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
			assert.Equal(t, jcs.AppendString(nil, string(s)), text, "%q as a string", s)
			var want string
			assert.NoError(t, json.Unmarshal(text, &want), "%q: %s", s, text)
			assert.Equal(t, want, string(s), "%q: %s", s, text)
			got, err := read(text)
			assert.NoError(t, err, text)
			assert.Equal(t, s, got, text)
		}
	}
}

// An escape has one form.
func TestEscapeRefused(t *testing.T) {
	for _, s := range []string{
		``, `\`, `\/`, `\x`, `\u`, `\u000`, `\u001F`, `\u0020`, `\u0041`, `\u0100`, `\u1000`, `\u0008`, `\u0009`, `\u000a`, `\u000c`, `\u000d`,
		`\u0022`, `\u005c`, `\U0001`, `\u00 1`, `\u002f`, `\u00-1`,
	} {
		c, n, err := jcs.Escape([]byte(s))
		assert.Error(t, err, "%s is %q of %d bytes", s, c, n)
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
