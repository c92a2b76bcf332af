// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/verify"
)

// A log's life in short: segments sealed by size and by age, compressed, deleted by
// retention, and a restart in between. What is left verifies as one log.
func TestRotationCompressionRetentionAndRestart(t *testing.T) {
	for _, c := range []struct{ scope, algorithm, compression string }{
		{"event", "ecdsa-p256", "zstd"},
		{"event", "ed25519", "gzip"},
		{"checkpoint", "ecdsa-p256", "gzip"},
		{"checkpoint", "ed25519", "zstd"},
	} {
		t.Run(c.scope+"/"+c.algorithm, func(t *testing.T) {
			t.Parallel()
			const keep = 5
			s := newSite(t, "rotation: {max_size_mib: 1, max_age: 2s, compression: "+c.compression+"}")
			s.scope = c.scope
			code, _ := runAuditlog(t, "keygen", "--algorithm", c.algorithm, "--out", s.key)
			require.Zero(t, code)
			suffix := map[string]string{"zstd": ".jsonl.zst", "gzip": ".jsonl.gz"}[c.compression]
			sent := 0

			// By size, then by age: the last segment is sealed though nothing comes.
			p := s.start(t)
			s.fill(t, "one", 2500)
			sent += 2500
			eventually(t, "segments are sealed by size and compressed", func() bool {
				return slices.ContainsFunc(segments(t, s.log), func(name string) bool { return hasSuffix(name, suffix) })
			})
			eventually(t, "the active segment is sealed by age", func() bool { return rotated(t, s.log, "age") })
			assert.True(t, rotated(t, s.log, "size"))
			p.stop(t)
			code, report := runVerify(t, s.log, "--key", s.public)
			require.Zero(t, code, "%+v", report)
			require.EqualValues(t, sent, report.TotalEvents-report.OwnEvents, "nothing is deleted yet")
			size := report.TreeSize

			// After a restart, with retention.
			s.exporter += "\n    retention: {max_segments: 5}"
			p = s.start(t)
			s.fill(t, "two", 7000)
			eventually(t, "retention deletes segments, and all but the newest are compressed", func() bool {
				names := segments(t, s.log)
				return len(names) <= keep && !slices.ContainsFunc(names[:len(names)-1], func(name string) bool { return !hasSuffix(name, suffix) })
			})
			p.stop(t)

			code, report = runVerify(t, s.log, "--key", s.public)
			require.Zero(t, code, "%+v", report)
			assert.Equal(t, report.TotalEvents, report.VerifiedEvents)
			assert.Greater(t, report.TreeSize, size+7000, "it is the same log")
			assert.Positive(t, report.Segments[0].FirstIndex, "its beginning is gone")
			assert.True(t, slices.ContainsFunc(report.Findings, func(f verify.Finding) bool {
				return f.Kind == verify.Kind("pruned") && f.Severity == verify.Info
			}), "the log itself says so: %+v", report.Findings)
			events := show(t, s.log)
			assert.Equal(t, "two-06999", newestOf(events), "the newest event is there")
			if c.scope == "event" {
				assert.Zero(t, report.UnsignedEvents)
			}
		})
	}
}

// rotated tells whether the log says that it sealed a segment for that reason.
func rotated(t *testing.T, dir, reason string) bool {
	t.Helper()
	return slices.ContainsFunc(show(t, dir, "--operation", "auditlog.rotated"), func(e shown) bool {
		return e.Log["reason"] == reason
	})
}

// newestOf returns the id of the last event that is not the log's own.
func newestOf(events []shown) string {
	for _, e := range slices.Backward(events) {
		if e.Log == nil {
			return e.EventID
		}
	}
	return ""
}
