// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/snapshot"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// log is a log that is written to.
type log struct {
	*logtest.Log
	t     testing.TB
	first *signing.PublicKey
}

// newLog begins a log in which each segment has a key of its own.
func newLog(t testing.TB, o rotation.Options) *log {
	t.Helper()
	key := filepath.Join(t.TempDir(), "key.pem")
	signer, err := keyfile.Create(key, signing.Ed25519)
	require.NoError(t, err)
	keys, err := keyfile.OpenRotating(key)
	require.NoError(t, err)
	o.Signer, o.SegmentKeys = keys.Current(), keys
	return &log{Log: logtest.New(t, o), t: t, first: signer.Public()}
}

// grow adds a commit of n events, also from another goroutine than the test's.
func (l *log) grow(n int) error {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprint("id-", len(l.IDs)+i)
	}
	return l.TryAdd(ids...)
}

// clean reports whether nothing is wrong with a log. One that was begun a moment ago, or whose
// writer was killed, has no file checkpoint.
func clean(r *verify.Report) bool {
	return r.Verdict == verify.VerdictOK && !slices.ContainsFunc(r.Findings, func(f verify.Finding) bool {
		return f.Severity == verify.Warning && f.Kind != verify.Kind("checkpoint_missing")
	})
}

// good checks that a copy is a log with nothing wrong about it, which extends what was kept.
func (l *log) good(dir string, kept ...[]byte) *verify.Report {
	l.t.Helper()
	var all []verify.Kept
	for _, note := range kept {
		all = append(all, verify.Kept{Note: note})
	}
	r, err := verify.Log(context.Background(), os.DirFS(dir), verify.Options{Keys: []*signing.PublicKey{l.first}, Checkpoints: all})
	require.NoError(l.t, err)
	if !clean(r) {
		l.t.Fatalf("%s: %+v", r.Verdict, r.Findings)
	}
	return r
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	return b
}

// A writer writes, changes keys, compresses and deletes as fast as it can, and each copy is
// good, and extends the one before.
func TestCopiesOfALogInUse(t *testing.T) {
	l := newLog(t, rotation.Options{MaxSegmentBytes: 20_000, Compression: compression.Zstd, Retention: rotation.Retention{MaxSegments: 5}})
	stop, done := make(chan struct{}), make(chan error)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if err := l.grow(5); err != nil {
				done <- err
				return
			}
		}
	}()
	defer func() {
		close(stop)
		assert.NoError(t, <-done)
	}()
	to := t.TempDir()
	var kept [][]byte
	var size, first, segments uint64
	for i := 0; i < 60 && (i < 10 || first < 1000); i++ {
		dest := filepath.Join(to, fmt.Sprint(i))
		r, err := snapshot.Directory(t.Context(), l.Options.Directory, dest, snapshot.Options{Link: i%2 == 1})
		require.NoError(t, err)
		require.Empty(t, r.Left)
		report := l.good(dest, kept...)
		require.GreaterOrEqual(t, report.TreeSize, size)
		size, first, segments = report.TreeSize, report.PrunedBefore, max(segments, uint64(len(report.Segments)))
		kept = [][]byte{read(t, filepath.Join(dest, sidefile.CheckpointName))}
	}
	assert.NotZero(t, first, "deleted before leaf")
	assert.GreaterOrEqual(t, segments, uint64(3), "deleted before leaf")
}
