// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package duration reads durations as the configuration and the command take them: those of
// Go, and whole days. A number without a unit is none: it would be nanoseconds.
package duration

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Day is what a d is in a duration.
const Day = 24 * time.Hour

// Parse reads a duration such as 90s, 10m, 2h30m or 90d, or 0.
func Parse(text string) (time.Duration, error) {
	if d, ok, err := Days(text); ok || err != nil {
		return d, err
	}
	if n, ok := Bare(text); ok && n != 0 {
		return 0, NoUnit(text)
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration: write one such as 90s, 10m, 2h or 90d (days)", text)
	}
	return d, nil
}

// Days reads a whole number of days, such as 90d; ok is false if text is not of that form.
func Days(text string) (d time.Duration, ok bool, err error) {
	days, ok := strings.CutSuffix(text, "d")
	count, err := strconv.ParseInt(days, 10, 64)
	if !ok || err != nil {
		return 0, false, nil
	}
	if most := int64(math.MaxInt64 / Day); count > most || count < -most {
		return 0, true, fmt.Errorf("%s is longer than %dd, the longest duration there is: write a shorter one, or 0 for no limit", text, most)
	}
	return time.Duration(count) * Day, true, nil
}

// Bare returns the number that text is, if it is nothing but a number.
func Bare(text string) (n float64, ok bool) {
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil && !strings.ContainsAny(text, "xXpPiInN")
}

// NoUnit says what to write in place of a number without a unit.
func NoUnit(value any) error {
	return fmt.Errorf("%v has no unit: write a duration such as %[1]vs, %[1]vm, %[1]vh or %[1]vd (days)", value)
}
