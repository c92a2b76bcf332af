// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment

// compressedTo is what a segment is taken to be compressed to: a tenth.
const compressedTo = 10

// Recent returns the number of the first of those segments, of n, that are read for what a
// log has held lately: the newest one, and those before it, up to most in all and about so
// many bytes of lines. stored returns how the i-th is compressed, and its size.
func Recent(n, most int, bytes int64, stored func(i int) (Compression, int64)) (from int) {
	from = n
	for size := int64(0); from > 0 && n-from < most; from-- {
		c, bytesStored := stored(from - 1)
		if c != None {
			bytesStored *= compressedTo
		}
		if size += bytesStored; size > bytes && from < n {
			break
		}
	}
	return from
}
