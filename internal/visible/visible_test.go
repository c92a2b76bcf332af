// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package visible_test

import (
	"encoding/json"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/visible"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"":                    "",
		"alice":               "alice",
		"Zoë 😀 日本":            "Zoë 😀 日本",
		"a\x1b[31mb":          `a\x1b[31mb`,
		"a\nb\rc\td":          `a\x0ab\x0dc\x09d`,
		"\u009b31m":           `\u009b31m`,
		"evil\u202etxt":       `evil\u202etxt`,
		"zero\u200bwidth":     `zero\u200bwidth`,
		"line\u2028end":       `line\u2028end`,
		"no-break\u00a0space": `no-break\u00a0space`,
		"tag\U000e0041":       `tag\U000e0041`,
		"bad\xff":             `bad\xff`,
	} {
		assert.Equal(t, want, visible.Text(in), "visible.Text(%q)", in)
	}
	rapid.Check(t, func(t *rapid.T) {
		for _, r := range visible.Text(string(rapid.SliceOf(rapid.Byte()).Draw(t, "text"))) {
			if r != ' ' && (!unicode.IsGraphic(r) || unicode.IsSpace(r)) {
				t.Fatalf("%U passed", r)
			}
		}
	})
}

// JSON is still JSON, of the same meaning.
func TestJSON(t *testing.T) {
	for in, want := range map[string]string{
		`{}`:                        `{}`,
		`{"Zoë":"😀"}`:               `{"Zoë":"😀"}`,
		`"\\u202e\u0000"`:           `"\\u202e\u0000"`,
		"\"evil\u202etxt\"":         `"evil\u202etxt"`,
		"\"\\\\\u2028\"":            `"\\\u2028"`,
		"\"tag\U000e0041\u007f\"":   `"tag\udb40\udc41\u007f"`,
		"\"\ufffd\"":                `"\ufffd"`,
		"[\"\u200b\",1,\"\u00a0\"]": `["\u200b",1,"\u00a0"]`,
	} {
		assert.Equal(t, want, visible.JSON(in), "JSON(%q)", in)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "text")
		text, err := json.Marshal(s)
		require.NoError(t, err)
		got := visible.JSON(string(text))
		var back string
		require.NoError(t, json.Unmarshal([]byte(got), &back), got)
		require.Equal(t, s, back, got)
		for _, r := range got {
			if r != ' ' && (!unicode.IsGraphic(r) || unicode.IsSpace(r)) {
				t.Fatalf("%U passed", r)
			}
		}
	})
}
