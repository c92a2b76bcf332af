// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/snapshot"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// closed is a log of several segments that nobody writes to.
func closed(t *testing.T) *log {
	t.Helper()
	l := newLog(t, rotation.Options{MaxSegmentBytes: 4000})
	for range 6 {
		require.NoError(t, l.grow(2))
	}
	l.Close()
	return l
}

func TestHostileDirectories(t *testing.T) {
	const planted, later = "audit-00000000000000000001-20261123T100000Z.jsonl", "audit-00000000000000099999-20261123T100000Z.jsonl"
	for name, c := range map[string]struct {
		do   func(dir string) error
		left string // what is said of it; "" if it is no part of the log
	}{
		"link":            {func(dir string) error { return os.Symlink("/etc/passwd", filepath.Join(dir, planted)) }, planted},
		"link to nowhere": {func(dir string) error { return os.Symlink("nowhere", filepath.Join(dir, planted)) }, planted},
		"endless device":  {func(dir string) error { return os.Symlink("/dev/zero", filepath.Join(dir, planted)) }, planted},
		"pipe":            {func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, planted), 0o600) }, planted},
		"newest, a pipe":  {func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, later), 0o600) }, later},
		"directory":       {func(dir string) error { return os.Mkdir(filepath.Join(dir, planted), 0o700) }, planted},
		"checkpoint, a link": {func(dir string) error {
			at := filepath.Join(dir, sidefile.CheckpointName)
			return errors.Join(os.Rename(at, at+".old"), os.Symlink("checkpoint.old", at))
		}, sidefile.CheckpointName},
		"checkpoint, without an end": {func(dir string) error {
			return os.Truncate(filepath.Join(dir, sidefile.CheckpointName), 1<<40)
		}, sidefile.CheckpointName},
		"key changes, a pipe": {func(dir string) error {
			at := filepath.Join(dir, sidefile.KeyChangesName)
			return errors.Join(os.Remove(at), syscall.Mkfifo(at, 0o600))
		}, sidefile.KeyChangesName},
		"pruned ranges, a link": {func(dir string) error { return os.Symlink("/dev/zero", filepath.Join(dir, sidefile.PrunedRangesName)) }, sidefile.PrunedRangesName},
		"others' files":         {func(dir string) error { return os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("x"), 0o600) }, ""},
		"temporary":             {func(dir string) error { return os.WriteFile(filepath.Join(dir, "checkpoint.tmp"), []byte("x"), 0o600) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := closed(t)
			require.NoError(t, c.do(l.Options.Directory))
			dest := filepath.Join(t.TempDir(), "copy")
			r, err := snapshot.Directory(t.Context(), l.Options.Directory, dest, snapshot.Options{Link: name == "link"})
			require.NoError(t, err)
			if got := strings.Join(r.Left, "\n"); c.left == "" && got != "" || !strings.Contains(got, c.left) {
				t.Errorf("left out: %q", got)
			}
			for _, e := range entries(t, dest) {
				if !e.Type().IsRegular() || e.Name() == planted || e.Name() == "notes.txt" || strings.HasSuffix(e.Name(), ".tmp") {
					t.Errorf("the copy has %s", e)
				}
			}
			if c.left == planted || c.left == later || c.left == "" {
				l.good(dest)
			}
		})
	}
}

// Whoever takes the newest segment away, and the checkpoint over it, leaves a copy that is good.
// That something was in its place is all there is to say, and is said.
func TestNewestSegmentThatCannotBeRead(t *testing.T) {
	l := closed(t)
	var newest string
	for _, e := range entries(t, l.Options.Directory) {
		if _, err := segment.ParseName(e.Name()); err == nil {
			newest = e.Name()
		}
	}
	at := filepath.Join(l.Options.Directory, newest)
	require.NoError(t, errors.Join(os.Rename(at, at+".old"), os.Symlink(newest+".old", at), os.Remove(filepath.Join(l.Options.Directory, sidefile.CheckpointName))))
	r, err := snapshot.Directory(t.Context(), l.Options.Directory, filepath.Join(t.TempDir(), "copy"), snapshot.Options{})
	if err != nil || len(r.Left) != 1 || !strings.Contains(r.Left[0], newest) {
		t.Errorf("left out %q: %v", r.Left, err)
	}
}

// unsynced is a log on a disk that takes nothing any more.
type unsynced struct{ fs.ReadLinkFS }

type unsyncedFile struct{ fs.File }

func (unsyncedFile) Sync() error { return syscall.EIO }

func (u unsynced) Open(name string) (fs.File, error) {
	f, err := u.ReadLinkFS.Open(name)
	if d, ok := f.(fs.ReadDirFile); err != nil || ok && name == "." {
		return d, err
	}
	return unsyncedFile{f}, nil
}

// Commits that cannot be synced are not in the copy, which is good without them.
func TestCommitsThatCannotBeSynced(t *testing.T) {
	l := closed(t)
	require.NoError(t, os.Remove(filepath.Join(l.Options.Directory, sidefile.CheckpointName)))
	r, err := snapshot.Tar(t.Context(), unsynced{os.DirFS(l.Options.Directory).(fs.ReadLinkFS)}, io.Discard, snapshot.Options{})
	if err != nil || len(r.Left) != 1 || !strings.Contains(r.Left[0], syscall.EIO.Error()) {
		t.Errorf("left out %q: %v", r.Left, err)
	}
}

// What is not in the copy of a tree, and was or may be a log, is said: its copy verifies.
func TestLogsOfATreeThatAreNotCopied(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(root, elsewhere string) error
		left string
	}{
		"nothing":         {func(string, string) error { return nil }, ""},
		"a foreign file":  {func(root, _ string) error { return os.WriteFile(filepath.Join(root, "notes"), nil, 0o600) }, ""},
		"a log elsewhere": {func(root, elsewhere string) error { return os.Symlink(elsewhere, filepath.Join(root, "b")) }, "b"},
		"a link below": {func(root, elsewhere string) error {
			return errors.Join(os.Mkdir(filepath.Join(root, "eu"), 0o700), os.Symlink(elsewhere, filepath.Join(root, "eu", "b")))
		}, "eu/b"},
		"a log whose files are gone": {func(root, _ string) error {
			return errors.Join(os.Mkdir(filepath.Join(root, "b"), 0o700), os.WriteFile(filepath.Join(root, "b", durable.LockName), nil, 0o600))
		}, "b"},
		"the lock of the logs below": {func(root, _ string) error { return os.WriteFile(filepath.Join(root, durable.LockName), nil, 0o600) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := closed(t)
			root := t.TempDir()
			require.NoError(t, errors.Join(os.CopyFS(filepath.Join(root, "a"), os.DirFS(l.Options.Directory)), c.do(root, l.Options.Directory)))
			r, err := snapshot.Directory(t.Context(), root, filepath.Join(t.TempDir(), "copy"), snapshot.Options{Recursive: true})
			require.NoError(t, err)
			if got := strings.Join(r.Left, "\n"); c.left == "" && got != "" || !strings.HasPrefix(got, c.left) {
				t.Errorf("left out: %q", got)
			}
			assert.Equal(t, 1, r.Logs, "logs")
		})
	}
}

func entries(t *testing.T, dir string) []fs.DirEntry {
	t.Helper()
	all, err := os.ReadDir(dir)
	require.NoError(t, err)
	return all
}

// A sparse file costs an intruder nothing, and would fill the disk of whoever copies it.
func TestFileThatTheDiskCannotHold(t *testing.T) {
	l := closed(t)
	oldest := filepath.Join(l.Options.Directory, entries(t, l.Options.Directory)[1].Name())
	if err := os.Truncate(oldest, 1<<43); err != nil {
		t.Skip(err)
	}
	parent := t.TempDir()
	_, err := snapshot.Directory(t.Context(), l.Options.Directory, filepath.Join(parent, "copy"), snapshot.Options{})
	assert.ErrorContains(t, err, filepath.Base(oldest))
	assert.Empty(t, entries(t, parent), "it left")
}

// A copy that is interrupted is not there.
func TestInterruptedCopy(t *testing.T) {
	l := closed(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	parent := t.TempDir()
	_, err := snapshot.Directory(ctx, l.Options.Directory, filepath.Join(parent, "copy"), snapshot.Options{})
	assert.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, entries(t, parent), "it left")
	var out bytes.Buffer
	_, err = snapshot.Tar(t.Context(), os.DirFS(l.Options.Directory), &failing{&out, 3000}, snapshot.Options{})
	assert.Error(t, err, "an archive that could not be written is one")
}

// failing takes so many bytes.
type failing struct {
	*bytes.Buffer
	left int
}

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errors.New("no room")
	}
	return f.Buffer.Write(p)
}

// Copies are as closed to others as the log is, and no writer but their owner has them.
func TestModes(t *testing.T) {
	l := closed(t)
	for name, mode := range map[string]fs.FileMode{sidefile.CheckpointName: 0o640, sidefile.KeyChangesName: 0o666} {
		require.NoError(t, os.Chmod(filepath.Join(l.Options.Directory, name), mode))
	}
	dest := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, os.Mkdir(dest, 0o755))
	_, err := snapshot.Directory(t.Context(), l.Options.Directory, dest, snapshot.Options{})
	require.NoError(t, err)
	info, err := os.Stat(dest)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	for _, e := range entries(t, dest) {
		info, err := e.Info()
		require.NoError(t, err)
		want := fs.FileMode(0o600)
		switch e.Name() {
		case sidefile.CheckpointName:
			want = 0o640
		case sidefile.KeyChangesName:
			want = 0o644
		}
		assert.Equal(t, want, info.Mode(), e.Name())
	}
}

// A log whose last commit no writer has called durable, because it was killed, is copied to
// its end all the same.
func TestCopyOfALogWhoseWriterWasKilled(t *testing.T) {
	l := closed(t)
	want := l.good(l.Options.Directory).TreeSize
	require.NoError(t, os.Remove(filepath.Join(l.Options.Directory, sidefile.CheckpointName)))
	newest := entries(t, l.Options.Directory)
	for _, e := range newest {
		if strings.HasPrefix(e.Name(), "audit-") {
			newest[0] = e
		}
	}
	f, err := os.OpenFile(filepath.Join(l.Options.Directory, newest[0].Name()), os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	_, err = f.WriteString(`{"event":{"event_id":"torn`)
	require.NoError(t, err)
	f.Close()
	dest := filepath.Join(t.TempDir(), "copy")
	_, err = snapshot.Directory(t.Context(), l.Options.Directory, dest, snapshot.Options{})
	require.NoError(t, err)
	assert.Equal(t, want, l.good(dest).TreeSize)
}
