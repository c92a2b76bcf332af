// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import "github.com/otel-auditlog/auditlogexporter/internal/compression"

// compressedTo is what a segment is taken to be compressed to: a tenth.
const compressedTo = 10

// recent returns the number of the first of those segments, of n, that are read for what a
// log has held lately: the newest one, and those before it, up to most in all and about so
// many bytes of lines. stored returns how the i-th is compressed, and its size.
func recent(n, most int, bytes int64, stored func(i int) (compression.Method, int64)) (from int) {
	from = n
	for size := int64(0); from > 0 && n-from < most; from-- {
		c, bytesStored := stored(from - 1)
		if c != compression.None {
			bytesStored *= compressedTo
		}
		if size += bytesStored; size > bytes && from < n {
			break
		}
	}
	return from
}
