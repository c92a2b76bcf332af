// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package segline composes the lines of a segment, byte for byte as docs/format.md, section 3,
// has them, and cuts them into their parts again. Package segment parses them.
package segline

import "time"

const (
	// Format names the version of the file format that this program reads and writes.
	Format = "auditlog/v1"
	// MaxBytes is the length of the longest line, without its LF, that a log may hold: 32 MiB.
	// The writer refuses longer ones and readers report them, which bounds the memory of both.
	MaxBytes = 32 << 20
	// MaxIndex is the largest leaf index of a log. It is the largest integer that every JSON
	// parser reads exactly (RFC 8785, section 3.2.2.3).
	MaxIndex = 1<<53 - 1
	// MaxMinAge bounds a header's min_age: about 146 years, half of what a time.Duration holds.
	MaxMinAge = 1 << 62 / time.Second * time.Second
)
