// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment_test

import (
	"bytes"
	"io"
	"strconv"
	"testing"
	"testing/fstest"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
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

// BenchmarkParseHeader parses the header of a log of one key, and of one of many.
func BenchmarkParseHeader(b *testing.B) {
	for _, keys := range []int{1, 64} {
		b.Run(strconv.Itoa(keys), func(b *testing.B) {
			at := time.Date(2026, 11, 23, 10, 15, 0, 0, time.UTC)
			h := segment.Header{Origin: "test.example/auditlog", Log: signing.LogID{1}, Created: at, Retain: at, Scope: segline.ScopeEvent}
			for range keys {
				h.Keys = append(h.Keys, segline.KeyOf(signingtest.New(b, signing.ECDSAP256).Public()))
			}
			line := h.AppendTo(nil)
			for b.Loop() {
				if _, err := segment.ParseHeader(line); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
