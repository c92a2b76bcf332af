// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package discover_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/discover"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
)

const (
	segmentName = logtest.ForgedName
	lock        = ".lock"
	keyChanges  = sidefile.KeyChangesName
	pruned      = sidefile.PrunedRangesName
	checkpoint  = sidefile.CheckpointName
)

// files are files of some types; their directories come of themselves.
func files(types map[string]fs.FileMode) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, mode := range types {
		fsys[name] = &fstest.MapFile{Mode: mode | 0o600}
	}
	return fsys
}

func plain(names ...string) fstest.MapFS {
	types := map[string]fs.FileMode{}
	for _, name := range names {
		types[name] = 0
	}
	return files(types)
}

// found is what Logs tells of a directory.
type found struct {
	dirs   []string
	passed []discover.Passed
}

func logs(t *testing.T, fsys fs.FS, p discover.Purpose) (f found) {
	t.Helper()
	dirs, err := discover.Logs(t.Context(), fsys, p, func(one discover.Passed) { f.passed = append(f.passed, one) })
	require.NoError(t, err)
	f.dirs = dirs
	return f
}

func passed(reason discover.Reason, paths ...string) (all []discover.Passed) {
	for _, p := range paths {
		all = append(all, discover.Passed{Path: p, Reason: reason})
	}
	return all
}

// A directory is one of a log by the names and the types of what it holds, whatever it is called
// and whatever lies around it; what may hide a log is passed over with the reason.
func TestLogs(t *testing.T) {
	torn := sidefile.TornName(7, [32]byte{1})
	tests := []struct {
		name string
		fsys fstest.MapFS
		want found
	}{
		{"nothing", fstest.MapFS{}, found{}},
		{"a segment", plain(segmentName), found{dirs: []string{"."}}},
		{"a compressed segment", plain("z/"+segmentName+".gz", "zst/"+segmentName+".zst"), found{dirs: []string{"z", "zst"}}},
		{"a tail that was set aside", plain(torn), found{dirs: []string{"."}}},
		{"the file checkpoint", plain(checkpoint), found{dirs: []string{"."}}},
		{"a directory that is named checkpoint", plain("checkpoint/x"), found{passed: passed(discover.NoLog, "checkpoint")}},
		{"a log within a log", plain(segmentName, "in/"+segmentName, "in/side/in/"+segmentName), found{dirs: []string{".", "in", "in/side/in"}}},
		{
			"a log in a directory with a segment's name", plain(segmentName + "/" + checkpoint),
			found{dirs: []string{".", segmentName}},
		},
		{
			"partitions", plain(lock, "a/"+segmentName, "b c/"+segmentName, ".hidden/"+checkpoint, "%2E%2E/"+checkpoint, "line\nfeed/"+checkpoint, "äöü/"+checkpoint),
			found{dirs: []string{"%2E%2E", ".hidden", "a", "b c", "line\nfeed", "äöü"}},
		},
		{"names that are nearly those of a log", plain("a.jsonl", "audit-1.jsonl", strings.ToUpper(segmentName), segmentName+".tmp", segmentName+".bz2", "x"+segmentName, checkpoint+".pem", "Checkpoint", torn+"~"), found{}},
		{"no log, far below", plain("a/b/c/notes.txt"), found{passed: passed(discover.NoLog, "a")}},
		{"no log in a log", plain("a/b/c/notes.txt", "a/"+segmentName), found{dirs: []string{"a"}, passed: passed(discover.NoLog, "a/b")}},
		{
			"a pipe, a socket and a device", files(map[string]fs.FileMode{"p": fs.ModeNamedPipe, "s": fs.ModeSocket, "d": fs.ModeDevice}),
			found{},
		},
		{"a pipe with a segment's name", files(map[string]fs.FileMode{segmentName: fs.ModeNamedPipe}), found{dirs: []string{"."}}},
		{
			"links", files(map[string]fs.FileMode{segmentName: 0, "a": fs.ModeSymlink, "b/c": fs.ModeSymlink}),
			found{dirs: []string{"."}, passed: append(passed(discover.Link, "a", "b/c"), passed(discover.NoLog, "b")...)},
		},
		{"a link with a segment's name", files(map[string]fs.FileMode{segmentName: fs.ModeSymlink}), found{dirs: []string{"."}}},
		{"a link with the name of the file checkpoint", files(map[string]fs.FileMode{"a/" + checkpoint: fs.ModeSymlink}), found{dirs: []string{"a"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, logs(t, test.fsys, discover.ToVerify), "to verify")
			assert.Equal(t, test.want, logs(t, test.fsys, discover.ToCopy), "to copy")
		})
	}
}

// What is left of a log makes one that is verified if there is no other below; what a copy would
// lack makes one that is copied, but a lock does not.
func TestLeftovers(t *testing.T) {
	tests := []struct {
		name         string
		fsys         fstest.MapFS
		verify, copy found
	}{
		{"key changes alone", plain(keyChanges), found{dirs: []string{"."}}, found{dirs: []string{"."}}},
		{"pruned ranges alone", plain("a/" + pruned), found{dirs: []string{"a"}}, found{dirs: []string{"a"}}},
		{"both around a log", plain(keyChanges, pruned, "a/"+segmentName), found{dirs: []string{"a"}}, found{dirs: []string{".", "a"}}},
		{"a link with the name of one", files(map[string]fs.FileMode{keyChanges: fs.ModeSymlink}), found{dirs: []string{"."}}, found{dirs: []string{"."}}},
		{"a directory with the name of one", plain(pruned + "/" + segmentName), found{dirs: []string{pruned}}, found{dirs: []string{pruned}}},
		{"a lock in the root", plain(lock), found{dirs: []string{"."}}, found{passed: passed(discover.LockAlone, ".")}},
		{"a lock around an empty directory", plain(lock, "a/notes.txt"), found{dirs: []string{"."}, passed: passed(discover.NoLog, "a")}, found{
			passed: append(passed(discover.LockAlone, "."), passed(discover.NoLog, "a")...),
		}},
		{"a lock around a log", plain(lock, "a/"+segmentName), found{dirs: []string{"a"}}, found{dirs: []string{"a"}}},
		{"a link with the name of a lock", files(map[string]fs.FileMode{segmentName: 0, lock: fs.ModeSymlink}), found{dirs: []string{"."}}, found{
			dirs: []string{"."}, passed: passed(discover.Link, lock),
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.verify, logs(t, test.fsys, discover.ToVerify), "to verify")
			assert.Equal(t, test.copy, logs(t, test.fsys, discover.ToCopy), "to copy")
		})
	}
}

// A log that the writer wrote is found, and links on a real file system are not followed: neither
// those that lead out nor those that lead back.
func TestLogsOnDisk(t *testing.T) {
	root, elsewhere := t.TempDir(), t.TempDir()
	for name, f := range logtest.NewForger(t).Dir() {
		for _, dir := range []string{filepath.Join(root, "a"), elsewhere} {
			require.NoError(t, os.MkdirAll(dir, 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), f.Data, 0o600))
		}
	}
	require.NoError(t, os.Symlink(elsewhere, filepath.Join(root, "out")))
	require.NoError(t, os.Symlink(root, filepath.Join(root, "a", "loop")))
	require.NoError(t, os.Symlink("nowhere", filepath.Join(root, "a", "dangling")))
	assert.Equal(t, found{
		dirs: []string{"a"}, passed: passed(discover.Link, "a/dangling", "a/loop", "out"),
	}, logs(t, os.DirFS(root), discover.ToVerify))
}

// The deepest directory that is looked into is MaxDepth deep; one below is passed over, and nothing
// is said of what lies above it, which may hold a log.
func TestDepth(t *testing.T) {
	deep := strings.Repeat("d/", discover.MaxDepth)
	for _, p := range []discover.Purpose{discover.ToVerify, discover.ToCopy} {
		assert.Equal(t, found{dirs: []string{strings.TrimSuffix(deep, "/")}}, logs(t, plain(deep+segmentName), p))
		assert.Equal(t, found{passed: passed(discover.TooDeep, deep+"d")}, logs(t, plain(deep+"d/"+segmentName, "d/"+lock), p))
	}
}

// locked is a file system in which some directories cannot be read.
type locked struct {
	fstest.MapFS
	dirs map[string]error
}

func (l locked) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := l.dirs[name]; err != nil {
		return nil, err
	}
	return l.MapFS.ReadDir(name)
}

// A directory that cannot be read is passed over with the reason, the others are looked into, and
// what lies around it is neither a leftover nor said to hold no log. A root that cannot be read is
// an error.
func TestUnreadable(t *testing.T) {
	denied := errors.New("permission denied")
	fsys := locked{plain("a/b/notes.txt", "a/"+lock, "c/"+segmentName), map[string]error{"a/b": denied}}
	for _, p := range []discover.Purpose{discover.ToVerify, discover.ToCopy} {
		assert.Equal(t, found{
			dirs: []string{"c"}, passed: []discover.Passed{{Path: "a/b", Reason: discover.Unreadable, Err: denied}},
		}, logs(t, fsys, p))
		fsys := locked{plain(segmentName), map[string]error{".": denied}}
		dirs, err := discover.Logs(t.Context(), fsys, p, func(one discover.Passed) { t.Errorf("passed %v", one) })
		assert.ErrorIs(t, err, denied)
		assert.Empty(t, dirs)
	}
}

// A search that is called off ends with the reason.
func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	fsys := files(map[string]fs.FileMode{"a": fs.ModeSymlink, "b/" + segmentName: 0})
	_, err := discover.Logs(ctx, fsys, discover.ToVerify, func(discover.Passed) { cancel() })
	assert.ErrorIs(t, err, context.Canceled)
}

// many is a directory of that many logs.
type many int

func (many) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
}

func (m many) ReadDir(name string) (entries []fs.DirEntry, _ error) {
	if name != "." {
		return []fs.DirEntry{entry{checkpoint, 0}}, nil
	}
	for i := range int(m) {
		entries = append(entries, entry{fmt.Sprintf("%06d", i), fs.ModeDir})
	}
	return entries, nil
}

type entry struct {
	name string
	mode fs.FileMode
}

func (e entry) Name() string             { return e.name }
func (e entry) IsDir() bool              { return e.mode.IsDir() }
func (e entry) Type() fs.FileMode        { return e.mode }
func (entry) Info() (fs.FileInfo, error) { return nil, errors.ErrUnsupported }

// MaxLogs logs are found, and one more is too many.
func TestTooMany(t *testing.T) {
	assert.Len(t, logs(t, many(discover.MaxLogs), discover.ToVerify).dirs, discover.MaxLogs)
	_, err := discover.Logs(t.Context(), many(discover.MaxLogs+1), discover.ToVerify, func(discover.Passed) {})
	assert.ErrorIs(t, err, discover.ErrTooMany)
}
