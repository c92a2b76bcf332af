// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package issuer_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/issuer"
)

// BenchmarkIssue issues the receipts of a log of 100,000 events in commits of 1,000.
func BenchmarkIssue(b *testing.B) {
	const commits, events = 100, 1000
	s := newSite(b, b.TempDir())
	defer s.Close()
	s.Close()
	s.Options.MaxSegmentBytes = 50 << 20
	s.Open()
	for range commits {
		s.Commit(events)
	}
	s.to.MaxFileBytes = 100 << 20
	var size int64
	for b.Loop() {
		require.NoError(b, os.RemoveAll(s.to.Directory))
		i, err := issuer.Open(s.to)
		require.NoError(b, err)
		r, err := i.Issue(b.Context(), s.durable())
		require.NoError(b, err)
		require.EqualValues(b, commits*events, r.Receipts)
		require.NoError(b, i.Close())
		size = 0
		for _, name := range s.files() {
			info, err := os.Stat(filepath.Join(s.to.Directory, name))
			require.NoError(b, err)
			size += info.Size()
		}
	}
	receipts := float64(commits * events)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/receipts, "ns/receipt")
	b.ReportMetric(float64(size)/receipts, "B/receipt")
}
