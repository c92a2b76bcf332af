// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"
	"time"
)

func TestParseWhen(t *testing.T) {
	now := time.Date(2026, 11, 23, 10, 15, 0, 0, time.UTC)
	for in, want := range map[string]time.Time{
		"2026-11-23T10:15:00Z":      now,
		"2026-11-23T11:15:00+01:00": now,
		"2026-11-23":                time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC),
		"2h":                        now.Add(-2 * time.Hour),
		"90m":                       now.Add(-90 * time.Minute),
		"90d":                       now.Add(-90 * 24 * time.Hour),
		"":                          {},
	} {
		if got, err := parseWhen("since", in, now); err != nil || !got.Equal(want) {
			t.Errorf("parseWhen(%q) = %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"yesterday", "-2h", "2026-13-01", "10", "-1d", "1.5d"} {
		if got, err := parseWhen("since", in, now); err == nil {
			t.Errorf("parseWhen(%q) = %v", in, got)
		}
	}
}
