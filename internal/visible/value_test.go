// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package visible_test

import (
	"bufio"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/visible"
)

func TestValue(t *testing.T) {
	for in, want := range map[string]string{
		"":                         `""`,
		"alice":                    "alice",
		"Zoë-日本:1/2@x,y;z":         "Zoë-日本:1/2@x,y;z",
		"a b":                      `"a b"`,
		"a=b":                      `"a=b"`,
		`say "yes"`:                `"say \"yes\""`,
		`it's`:                     `"it's"`,
		`C:\new`:                   `"C:\\new"`,
		"a\nb\x1b":                 `"a\x0ab\x1b"`,
		"x”y":                      `"x”y"`,
		"a＝b":                      `"a＝b"`,
		"hangul\u3164filler":       `"hangul\u3164filler"`,
		"half\uffa0width":          `"half\uffa0width"`,
		"braille\u2800blank":       `"braille\u2800blank"`,
		"hidden\ufe01\U000e0101":   `"hidden\ufe01\U000e0101"`,
		"grapheme\u034fjoiner":     `"grapheme\u034fjoiner"`,
		"bad\xff":                  `"bad\xff"`,
		"\ufffd":                   `"\ufffd"`,
		"x  outcome=success user=": `"x  outcome=success user="`,
	} {
		assert.Equal(t, want, visible.Value(in), "Value(%q)", in)
	}
}

// unit is a value as a reader finds it; nothing in it ends it but its own end.
var unit = regexp.MustCompile(`^(?:[^\s="'\\` + "`" + `\x00-\x1f]+|"(?:[^"\\]|\\.)*")$`)

// No value has an end but its own, and none is equal to another's.
func TestValuesAreApart(t *testing.T) {
	text := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.OneOf(
			rapid.SampledFrom([]string{`"`, `\`, " ", "=", "\n", "user=x", `" proof=verified`, `\x0a`, `\"`, "\xff", "\u2028", "'"}), rapid.String()), 0, 6).Draw(t, "parts"), "")
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		va, vb := visible.Value(a), visible.Value(b)
		require.True(t, unit.MatchString(va), "Value(%q)", a)
		if a != b && va == vb {
			t.Fatalf("%q and %q are both %s", a, b, va)
		}
		var w strings.Builder
		out := bufio.NewWriter(&w)
		require.NoError(t, visible.WriteValue(out, visible.Runes(a)), "WriteValue(%q) writes", a)
		require.NoError(t, out.Flush(), "WriteValue(%q) writes", a)
		require.Equal(t, va, w.String(), "WriteValue(%q) writes", a)
	})
}

// A text in JSON is shown as the text is.
func TestRunesOfJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"\U0001f600", "\b\f\n\r\t\"\\/", "\x00\u2028<"})).Draw(t, "text")
		raw, err := json.Marshal(s)
		require.NoError(t, err)
		runes := visible.RunesOfJSON(raw[1 : len(raw)-1])
		for range 2 { // the second time is no other
			var got strings.Builder
			for r := range runes {
				got.WriteRune(r)
			}
			require.Equal(t, s, got.String(), "%s is read", raw)
		}
	})
	for raw, want := range map[string]string{`\ud83d\ude00`: "\U0001f600", `\ud83dx`: "\ufffdx", `\ud83d\u0041`: "\ufffdA", `\`: "\ufffd", `\u12`: "\ufffdu12"} {
		got := ""
		for r := range visible.RunesOfJSON([]byte(raw)) {
			got += string(r)
		}
		assert.Equal(t, want, got, "%s is read", raw)
	}
}
