// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	durations "github.com/otel-auditlog/auditlogexporter/internal/duration"
)

// duration is a flag for a duration, with days as the configuration takes them. Every such
// flag is one.
type duration time.Duration

func (d duration) String() string { return time.Duration(d).String() }

// Type is what pflag calls the value.
func (*duration) Type() string { return "duration" }

// Set reads the flag's value.
func (d *duration) Set(text string) error {
	parsed, err := durations.Parse(text)
	*d = duration(parsed)
	return err
}
