// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package duration_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/duration"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "0d": 0, "90s": 90 * time.Second, "1.5h": 90 * time.Minute, "2h30m": 150 * time.Minute,
		"1d": 24 * time.Hour, "90d": 90 * 24 * time.Hour, "-1d": -24 * time.Hour, "106751d": 106751 * 24 * time.Hour,
	} {
		got, err := duration.Parse(text)
		assert.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for text, why := range map[string]string{
		"90":      "write a duration such as 90s, 90m, 90h or 90d (days)",
		"0.5":     "has no unit",
		"1e3":     "has no unit",
		"-90":     "has no unit",
		"106752d": "is longer than 106751d",
		"1.5d":    "is not a duration",
		"1d12h":   "is not a duration",
		"d":       "is not a duration",
		"":        "is not a duration",
		"soon":    "is not a duration",
		"inf":     "is not a duration",
	} {
		_, err := duration.Parse(text)
		assert.ErrorContains(t, err, why, text)
	}
}

// What Go writes is read as it was meant.
func TestParseIsGos(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := time.Duration(rapid.Int64().Draw(t, "nanoseconds"))
		got, err := duration.Parse(want.String())
		assert.NoError(t, err)
		assert.Equal(t, want, got)
	})
}
