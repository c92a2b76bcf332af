// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package compression stores and reads the content of sealed segments in the forms that
// docs/format.md, section 2, allows, and reads what people have compressed by hand.
package compression

// Method is the way a sealed segment is stored.
type Method string

// The methods a segment can be stored with. Active segments are always
// plain.
const (
	None Method = "none"
	Zstd Method = "zstd"
	Gzip Method = "gzip"
)

// Suffix returns what the compression adds to a segment's file name.
func (m Method) Suffix() string {
	switch m {
	case Zstd:
		return ".zst"
	case Gzip:
		return ".gz"
	default:
		return ""
	}
}

// Valid reports whether m is one of the compressions of this format.
func (m Method) Valid() bool {
	return m == None || m == Zstd || m == Gzip
}
