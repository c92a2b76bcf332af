// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package export_test

import (
	"io"
	"strconv"
	"testing"

	"github.com/otel-auditlog/auditlogexporter/export"
)

// One operation is one event.
func BenchmarkExport(b *testing.B) {
	l := newLog(b)
	const events = 1000
	for i := range events {
		l.record(login(strconv.Itoa(i), "alice"))
	}
	c := l.commit()
	for _, format := range export.Formats() {
		b.Run(format, func(b *testing.B) {
			for n := 0; n < b.N; n += events {
				w, err := export.NewWriter(format, io.Discard, c)
				if err != nil {
					b.Fatal(err)
				}
				if err := export.Read(b.Context(), l.files, export.Options{Checkpoint: c}, w.Write); err != nil {
					b.Fatal(err)
				}
				if err := w.Flush(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
