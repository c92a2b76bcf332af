// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package segname derives names of files from the name of a segment.
package segname

import (
	"strings"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// Plain returns the same segment's uncompressed name.
func Plain(n segment.Name) segment.Name {
	n.Compression = compression.None
	return n
}

// Values returns the name of the segment's file of openings.
func Values(n segment.Name) string {
	return strings.TrimSuffix(Plain(n).String(), ".jsonl") + sidefile.ValuesSuffix
}
