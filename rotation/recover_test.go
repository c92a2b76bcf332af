// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// acknowledgedAt returns how many of the commits of a segment's content end
// within its first n bytes.
func acknowledgedAt(content []byte, n int) (commits int) {
	for line := range bytes.Lines(content[:n]) {
		if segment.KindOf(line) == segline.KindCheckpoint && bytes.HasSuffix(line, []byte("\n")) {
			commits++
		}
	}
	return commits
}

// tornFiles returns what has been set aside in a directory.
func tornFiles(t testing.TB, dir string) []string {
	t.Helper()
	listing, err := segment.List(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	return listing.Torn
}

// A crash may cut the active segment off at any byte. What had been
// acknowledged is there after the restart, what had not is kept beside, and the
// log verifies and goes on.
func TestTruncationAtEveryByte(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.Scope = segline.ScopeCheckpoint
	l := open(t, o)
	for _, id := range []string{"a", "b", "c"} {
		mustAppend(t, l, o, id)
	}
	// Not closed: the checkpoint file would say how far the log goes.
	name := segmentNames(t, o.Directory)[0]
	content, err := os.ReadFile(filepath.Join(o.Directory, name))
	if err != nil {
		t.Fatal(err)
	}
	defer closeLog(t, l)
	for n := range content {
		if testing.Short() && n%7 != 0 {
			continue
		}
		o := o
		o.Directory = filepath.Join(t.TempDir(), "crashed")
		if err := errors.Join(os.Mkdir(o.Directory, 0o700), os.WriteFile(filepath.Join(o.Directory, name), content[:n], 0o600)); err != nil {
			t.Fatal(err)
		}
		l, err := rotation.Open(t.Context(), o)
		if err != nil {
			t.Fatalf("cut at byte %d: %v", n, err)
		}
		mustAppend(t, l, o, "after")
		closeLog(t, l)
		got := read(t, o.Directory)
		commits := acknowledgedAt(content, n)
		want := append([]string(nil), []string{"a", "b", "c"}[:max(0, commits-1)]...)
		sameIDs(t, got.ids, append(want, "after"))
		checkGood(t, o.Directory, o.Signer)

		kept := 0
		for _, torn := range tornFiles(t, o.Directory) {
			b, err := os.ReadFile(filepath.Join(o.Directory, torn))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasSuffix(content[:n], b) {
				t.Errorf("cut at byte %d: %s does not hold the tail", n, torn)
			}
			kept += len(b)
			sum := sha256.Sum256(b)
			if !strings.Contains(ownEvents(t, o.Directory), fmt.Sprintf("%x", sum)) {
				t.Errorf("cut at byte %d: the log does not say what was set aside", n)
			}
		}
		good := bytes.LastIndex(content[:n], []byte("\n{\"checkpoint\":"))
		if good >= 0 {
			if end := bytes.IndexByte(content[good+1:n], '\n'); end < 0 {
				good = bytes.LastIndex(content[:good], []byte("\n{\"checkpoint\":"))
			}
		}
		end := 0
		if good >= 0 {
			end = good + 1 + bytes.IndexByte(content[good+1:], '\n') + 1
		}
		if kept != n-end && n > 0 {
			t.Errorf("cut at byte %d: %d bytes kept, want %d", n, kept, n-end)
		}
	}
}

// ownEvents returns the lines of what the log said of itself, as far as they are still
// there: the log may be at work.
func ownEvents(t testing.TB, dir string) string {
	t.Helper()
	return ownLines(t, os.DirFS(dir))
}

func ownLines(t testing.TB, fsys fs.FS) string {
	t.Helper()
	l, err := segment.List(fsys)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range l.Segments {
		r, err := segment.Open(fsys, f.Name, -1)
		if errors.Is(err, fs.ErrNotExist) {
			continue // compressed or deleted since
		}
		if err != nil {
			t.Fatal(err)
		}
		for {
			line, err := r.Next()
			if err != nil {
				break
			}
			if bytes.Contains(line, []byte(`"log":{"action":`)) {
				all.Write(append(line, '\n'))
			}
		}
		r.Close()
	}
	return all.String()
}

// Bytes that a crash leaves in place of the last commit's: any of them may be
// missing, and read as zeros, while later ones are there.
func TestHolesInTheLastCommit(t *testing.T) {
	o := options(t)
	l := open(t, o)
	mustAppend(t, l, o, "a")
	mustAppend(t, l, o, "b")
	defer closeLog(t, l)
	name := segmentNames(t, o.Directory)[0]
	content, err := os.ReadFile(filepath.Join(o.Directory, name))
	if err != nil {
		t.Fatal(err)
	}
	first := bytes.LastIndex(content[:len(content)-1], []byte("\n{\"event\":")) + 1
	for from := first; from < len(content); from += 13 {
		o := o
		o.Directory = filepath.Join(t.TempDir(), "crashed")
		holed := bytes.Clone(content)
		clear(holed[from:min(from+64, len(holed))])
		if err := errors.Join(os.Mkdir(o.Directory, 0o700), os.WriteFile(filepath.Join(o.Directory, name), holed, 0o600)); err != nil {
			t.Fatal(err)
		}
		l, err := rotation.Open(t.Context(), o)
		if err != nil {
			t.Fatalf("hole at byte %d of %d: %v", from, len(content), err)
		}
		closeLog(t, l)
		sameIDs(t, read(t, o.Directory).ids, []string{"a"})
		checkGood(t, o.Directory, o.Signer)
	}
}

// What no crash explains is not written over.
func TestOpenRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, o *rotation.Options, segments []string)
		want   error
		says   string
	}{
		{"another key", func(t *testing.T, o *rotation.Options, _ []string) {
			o.Signer = signingtest.New(t, signing.ECDSAP256)
		}, rotation.ErrWrongKey, "key"},
		{"another origin", func(_ *testing.T, o *rotation.Options, _ []string) { o.Origin = "other.example/log" }, nil, "origin"},
		{"an acknowledged byte changed", func(t *testing.T, _ *rotation.Options, segments []string) {
			change(t, segments[len(segments)-1], func(b []byte) []byte {
				return bytes.Replace(b, []byte("happened"), []byte("hoppened"), 1)
			})
		}, rotation.ErrDamaged, "line"},
		{"an acknowledged line removed", func(t *testing.T, _ *rotation.Options, segments []string) {
			change(t, segments[len(segments)-1], func(b []byte) []byte {
				lines := bytes.SplitAfter(b, []byte("\n"))
				return bytes.Join(append(lines[:2:2], lines[3:]...), nil)
			})
		}, rotation.ErrDamaged, ""},
		{"the newest segment removed", func(t *testing.T, _ *rotation.Options, segments []string) {
			if err := os.Remove(segments[len(segments)-1]); err != nil {
				t.Fatal(err)
			}
		}, rotation.ErrRolledBack, "checkpoint"},
		{"the newest commits removed", func(t *testing.T, _ *rotation.Options, segments []string) {
			change(t, segments[len(segments)-1], func(b []byte) []byte {
				return b[:bytes.LastIndex(b, []byte("{\"event\":"))]
			})
		}, rotation.ErrRolledBack, "checkpoint"},
		{"all segments removed", func(t *testing.T, _ *rotation.Options, segments []string) {
			for _, s := range segments {
				if err := os.Remove(s); err != nil {
					t.Fatal(err)
				}
			}
		}, rotation.ErrRolledBack, "checkpoint"},
		{"a segment replaced by a link", func(t *testing.T, o *rotation.Options, segments []string) {
			away := filepath.Join(t.TempDir(), "away")
			if err := errors.Join(os.Rename(segments[0], away), os.Symlink(away, segments[0])); err != nil {
				t.Fatal(err)
			}
		}, nil, "not a regular file"},
		{"two segments with one index", func(t *testing.T, o *rotation.Options, segments []string) {
			name, err := segment.ParseName(filepath.Base(segments[0]))
			if err != nil {
				t.Fatal(err)
			}
			name.Created = name.Created.AddDate(0, 0, 1)
			b, err := os.ReadFile(segments[0])
			if err := errors.Join(err, os.WriteFile(filepath.Join(o.Directory, name.String()), b, 0o600)); err != nil {
				t.Fatal(err)
			}
		}, rotation.ErrDamaged, "same leaf"},
		{"a directory that others can write to", func(t *testing.T, o *rotation.Options, _ []string) {
			if err := os.Chmod(o.Directory, 0o777); err != nil {
				t.Fatal(err)
			}
		}, nil, "chmod 700"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := options(t)
			o.MaxSegmentBytes = 4_000
			l := open(t, o)
			for _, id := range numbered("id", 12) {
				mustAppend(t, l, o, id)
			}
			closeLog(t, l)
			var paths []string
			for _, name := range segmentNames(t, o.Directory) {
				paths = append(paths, filepath.Join(o.Directory, name))
			}
			tt.change(t, &o, paths)
			l, err := rotation.Open(t.Context(), o)
			if err == nil {
				closeLog(t, l)
				t.Fatal("the log was opened")
			}
			if tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A log of a single segment is no exception: what is acknowledged is never set
// aside.
func TestOpenRefusesOneSegment(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(t *testing.T, o *rotation.Options, path string)
		says   string
	}{
		"another origin": {func(_ *testing.T, o *rotation.Options, _ string) { o.Origin = "renamed.example/auditlog" }, "origin"},
		"another key":    {func(t *testing.T, o *rotation.Options, _ string) { o.Signer = signingtest.New(t, signing.Ed25519) }, "signing key"},
		"header changed": {func(t *testing.T, _ *rotation.Options, path string) {
			change(t, path, func(b []byte) []byte { return bytes.Replace(b, []byte("auditlog/v1"), []byte("auditlog/v9"), 1) })
		}, "newer version"},
		"scope changed": {func(t *testing.T, _ *rotation.Options, path string) {
			change(t, path, func(b []byte) []byte {
				return bytes.Replace(b, []byte(`"scope":"event"`), []byte(`"scope":"evenT"`), 1)
			})
		}, "does not fit"},
		"first event changed": {func(t *testing.T, _ *rotation.Options, path string) {
			change(t, path, func(b []byte) []byte { return bytes.Replace(b, []byte(`"opened"`), []byte(`"closed"`), 1) })
		}, "does not fit"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			l := open(t, o)
			mustAppend(t, l, o, "a")
			closeLog(t, l)
			before := segmentNames(t, o.Directory)
			if err := os.Remove(filepath.Join(o.Directory, "checkpoint")); err != nil {
				t.Fatal(err)
			}
			tt.change(t, &o, filepath.Join(o.Directory, before[0]))
			l, err := rotation.Open(t.Context(), o)
			if err == nil {
				closeLog(t, l)
				t.Fatal("the log was opened")
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v", err)
			}
			if after := segmentNames(t, o.Directory); strings.Join(after, " ") != strings.Join(before, " ") {
				t.Errorf("the segments have become %q", after)
			}
		})
	}
}

func change(t *testing.T, path string, f func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, f(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOneWriter(t *testing.T) {
	o := options(t)
	l := open(t, o)
	if second, err := rotation.Open(t.Context(), o); !errors.Is(err, rotation.ErrLocked) {
		if err == nil {
			closeLog(t, second)
		}
		t.Errorf("a second writer: %v", err)
	}
	closeLog(t, l)
	closeLog(t, open(t, o))
}

// Whoever takes the lock file for a stale one and removes it does not get a second
// writer in.
func TestOneWriterWithoutTheLockFile(t *testing.T) {
	o := options(t)
	l := open(t, o)
	if err := os.Remove(filepath.Join(o.Directory, durable.LockName)); err != nil {
		t.Fatal(err)
	}
	if second, err := rotation.Open(t.Context(), o); !errors.Is(err, rotation.ErrLocked) {
		if err == nil {
			closeLog(t, second)
		}
		t.Errorf("a second writer: %v", err)
	}
	mustAppend(t, l, o, "a")
	closeLog(t, l)
	closeLog(t, open(t, o))
}

// Whatever is in the place of the checkpoint file, the log starts, or says at once why
// not, and the file is written anew.
func TestCheckpointFileReplaced(t *testing.T) {
	for name, replace := range map[string]func(path string) error{
		"link out":     func(path string) error { return os.Symlink(os.DevNull, path) },
		"link to none": func(path string) error { return os.Symlink("nowhere", path) },
		"pipe":         func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"nothing":      func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"huge file":    func(path string) error { return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 1<<40)) },
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			l := open(t, o)
			mustAppend(t, l, o, "a")
			closeLog(t, l)
			path := filepath.Join(o.Directory, sidefile.CheckpointName)
			if err := errors.Join(os.Remove(path), replace(path)); err != nil {
				t.Fatal(err)
			}
			l = open(t, o)
			mustAppend(t, l, o, "b")
			want := l.Checkpoint()
			closeLog(t, l)
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
				t.Errorf("the checkpoint file holds %q, %v", got, err)
			}
			checkGood(t, o.Directory, o.Signer)
		})
	}
}

// A sealed segment that somebody has damaged is for the verifier to find: the log goes
// on behind it.
func TestDamagedSealedSegment(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(b []byte) []byte{
		"emptied":           func([]byte) []byte { return nil },
		"garbage":           func([]byte) []byte { return []byte("rotated by a script\n") },
		"header cut off":    func(b []byte) []byte { return b[:20] },
		"one line too long": func([]byte) []byte { return make([]byte, segline.MaxBytes+2) },
	} {
		for _, at := range []int{0, 1} {
			t.Run(fmt.Sprintf("%s/%d", name, at), func(t *testing.T) {
				o := options(t)
				o.MaxSegmentBytes = 1
				l := open(t, o)
				for _, id := range numbered("id", 4) {
					mustAppend(t, l, o, id)
				}
				closeLog(t, l)
				change(t, filepath.Join(o.Directory, segmentNames(t, o.Directory)[at]), damage)
				l = open(t, o)
				mustAppend(t, l, o, "after")
				closeLog(t, l)
				// With another key, and without the file that says so: the segments are read.
				o.Signer, o.PreviousSigner = signingtest.New(t, signing.Ed25519), o.Signer
				l = open(t, o)
				mustAppend(t, l, o, "with another key")
				closeLog(t, l)
				if err := os.Remove(filepath.Join(o.Directory, sidefile.KeyChangesName)); err != nil {
					t.Fatal(err)
				}
				closeLog(t, open(t, o))
				if !check(t, o.Directory, o.Signer).TamperingDetected {
					t.Error("the verifier found nothing")
				}
			})
		}
	}
}

// A crash between the two steps of compression leaves both forms.
func TestInterruptedCompression(t *testing.T) {
	o := options(t)
	o.MaxSegmentBytes = 3_000
	l := open(t, o)
	for _, id := range numbered("id", 8) {
		mustAppend(t, l, o, id)
	}
	closeLog(t, l)
	plain := filepath.Join(o.Directory, segmentNames(t, o.Directory)[0])
	pack := func(path string) {
		t.Helper()
		b, err := os.ReadFile(plain)
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		w, err := compression.NewWriter(f, compression.Zstd)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Write(b)
		if err := errors.Join(err, w.Close(), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	pack(plain + ".zst")
	pack(plain + ".zst.tmp")
	closeLog(t, open(t, o))
	for path, there := range map[string]bool{plain: false, plain + ".zst": true, plain + ".zst.tmp": false} {
		if _, err := os.Lstat(path); (err == nil) != there {
			t.Errorf("%s: %v", filepath.Base(path), err)
		}
	}
	sameIDs(t, read(t, o.Directory).ids, numbered("id", 8))
	checkGood(t, o.Directory, o.Signer)
}

func TestScopeChangesAtRestart(t *testing.T) {
	o := options(t)
	l := open(t, o)
	mustAppend(t, l, o, "a")
	closeLog(t, l)
	o.Scope = segline.ScopeCheckpoint
	l = open(t, o)
	mustAppend(t, l, o, "b")
	closeLog(t, l)
	if n := len(segmentNames(t, o.Directory)); n != 2 {
		t.Errorf("%d segments, want 2", n)
	}
	sameIDs(t, read(t, o.Directory).ids, []string{"a", "b"})
	checkGood(t, o.Directory, o.Signer)
}

func TestUnsignedEvents(t *testing.T) {
	o := options(t)
	w := newWatcher()
	o.Observer = w
	l := open(t, o)
	mustAppend(t, l, o, "a")
	signed := batch(t, l, o, "signed")
	b := l.NewBatch()
	if err := b.AddUnsigned(func(dst []byte) ([]byte, uint64, error) {
		return append(dst, canonicalOf(t, signed, "unsigned")...), 0, nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, o, "c")
	closeLog(t, l)
	got := read(t, o.Directory)
	sameIDs(t, got.ids, []string{"a", "unsigned", "c"})
	sameIDs(t, got.actions, []string{"opened", "signing_degraded", "signing_restored"})
	if report := checkGood(t, o.Directory, o.Signer); report.UnsignedEvents != 1 {
		t.Errorf("%d unsigned events reported", report.UnsignedEvents)
	}
}

// canonicalOf returns the canonical form of a batch's only event, with another
// id.
func canonicalOf(t *testing.T, b *stage.Batch, id string) []byte {
	t.Helper()
	line := bytes.TrimSuffix(b.Lines(), []byte("\n"))
	parsed, err := segment.ParseEvent(nil, line)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Replace(parsed.Canonical, []byte(`"event_id":"signed"`), []byte(`"event_id":"`+id+`"`), 1)
}

// A torn tail can be kept only if there is room. Until there is, the log is open, and
// calls are refused.
func TestTornTailOnAFullDisk(t *testing.T) {
	o := options(t)
	l := open(t, o)
	mustAppend(t, l, o, "a")
	closeLog(t, l)
	tail := `{"event":{"agent_id":`
	name := segmentNames(t, o.Directory)[0]
	if err := appendTo(filepath.Join(o.Directory, name), tail); err != nil {
		t.Fatal(err)
	}
	fsys := faulty(t, o.Directory)
	o.FS = fsys
	fsys.onEntry(func(op, _ string) error {
		if op == "create" {
			return syscall.ENOSPC
		}
		return nil
	})
	for range 2 {
		l = open(t, o)
		_, err := appendIDs(t, l, o, "lost")
		wantReason(t, err, rotation.ReasonDiskFull)
		if err := l.Close(context.Background()); err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("closed: %v", err)
		}
	}
	l = open(t, o)
	fsys.onEntry(nil)
	mustAppend(t, l, o, "b")
	closeLog(t, l)
	got := read(t, o.Directory)
	sameIDs(t, got.ids, []string{"a", "b"})
	sameIDs(t, got.actions, []string{"opened", "opened", "recovered", "resumed"})
	for _, name := range tornFiles(t, o.Directory) {
		if b, err := os.ReadFile(filepath.Join(o.Directory, name)); err != nil || string(b) != tail {
			t.Errorf("%s holds %q, %v", name, b, err)
		}
	}
	checkGood(t, o.Directory, o.Signer)
}

// opened remembers which files are opened.
type opened struct {
	durable.FS
	mu    sync.Mutex
	names []string
}

func (o *opened) note(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.names = append(o.names, name)
}

func (o *opened) Open(name string) (fs.File, error) {
	o.note(name)
	return o.FS.Open(name)
}

func (o *opened) Edit(name string) (durable.File, error) {
	o.note(name)
	return o.FS.Edit(name)
}

// A start reads the newest segment, and one line of the oldest, however many there are.
func TestStartIsBounded(t *testing.T) {
	o := options(t)
	o.MaxSegmentBytes = 1
	l := open(t, o)
	for _, id := range numbered("id", 30) {
		mustAppend(t, l, o, id)
	}
	closeLog(t, l)
	names := segmentNames(t, o.Directory)
	d, err := durable.OpenLocked(o.Directory)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	watched := &opened{FS: d}
	o.FS = watched
	l = open(t, o)
	closeLog(t, l)
	for _, name := range watched.names {
		if slices.Contains(names[1:len(names)-1], name) {
			t.Errorf("%s was opened", name)
		}
	}
	if !slices.Contains(watched.names, names[len(names)-1]) {
		t.Errorf("the newest segment was not opened, only %q", watched.names)
	}
}
