// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
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
		got, err := parseWhen("since", in, now)
		assert.NoError(t, err, "parseWhen(%q) = %v", in, got)
		assert.True(t, got.Equal(want), "parseWhen(%q) = %v", in, got)
	}
	for _, in := range []string{"yesterday", "-2h", "2026-13-01", "10", "-1d", "1.5d"} {
		got, err := parseWhen("since", in, now)
		assert.Error(t, err, "parseWhen(%q) = %v", in, got)
	}
}
