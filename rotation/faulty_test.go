// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// faultyFS is a directory of the operating system in which what is done to
// segments can be made to fail.
type faultyFS struct {
	durable.FS
	mu     sync.Mutex
	write  func(p []byte) (int, error)
	sync   func() error
	create func() error
	free   func() (uint64, error)
	// entry is asked before a change of the directory: "create" of a name that is no
	// segment's, "rename" to a name, "remove" of a name, or "sync" of the directory; and
	// before "present".
	entry func(op, name string) error
}

// faulty opens a directory with which nothing is wrong yet.
func faulty(t testing.TB, dir string) *faultyFS {
	t.Helper()
	d, err := durable.OpenLocked(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return &faultyFS{FS: d}
}

func (f *faultyFS) onSync(do func() error) { f.set(func() { f.sync = do }) }

func (f *faultyFS) onWrite(do func(p []byte) (int, error)) { f.set(func() { f.write = do }) }

func (f *faultyFS) onCreate(do func() error) { f.set(func() { f.create = do }) }

func (f *faultyFS) onFree(do func() (uint64, error)) { f.set(func() { f.free = do }) }

func (f *faultyFS) onEntry(do func(op, name string) error) { f.set(func() { f.entry = do }) }

func (f *faultyFS) set(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

func (f *faultyFS) Create(name string) (durable.File, error) {
	if _, err := segment.ParseName(name); err != nil {
		if err := f.askEntry("create", name); err != nil {
			return nil, err
		}
		return f.FS.Create(name)
	}
	f.mu.Lock()
	do := f.create
	f.mu.Unlock()
	if do != nil {
		if err := do(); err != nil {
			return nil, err
		}
	}
	file, err := f.FS.Create(name)
	if err != nil {
		return nil, err
	}
	return faultyFile{file, f}, nil
}

func (f *faultyFS) Edit(name string) (durable.File, error) {
	file, err := f.FS.Edit(name)
	if err != nil {
		return nil, err
	}
	return faultyFile{file, f}, nil
}

func (f *faultyFS) Present() error {
	if err := f.askEntry("present", ""); err != nil {
		return err
	}
	return f.FS.Present()
}

func (f *faultyFS) Free() (uint64, error) {
	f.mu.Lock()
	do := f.free
	f.mu.Unlock()
	if do != nil {
		return do()
	}
	return f.FS.Free()
}

func (f *faultyFS) askEntry(op, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.entry == nil {
		return nil
	}
	return f.entry(op, name)
}

func (f *faultyFS) Rename(oldname, newname string) error {
	if err := f.askEntry("rename", newname); err != nil {
		return err
	}
	return f.FS.Rename(oldname, newname)
}

func (f *faultyFS) Remove(name string) error {
	if err := f.askEntry("remove", name); err != nil {
		return err
	}
	return f.FS.Remove(name)
}

func (f *faultyFS) Sync() error {
	if err := f.askEntry("sync", ""); err != nil {
		return err
	}
	return f.FS.Sync()
}

type faultyFile struct {
	durable.File
	fs *faultyFS
}

func (f faultyFile) WriteAt(p []byte, at int64) (int, error) {
	f.fs.mu.Lock()
	do := f.fs.write
	f.fs.mu.Unlock()
	if do == nil {
		return f.File.WriteAt(p, at)
	}
	n, err := do(p)
	if n > 0 {
		if n, werr := f.File.WriteAt(p[:n], at); werr != nil {
			return n, werr
		}
	}
	return n, err
}

func (f faultyFile) Sync() error {
	f.fs.mu.Lock()
	do := f.fs.sync
	f.fs.mu.Unlock()
	if do != nil {
		if err := do(); err != nil {
			return err
		}
	}
	return f.File.Sync()
}

// wantReason checks that an error is one of the log's with this reason.
func wantReason(t testing.TB, err error, want rotation.Reason) {
	t.Helper()
	var e *rotation.Error
	if !errors.As(err, &e) || e.Reason != want {
		t.Errorf("got error %v, want one of reason %s", err, want)
	}
}

func TestFullDisk(t *testing.T) {
	for _, written := range []int{0, 1, 100, -1} {
		t.Run(fmt.Sprintf("after %d bytes", written), func(t *testing.T) {
			o := options(t)
			fsys, w := faulty(t, o.Directory), newWatcher()
			o.FS, o.Observer = fsys, w
			l := open(t, o)
			mustAppend(t, l, o, "a")
			fsys.onWrite(func(p []byte) (int, error) {
				n := written
				if n < 0 {
					n = len(p) - 1
				}
				return n, syscall.ENOSPC
			})
			for range 3 {
				_, err := appendIDs(t, l, o, "lost")
				wantReason(t, err, rotation.ReasonDiskFull)
				if !errors.Is(err, syscall.ENOSPC) {
					t.Errorf("the cause is gone from %v", err)
				}
			}
			// A reader sees nothing of the attempts.
			sameIDs(t, read(t, o.Directory).ids, []string{"a"})
			fsys.onWrite(nil)
			mustAppend(t, l, o, "b")
			closeLog(t, l)
			got := read(t, o.Directory)
			sameIDs(t, got.ids, []string{"a", "b"})
			sameIDs(t, w.health, []string{"fault", "healthy"})
			checkGood(t, o.Directory, o.Signer)
			if n := len(segmentNames(t, o.Directory)); n != 1 {
				t.Errorf("%d segments, want 1: a full disk is no reason for a new one", n)
			}
		})
	}
}

func TestMinimumFreeSpace(t *testing.T) {
	o := options(t)
	fsys := faulty(t, o.Directory)
	o.FS, o.MinFreeBytes = fsys, 1_000_000
	fsys.onFree(func() (uint64, error) { return 1_000_000, nil })
	// The log opens all the same: room may be made before events come.
	l := open(t, o)
	_, err := appendIDs(t, l, o, "lost")
	wantReason(t, err, rotation.ReasonDiskFull)
	fsys.onFree(nil)
	mustAppend(t, l, o, "a")
	closeLog(t, l)
	got := read(t, o.Directory)
	sameIDs(t, got.ids, []string{"a"})
	sameIDs(t, got.actions, []string{"opened", "resumed"})
	checkGood(t, o.Directory, o.Signer)
}

// Retention makes room on a full disk: recording it may use the reserve.
func TestRetentionOnAFullDisk(t *testing.T) {
	o := options(t)
	fsys, w := faulty(t, o.Directory), newWatcher()
	o.FS, o.Observer, o.MinFreeBytes, o.MaxSegmentBytes = fsys, w, 1_000_000, 1
	l := open(t, o)
	for _, id := range numbered("id", 6) {
		mustAppend(t, l, o, id)
	}
	closeLog(t, l)
	fsys.onFree(func() (uint64, error) {
		if len(segmentNames(t, o.Directory)) > 4 {
			return 999_999, nil
		}
		return 1 << 30, nil
	})
	o.Retention.MaxSegments = 3
	l = open(t, o)
	// And the one that the start began, which does not count.
	w.await(t, "pruning", func() bool { return w.segments == 4 })
	mustAppend(t, l, o, "after")
	closeLog(t, l)
	checkGood(t, o.Directory, o.Signer)
}

// After a failed fsync the file is never written again, and nothing that the
// failed call brought is in the log.
func TestFailedSync(t *testing.T) {
	o := options(t)
	fsys, w := faulty(t, o.Directory), newWatcher()
	o.FS, o.Observer = fsys, w
	l := open(t, o)
	mustAppend(t, l, o, "a")
	fsys.onSync(func() error { return syscall.EIO })
	for range 2 {
		_, err := appendIDs(t, l, o, "lost")
		wantReason(t, err, rotation.ReasonSyncFailed)
	}
	fsys.onSync(nil)
	mustAppend(t, l, o, "b")
	closeLog(t, l)
	got := read(t, o.Directory)
	sameIDs(t, got.ids, []string{"a", "b"})
	sameIDs(t, got.actions, []string{"opened", "rotated", "recovered", "resumed"})
	if n := len(segmentNames(t, o.Directory)); n != 2 {
		t.Errorf("%d segments, want 2", n)
	}
	sameIDs(t, w.health, []string{"fault", "healthy"})
	checkGood(t, o.Directory, o.Signer)
}

func TestFailureWhileRotating(t *testing.T) {
	for name, fault := range map[string]func(f *faultyFS){
		"create": func(f *faultyFS) { f.onCreate(func() error { return syscall.EMFILE }) },
		"write":  func(f *faultyFS) { f.onWrite(func(p []byte) (int, error) { return len(p) / 2, syscall.EIO }) },
		"sync":   func(f *faultyFS) { f.onSync(func() error { return syscall.EIO }) },
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			o.MaxSegmentBytes = 1
			fsys := faulty(t, o.Directory)
			o.FS = fsys
			l := open(t, o)
			mustAppend(t, l, o, "a")
			fault(fsys)
			for range 2 {
				if _, err := appendIDs(t, l, o, "lost"); err == nil {
					t.Fatal("no error")
				}
			}
			fsys.onCreate(nil)
			fsys.onWrite(nil)
			fsys.onSync(nil)
			mustAppend(t, l, o, "b")
			closeLog(t, l)
			got := read(t, o.Directory)
			sameIDs(t, got.ids, []string{"a", "b"})
			sameIDs(t, got.actions, []string{"opened", "rotated", "resumed"})
			checkGood(t, o.Directory, o.Signer)
		})
	}
}

// What others do to the active segment is noticed before the next
// acknowledgement, said in the log, and loses nothing that can be kept.
func TestInterference(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(path string) error
		lost bool
	}{
		{"removed", os.Remove, false},
		{"appended to", func(path string) error { return appendTo(path, "intruder\n") }, false},
		{"appended to without a line end", func(path string) error { return appendTo(path, "x") }, false},
		{"replaced by a copy", func(path string) error {
			b, err := os.ReadFile(path)
			return errors.Join(err, os.Remove(path), os.WriteFile(path, b, 0o600))
		}, false},
		{"replaced by a link", func(path string) error {
			return errors.Join(os.Remove(path), os.Symlink("/dev/null", path))
		}, false},
		{"renamed away", func(path string) error { return os.Rename(path, filepath.Join(filepath.Dir(path), "elsewhere")) }, false},
		{"truncated", func(path string) error { return os.Truncate(path, 100) }, true},
		{"emptied", func(path string) error { return os.Truncate(path, 0) }, true},
		{"written over by a line too long", func(path string) error {
			return errors.Join(os.Truncate(path, 0), os.Truncate(path, segline.MaxBytes+2))
		}, true},
		{"header of another log", func(path string) error {
			b, err := os.ReadFile(path)
			b = append(bytes.ReplaceAll(b, []byte(origin), []byte("xest.example/auditlog")), "x\n"...)
			return errors.Join(err, os.WriteFile(path, b, 0o600))
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := options(t)
			l := open(t, o)
			mustAppend(t, l, o, "a", "b")
			if err := tt.do(filepath.Join(o.Directory, segmentNames(t, o.Directory)[0])); err != nil {
				t.Fatal(err)
			}
			mustAppend(t, l, o, "c")
			mustAppend(t, l, o, "d")
			closeLog(t, l)
			if tt.lost {
				report := check(t, o.Directory, o.Signer)
				if !report.TamperingDetected {
					t.Error("the verifier found nothing")
				}
				return
			}
			got := read(t, o.Directory)
			sameIDs(t, got.ids, []string{"a", "b", "c", "d"})
			sameIDs(t, got.actions, []string{"opened", "rotated", "recovered"})
			checkGood(t, o.Directory, o.Signer)
			l = open(t, o)
			mustAppend(t, l, o, "e")
			closeLog(t, l)
			checkGood(t, o.Directory, o.Signer)
		})
	}
}

func appendTo(path, s string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(s)
	return errors.Join(err, f.Close())
}

func TestDirectoryGone(t *testing.T) {
	o := options(t)
	l := open(t, o)
	mustAppend(t, l, o, "a")
	away := o.Directory + "-away"
	if err := os.Rename(o.Directory, away); err != nil {
		t.Fatal(err)
	}
	_, err := appendIDs(t, l, o, "lost")
	wantReason(t, err, rotation.ReasonInterference)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if err := os.Mkdir(o.Directory, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = appendIDs(t, l, o, "lost")
	wantReason(t, err, rotation.ReasonInterference)
	if err := errors.Join(os.Remove(o.Directory), os.Rename(away, o.Directory)); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, o, "b")
	closeLog(t, l)
	sameIDs(t, read(t, o.Directory).ids, []string{"a", "b"})
	checkGood(t, o.Directory, o.Signer)
}

// That the directory cannot be looked at is not somebody's doing.
func TestDirectoryUnreadable(t *testing.T) {
	o := options(t)
	fsys := faulty(t, o.Directory)
	o.FS = fsys
	l := open(t, o)
	fsys.onEntry(func(op, _ string) error {
		if op == "present" {
			return syscall.EIO
		}
		return nil
	})
	_, err := appendIDs(t, l, o, "lost")
	wantReason(t, err, rotation.ReasonIO)
	fsys.onEntry(nil)
	mustAppend(t, l, o, "a")
	closeLog(t, l)
	sameIDs(t, read(t, o.Directory).ids, []string{"a"})
	checkGood(t, o.Directory, o.Signer)
}
