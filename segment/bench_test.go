// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment_test

import (
	"bytes"
	"io"
	"strconv"
	"testing"
	"testing/fstest"

	"github.com/otel-auditlog/auditlogexporter/segment"
)

// BenchmarkOpen reads segments of a few lines, of which a log may have thousands, and one of
// many.
func BenchmarkOpen(b *testing.B) {
	for _, lines := range []int{3, 100_000} {
		b.Run(strconv.Itoa(lines), func(b *testing.B) {
			fsys := fstest.MapFS{plainName: {Data: bytes.Repeat(append(bytes.Repeat([]byte("x"), 500), '\n'), lines)}}
			b.SetBytes(int64(len(fsys[plainName].Data)))
			b.ReportAllocs()
			for b.Loop() {
				r, err := segment.Open(fsys, plainName, -1)
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, err = r.Next()
				}
				if err := r.Close(); err != nil {
					b.Fatal(err)
				}
				if err != io.EOF {
					b.Fatal(err)
				}
			}
		})
	}
}
