// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"
)

func TestPlain(t *testing.T) {
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
		if got := plain(in); got != want {
			t.Errorf("plain(%q) = %q, want %q", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		for _, r := range plain(string(rapid.SliceOf(rapid.Byte()).Draw(t, "text"))) {
			if r != ' ' && (!unicode.IsGraphic(r) || unicode.IsSpace(r)) {
				t.Fatalf("%U passed", r)
			}
		}
	})
}

func TestParseWhen(t *testing.T) {
	now := time.Date(2026, 11, 23, 10, 15, 0, 0, time.UTC)
	for in, want := range map[string]time.Time{
		"2026-11-23T10:15:00Z":      now,
		"2026-11-23T11:15:00+01:00": now,
		"2026-11-23":                time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC),
		"2h":                        now.Add(-2 * time.Hour),
		"90m":                       now.Add(-90 * time.Minute),
		"":                          {},
	} {
		if got, err := parseWhen("since", in, now); err != nil || !got.Equal(want) {
			t.Errorf("parseWhen(%q) = %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"yesterday", "-2h", "2026-13-01", "10"} {
		if got, err := parseWhen("since", in, now); err == nil {
			t.Errorf("parseWhen(%q) = %v", in, got)
		}
	}
}
