// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
)

// Compression is the way a sealed segment is stored.
type Compression string

// The compressions a segment can be stored with. Active segments are always
// plain.
const (
	None Compression = "none"
	Zstd Compression = "zstd"
	Gzip Compression = "gzip"
)

// Suffix returns what the compression adds to a segment's file name.
func (c Compression) Suffix() string {
	switch c {
	case Zstd:
		return ".zst"
	case Gzip:
		return ".gz"
	default:
		return ""
	}
}

// Valid reports whether c is one of the compressions of this format.
func (c Compression) Valid() bool {
	return c == None || c == Zstd || c == Gzip
}

// MaxIndex is the largest leaf index of a log. It is the largest integer that
// every JSON parser reads exactly (RFC 8785, section 3.2.2.3).
const MaxIndex = 1<<53 - 1

const (
	namePrefix  = "audit-"
	nameSuffix  = ".jsonl"
	nameTime    = "20060102T150405Z"
	indexDigits = 20
)

// Name is what a segment's file name says about it.
type Name struct {
	// FirstIndex is the leaf index of the segment's header.
	FirstIndex uint64
	// Created is the time of creation, UTC, in whole seconds. It is for
	// people: the index alone orders segments.
	Created time.Time
	// Compression is how the file is stored.
	Compression Compression
}

// String returns the file name:
// audit-<20 digits>-<YYYYMMDDThhmmssZ>.jsonl, with .zst or .gz when
// compressed.
func (n Name) String() string {
	return fmt.Sprintf("%s%0*d-%s%s%s", namePrefix, indexDigits, n.FirstIndex, n.Created.UTC().Format(nameTime), nameSuffix, n.Compression.Suffix())
}

// Plain returns the same segment's uncompressed name.
func (n Name) Plain() Name {
	n.Compression = None
	return n
}

// ParseName parses a segment's file name. It accepts exactly what
// [Name.String] returns.
func ParseName(s string) (Name, error) {
	n := Name{Compression: None}
	rest, ok := strings.CutPrefix(s, namePrefix)
	if !ok {
		return Name{}, fmt.Errorf("%q is not a segment name: it does not start with %q", s, namePrefix)
	}
	for _, c := range []Compression{Zstd, Gzip} {
		if cut, ok := strings.CutSuffix(rest, c.Suffix()); ok {
			rest, n.Compression = cut, c
		}
	}
	rest, ok = strings.CutSuffix(rest, nameSuffix)
	if !ok || len(rest) != indexDigits+1+len(nameTime) || rest[indexDigits] != '-' {
		return Name{}, fmt.Errorf("%q is not a segment name: want audit-<20 digits>-<YYYYMMDDThhmmssZ>.jsonl[.zst|.gz]", s)
	}
	var err error
	if n.FirstIndex, err = strconv.ParseUint(rest[:indexDigits], 10, 64); err != nil || n.FirstIndex > MaxIndex {
		return Name{}, fmt.Errorf("%q is not a segment name: bad leaf index %q", s, rest[:indexDigits])
	}
	if n.Created, err = time.Parse(nameTime, rest[indexDigits+1:]); err != nil {
		return Name{}, fmt.Errorf("%q is not a segment name: bad time %q", s, rest[indexDigits+1:])
	}
	if n.String() != s {
		return Name{}, fmt.Errorf("%q is not a segment name: %q would be", s, n)
	}
	return n, nil
}

// valuesSuffix ends the name of the file with the openings of values that the events of a
// segment hold commitments to.
const valuesSuffix = ".values"

// ValuesName returns the name of the segment's file of openings.
func (n Name) ValuesName() string {
	return strings.TrimSuffix(n.Plain().String(), nameSuffix) + valuesSuffix
}

// IsValuesName reports whether s has the form that [Name.ValuesName] returns.
func IsValuesName(s string) bool {
	stem, ok := strings.CutSuffix(s, valuesSuffix)
	if !ok {
		return false
	}
	_, err := ParseName(stem + nameSuffix)
	return err == nil
}

const (
	tornPrefix = "torn-"
	tornSuffix = ".tail"
)

// TornName returns the name of the file in which a restart sets aside the
// bytes behind the last checkpoint of a segment: index is the first leaf that
// the checkpoint does not cover, sum the SHA-256 of the bytes.
func TornName(index uint64, sum [32]byte) string {
	return fmt.Sprintf("%s%0*d-%x%s", tornPrefix, indexDigits, index, sum[:8], tornSuffix)
}

// TornIndex returns the index in a name that [TornName] returned, and whether s has
// that form.
func TornIndex(s string) (index uint64, ok bool) {
	rest, ok := strings.CutPrefix(s, tornPrefix)
	if !ok {
		return 0, false
	}
	rest, ok = strings.CutSuffix(rest, tornSuffix)
	if !ok || len(rest) != indexDigits+1+16 || rest[indexDigits] != '-' ||
		strings.Trim(rest[:indexDigits], "0123456789") != "" || strings.Trim(rest[indexDigits+1:], "0123456789abcdef") != "" {
		return 0, false
	}
	index, err := strconv.ParseUint(rest[:indexDigits], 10, 64)
	return index, err == nil
}

// IsTornName reports whether s has the form that [TornName] returns.
func IsTornName(s string) bool {
	_, ok := TornIndex(s)
	return ok
}

// The other files of a log directory.
const (
	// CheckpointName is the convenience copy of the newest signed checkpoint.
	CheckpointName = "checkpoint"
	// LockName is the file whose lock the one writer holds.
	LockName = durable.LockName
	// TempSuffix ends the names of files that are being written and are not
	// part of the log yet.
	TempSuffix = durable.TempSuffix
)
