// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package tiles_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/otel-auditlog/auditlogexporter/internal/tiles"
)

// stored returns the number and the bytes of the files under a directory.
func stored(b *testing.B, dir string) (files int, bytes int64) {
	b.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files, bytes = files+1, bytes+info.Size()
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return files, bytes
}

// A log of AUDITLOG_TILES_EVENTS events, a million unless told otherwise, from scratch,
// and 1,000 events more.
func BenchmarkExport(b *testing.B) {
	events := 1_000_000
	if text := os.Getenv("AUDITLOG_TILES_EVENTS"); text != "" {
		var err error
		if events, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	l := newLog(b, 64<<20)
	for range events / 1000 {
		l.grow(1000, 100)
	}
	_, source := stored(b, l.Options.Directory)
	var dir string
	b.Run("whole", func(b *testing.B) {
		for b.Loop() {
			dir = filepath.Join(b.TempDir(), "out")
			l.mustExport(dir, tiles.Options{})
		}
		files, bytes := stored(b, dir)
		b.ReportMetric(float64(files), "files")
		b.ReportMetric(float64(bytes)/float64(source), "B/logB")
		b.ReportMetric(float64(bytes), "B")
	})
	b.Run("1000 more", func(b *testing.B) {
		dir = filepath.Join(b.TempDir(), "more")
		l.mustExport(dir, tiles.Options{})
		before, _ := stored(b, dir)
		for b.Loop() {
			b.StopTimer()
			l.grow(1000, 100)
			b.StartTimer()
			l.mustExport(dir, tiles.Options{})
		}
		after, _ := stored(b, dir)
		b.ReportMetric(float64(after-before)/float64(b.N), "files/op")
	})
}
