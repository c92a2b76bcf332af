// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// benchmarkLog writes a log of several segments to a directory.
func benchmarkLog(b *testing.B, scope segline.Scope, commits, events int) (dir string, w *logtest.Copy) {
	b.Helper()
	sizes := make([]int, commits)
	for i := range sizes {
		sizes[i] = events
	}
	w = logtest.Write(b, rotation.Options{Scope: scope, Signer: signingtest.New(b, signing.ECDSAP256), MaxSegmentBytes: 4 << 20}, sizes...)
	dir = b.TempDir()
	for name, f := range w.Files {
		if err := os.WriteFile(filepath.Join(dir, name), f.Data, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return dir, w
}

func BenchmarkLog(b *testing.B) {
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		b.Run(string(scope), func(b *testing.B) {
			dir, w := benchmarkLog(b, scope, 100, 500)
			fsys := os.DirFS(dir)
			events := uint64(0)
			for b.Loop() {
				r := check(b, fsys, verify.Options{Keys: trusting(w)})
				if r.TamperingDetected {
					b.Fatalf("%+v", r.Findings)
				}
				events += r.VerifiedEvents
			}
			b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkBareLoop is the yardstick: SHA-256 of each line, on all CPUs, and nothing
// else.
func BenchmarkBareLoop(b *testing.B) {
	dir, w := benchmarkLog(b, segline.ScopeCheckpoint, 100, 500)
	events := 0
	var mu sync.Mutex
	for b.Loop() {
		work := make(chan string)
		var wg sync.WaitGroup
		for range runtime.GOMAXPROCS(0) {
			wg.Go(func() {
				n := 0
				for name := range work {
					f, err := os.Open(filepath.Join(dir, name))
					if err != nil {
						b.Error(err)
						return
					}
					lines := bufio.NewReaderSize(f, 256<<10)
					for {
						line, err := lines.ReadSlice('\n')
						if err != nil {
							break
						}
						sha256.Sum256(line)
						if bytes.HasPrefix(line, []byte(`{"event":`)) {
							n++
						}
					}
					f.Close()
				}
				mu.Lock()
				events += n
				mu.Unlock()
			})
		}
		for _, name := range w.Segments {
			work <- name
		}
		close(work)
		wg.Wait()
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}
