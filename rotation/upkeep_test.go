// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// upkeep is a directory in which changes of entries fail, and that tells when
// upkeep has come by.
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
		if op == "rename" && name == sidefile.CheckpointName {
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

// insist appends events, again if the one fault meets the commit.
func insist(t *testing.T, l *rotation.Log, o rotation.Options, ids ...string) {
	t.Helper()
	if _, err := appendIDs(t, l, o, ids...); err != nil {
		mustAppend(t, l, o, ids...)
	}
}

// await appends events, for which upkeep wakes up, until a condition holds. It
// returns their ids.
func (u upkeep) await(t *testing.T, l *rotation.Log, o rotation.Options, what string, done func() bool) []string {
	t.Helper()
	ids := numbered("wake", 8)
	for i, id := range ids {
		insist(t, l, o, id)
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
			synctest.Test(t, func(t *testing.T) {
				o := options(t)
				u := failing(t, o.Directory, firstAfter(tt.after, tt.fails))
				o.FS, o.MaxSegmentBytes, o.Compression = u, 1, compression.Zstd
				l := open(t, o)
				want := numbered("id", 4)
				for _, id := range want {
					insist(t, l, o, id)
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
		})
	}
}

// A segment that cannot be deleted is recorded as pruned once, and deleted when it
// can be.
func TestRetentionGoesOnAfterAFault(t *testing.T) {
	for _, suffix := range []string{".jsonl", ".zst"} {
		t.Run(suffix, func(t *testing.T) { retentionGoesOn(t, suffix) })
	}
}

func retentionGoesOn(t *testing.T, suffix string) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := options(t)
		times := 3
		u := failing(t, o.Directory, func(op, name string) bool {
			if op != "remove" || !strings.HasSuffix(name, suffix) || times == 0 {
				return false
			}
			times--
			return true
		})
		o.FS, o.MaxSegmentBytes, o.Compression, o.Retention.MaxSegments = u, 1, compression.Zstd, 10
		l := open(t, o)
		for _, id := range numbered("id", 12) {
			mustAppend(t, l, o, id)
		}
		u.await(t, l, o, "pruning", func() bool { return len(segmentNames(t, o.Directory)) <= 11 })
		closeLog(t, l)
		pruned := map[string]int{}
		for _, line := range strings.SplitAfter(ownEvents(t, o.Directory), "\n") {
			if _, list, ok := strings.Cut(line, `"action":"pruned"`); ok {
				for _, name := range plainName.FindAllString(list, -1) {
					pruned[name]++
				}
			}
		}
		for name, times := range pruned {
			if times > 1 {
				t.Errorf("%s is recorded as pruned %d times", name, times)
			}
		}
		if len(pruned) == 0 {
			t.Error("no pruning is recorded")
		}
		if strings.Contains(ownEvents(t, o.Directory), `"action":"damaged"`) {
			t.Error("the log misses what it has deleted itself")
		}
		checkGood(t, o.Directory, o.Signer)
	})
}

var plainName = regexp.MustCompile(`audit-[0-9]{20}-[0-9]{8}T[0-9]{6}Z\.jsonl`)

// A compression that fails leaves no file behind: the segment may be deleted before it is
// tried again.
func TestFailedCompressionLeavesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := options(t)
		var failed atomic.Bool
		u := failing(t, o.Directory, func(op, name string) bool {
			if op == "rename" && strings.HasSuffix(name, ".zst") {
				failed.Store(true)
				return true
			}
			return false
		})
		o.FS, o.MaxSegmentBytes, o.Compression = u, 1, compression.Zstd
		l := open(t, o)
		for _, id := range numbered("id", 4) {
			mustAppend(t, l, o, id)
		}
		u.await(t, l, o, "an attempt", failed.Load)
		closeLog(t, l)
		listing, err := segment.List(os.DirFS(o.Directory))
		if err != nil || len(listing.Temporary) > 0 {
			t.Errorf("%q are left, %v", listing.Temporary, err)
		}
	})
}

// Where a fault has left both forms of a segment, retention deletes both.
func TestRetentionDeletesBothForms(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := options(t)
		var kept atomic.Value
		kept.Store("")
		u := failing(t, o.Directory, func(op, name string) bool {
			// The first plain form cannot be deleted until it is to be pruned.
			if op != "remove" || !strings.HasSuffix(name, ".jsonl") {
				return false
			}
			kept.CompareAndSwap("", name)
			return name == kept.Load() && !strings.Contains(ownEvents(t, o.Directory), `"action":"pruned"`)
		})
		o.FS, o.MaxSegmentBytes, o.Compression, o.Retention.MaxSegments = u, 1, compression.Zstd, 10
		l := open(t, o)
		for _, id := range numbered("id", 8) {
			mustAppend(t, l, o, id)
		}
		u.await(t, l, o, "both forms to be gone", func() bool {
			name := kept.Load().(string)
			return name != "" && !strings.Contains(strings.Join(segmentNames(t, o.Directory), " "), name)
		})
		closeLog(t, l)
		checkGood(t, o.Directory, o.Signer)
	})
}

// A sealed segment that somebody removes is missed when upkeep comes to it. The
// log says so once; the others are compressed as they should be, and none is deleted any
// more.
func TestRemovedSealedSegment(t *testing.T) {
	t.Run("compression", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			o := options(t)
			var removed atomic.Bool
			u := failing(t, o.Directory, func(op, name string) bool {
				return op == "rename" && strings.HasSuffix(name, ".zst") && !removed.Load()
			})
			o.FS, o.MaxSegmentBytes, o.Compression = u, 1, compression.Zstd
			removedSegment(t, o, u, func() { removed.Store(true) }, func(names []string) bool { return compressed(names[:8]) })
		})
	})
	t.Run("retention", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			o := options(t)
			u := failing(t, o.Directory, func(op, name string) bool { return false })
			o.FS, o.MaxSegmentBytes, o.Retention.MaxSegments = u, 1, 11
			removedSegment(t, o, u, func() {}, func(names []string) bool { return true })
			if names := segmentNames(t, o.Directory); len(names) < 17 {
				t.Errorf("of more than 17 segments, %q are left", names)
			}
		})
	})
}

func removedSegment(t *testing.T, o rotation.Options, u upkeep, then func(), done func(names []string) bool) {
	l := open(t, o)
	for _, id := range numbered("id", 10) {
		mustAppend(t, l, o, id)
	}
	gone := segmentNames(t, o.Directory)[3]
	if err := os.Remove(filepath.Join(o.Directory, gone)); err != nil {
		t.Fatal(err)
	}
	then()
	for _, id := range numbered("more", 10) {
		mustAppend(t, l, o, id)
	}
	said := func() int {
		return strings.Count(ownEvents(t, o.Directory), `"action":"damaged","detail":"the sealed segment `+gone+` is gone`)
	}
	u.await(t, l, o, "upkeep", func() bool { return said() > 0 && done(segmentNames(t, o.Directory)) })
	closeLog(t, l)
	if n := said(); n != 1 {
		t.Errorf("the log says %d times that the segment is gone", n)
	}
}
