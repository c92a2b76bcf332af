// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
)

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
	// Compression is how the file is stored: "none", "zstd" (RFC 8878) or "gzip" (RFC 1952).
	Compression compression.Method
}

// String returns the file name:
// audit-<20 digits>-<YYYYMMDDThhmmssZ>.jsonl, with .zst or .gz when
// compressed.
func (n Name) String() string {
	return fmt.Sprintf("%s%0*d-%s%s%s", namePrefix, indexDigits, n.FirstIndex, n.Created.UTC().Format(nameTime), nameSuffix, n.Compression.Suffix())
}

// ParseName parses a segment's file name. It accepts exactly what
// [Name.String] returns.
func ParseName(s string) (Name, error) {
	n := Name{Compression: compression.None}
	rest, ok := strings.CutPrefix(s, namePrefix)
	if !ok {
		return Name{}, fmt.Errorf("%q is not a segment name: it does not start with %q", s, namePrefix)
	}
	for _, c := range []compression.Method{compression.Zstd, compression.Gzip} {
		if cut, ok := strings.CutSuffix(rest, c.Suffix()); ok {
			rest, n.Compression = cut, c
		}
	}
	rest, ok = strings.CutSuffix(rest, nameSuffix)
	if !ok || len(rest) != indexDigits+1+len(nameTime) || rest[indexDigits] != '-' {
		return Name{}, fmt.Errorf("%q is not a segment name: want audit-<20 digits>-<YYYYMMDDThhmmssZ>.jsonl[.zst|.gz]", s)
	}
	var err error
	if n.FirstIndex, err = strconv.ParseUint(rest[:indexDigits], 10, 64); err != nil || n.FirstIndex > segline.MaxIndex {
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
