// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// eventOf returns what [batch] makes an event of about so many bytes of.
func eventOf(id string, bytes int) string { return id + "/" + strings.Repeat("x", bytes) }

// However long a commit is, it is written in order and whole, at most so much at a time, in the
// active segment and in a new one.
func TestCommitOfSeveralWrites(t *testing.T) {
	t.Parallel()
	signer := signingtest.New(t, signing.Ed25519)
	most := 0
	rapid.Check(t, func(r *rapid.T) {
		dir := filepath.Join(t.TempDir(), "log")
		fsys := faulty(t, dir)
		o := rotation.Options{
			FS: fsys, Directory: dir, Origin: origin, Signer: signer, Scope: segline.ScopeCheckpoint,
			MaxSegmentBytes: rapid.SampledFrom([]int64{0, 1}).Draw(r, "segment bytes"),
		}
		l := open(t, o)
		defer closeLog(t, l)
		var mu sync.Mutex  // upkeep may come before the call does again
		var written []byte // since the call began
		writes, fails := 0, rapid.IntRange(0, 4).Draw(r, "the write that fails")
		fsys.onWrite(func(p []byte) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			if len(p) > rotation.MaxWriteBytes {
				t.Errorf("%d bytes are written at a time", len(p))
			}
			if writes++; writes == fails {
				return len(p) / 2, syscall.ENOSPC
			}
			written = append(written, p...)
			return len(p), nil
		})
		var want []string
		for call := range rapid.IntRange(1, 2).Draw(r, "calls") {
			var batches []*stage.Batch
			var ids []string
			var lines []byte
			for i := range rapid.IntRange(1, 3).Draw(r, "batches") {
				// Some of them end near where a write does.
				size := rapid.OneOf(rapid.IntRange(0, 2000), rapid.IntRange(rotation.MaxWriteBytes-2500, rotation.MaxWriteBytes+1000), rapid.IntRange(0, 2*rotation.MaxWriteBytes)).Draw(r, "bytes")
				n := rapid.IntRange(1, 3).Draw(r, "events")
				var events []string
				for j := range n {
					id := fmt.Sprintf("%d-%d-%d", call, i, j)
					ids, events = append(ids, id), append(events, eventOf(id, size/n))
				}
				b := batch(t, l, o, events...)
				defer b.Release()
				batches, lines = append(batches, b), append(lines, b.Lines()...)
			}
			attempt := func() (failed bool, err error) {
				mu.Lock()
				written, writes = nil, 0
				mu.Unlock()
				_, err = l.Append(context.Background(), batches...)
				mu.Lock()
				defer mu.Unlock()
				if failed = fails > 0 && writes >= fails; failed {
					fails = 0
				} else if !bytes.Contains(written, lines) {
					r.Fatal("the lines are not in the file as they are in the batches")
				}
				most = max(most, writes)
				return failed, err
			}
			failed, err := attempt()
			if failed {
				wantReason(t, err, rotation.ReasonDiskFull)
				sameIDs(t, read(t, dir).ids, want)
				_, err = attempt() // of the same batches
			}
			if err != nil {
				r.Fatal(err)
			}
			want = append(want, ids...)
		}
		sameIDs(t, read(t, dir).ids, want)
		checkGood(t, dir, signer)
	})
	if most < 3 {
		t.Errorf("no commit took more than %d writes", most)
	}
}

// A power cut between the writes of one commit, or one that keeps some of them and loses others,
// leaves what counts for nothing: the log opens, without the events, or with all of them.
func TestPowerCutWithinALongCommit(t *testing.T) {
	t.Parallel()
	for _, segmentBytes := range []int64{0, 1} {
		t.Run(fmt.Sprintf("segments of %d bytes", segmentBytes), func(t *testing.T) {
			m := newModel()
			o := rotation.Options{FS: m, Directory: t.TempDir(), Origin: origin, Signer: signingtest.New(t, signing.Ed25519), Scope: segline.ScopeCheckpoint, Sync: true, MaxSegmentBytes: segmentBytes}
			l := open(t, o)
			mustAppend(t, l, o, "before")
			events, ids := []string{}, numbered("long", 10)
			for _, id := range ids {
				events = append(events, eventOf(id, rotation.MaxWriteBytes/3))
			}
			r := rand.New(rand.NewPCG(1, 2))
			var wrecks []wreck
			m.Mu.Lock()
			m.Step = func() {
				for range 4 {
					wrecks = append(wrecks, wreck{at: len(wrecks), left: cutOff(m, r), o: o, acked: [][]string{{"before"}}, tried: [][]string{ids}})
				}
			}
			m.Mu.Unlock()
			mustAppend(t, l, o, events...)
			m.Mu.Lock()
			m.Step = nil
			m.Mu.Unlock()
			closeLog(t, l)
			if len(wrecks) < 5*4 {
				t.Errorf("only %d states: the commit took too few writes", len(wrecks))
			}
			for _, w := range wrecks {
				if checkWreck(t, o.Signer, w); t.Failed() {
					t.Fatalf("the state %d of %d", w.at, len(wrecks))
				}
			}
		})
	}
}
