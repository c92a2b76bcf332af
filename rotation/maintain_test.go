// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// upkeep is a directory in which changes of entries fail, and that tells when
// maintenance has come by.
type upkeep struct {
	*faultyFS
	passes chan struct{} // one for each replacement of the checkpoint file, the first thing that a pass does
}

// failing makes those changes of entries fail that a function names. Calls of it do
// not overlap.
func failing(t *testing.T, dir string, fails func(op, name string) bool) upkeep {
	t.Helper()
	u := upkeep{faulty(t, dir), make(chan struct{}, 100)}
	u.onEntry(func(op, name string) error {
		if op == "rename" && name == segment.CheckpointName {
			u.passes <- struct{}{}
		}
		if fails(op, name) {
			return syscall.EIO
		}
		return nil
	})
	return u
}

// firstAfter matches the first change that a function matches, behind one that
// another does, if there is another.
func firstAfter(after, first func(op, name string) bool) func(op, name string) bool {
	seen, done := after == nil, false
	return func(op, name string) bool {
		if !seen {
			seen = after(op, name)
			return false
		}
		if done || !first(op, name) {
			return false
		}
		done = true
		return true
	}
}

// await appends events, for which maintenance wakes up, until a condition holds. It
// returns their ids.
func (u upkeep) await(t *testing.T, l *rotation.Log, o rotation.Options, what string, done func() bool) []string {
	t.Helper()
	ids := numbered("wake", 8)
	for i, id := range ids {
		mustAppend(t, l, o, id)
		<-u.passes
		if done() {
			return ids[:i+1]
		}
	}
	t.Fatalf("waited in vain for %s: %q", what, segmentNames(t, o.Directory))
	return nil
}

func isOp(op, suffix string) func(string, string) bool {
	return func(o, name string) bool {
		return o == op && strings.HasPrefix(name, "audit-") == (suffix != "") && strings.HasSuffix(name, suffix)
	}
}

// compressed tells whether all segments but the newest are.
func compressed(names []string) bool {
	return len(names) > 0 && !slices.ContainsFunc(names[:len(names)-1], func(name string) bool { return !strings.HasSuffix(name, ".zst") })
}

// Wherever a fault stops a compression, it is finished once the fault has gone.
func TestCompressionGoesOnAfterAFault(t *testing.T) {
	for _, tt := range []struct {
		name         string
		after, fails func(op, name string) bool
	}{
		{"rename", nil, isOp("rename", ".zst")},
		{"sync of the new name", isOp("rename", ".zst"), isOp("sync", "")},
		{"removal of the plain form", nil, isOp("remove", ".jsonl")},
		{"sync of the removal", isOp("remove", ".jsonl"), isOp("sync", "")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := options(t)
			u := failing(t, o.Directory, firstAfter(tt.after, tt.fails))
			o.FS, o.MaxSegmentBytes, o.Compression = u, 1, segment.Zstd
			l := open(t, o)
			want := numbered("id", 4)
			for _, id := range want {
				mustAppend(t, l, o, id)
			}
			// What the last event sealed is not compressed yet.
			want = append(want, u.await(t, l, o, "compression", func() bool {
				names := segmentNames(t, o.Directory)
				return compressed(names[:len(want)+1])
			})...)
			closeLog(t, l)
			sameIDs(t, read(t, o.Directory).ids, want)
			checkGood(t, o.Directory, o.Signer)
		})
	}
}
