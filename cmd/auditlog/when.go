// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"

	durations "github.com/otel-auditlog/auditlogexporter/internal/duration"
)

// parseWhen reads a point in time: RFC 3339, a date (UTC), or a duration that lies
// back.
func parseWhen(flag, s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	if d, err := durations.Parse(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("--%s %q: give a time such as 2026-11-23T10:15:00Z, a date such as 2026-11-23, or how long ago, such as 2h or 90d", flag, s)
}

// timeRange is the flags --since and --until.
type timeRange struct{ since, until string }

func (r timeRange) parse() (since, until time.Time, err error) {
	now := time.Now()
	if since, err = parseWhen("since", r.since, now); err != nil {
		return since, until, err
	}
	if until, err = parseWhen("until", r.until, now); err != nil {
		return since, until, err
	}
	if !since.IsZero() && !until.IsZero() && !since.Before(until) {
		return since, until, fmt.Errorf("--since %s is not before --until %s", r.since, r.until)
	}
	return since, until, nil
}
