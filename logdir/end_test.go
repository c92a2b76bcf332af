// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logdir_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// What is durable is what the next commit, the next segment or the file checkpoint says so of.
func TestDurable(t *testing.T) {
	none := -1
	tests := []struct {
		name            string
		log             func(l *made)
		durable, newest int // the number of the commit
		is              error
	}{
		{"nothing committed", func(l *made) {}, none, none, logdir.ErrNoCheckpoint},
		{"one commit", func(l *made) { l.commit(1) }, none, 0, logdir.ErrNoCheckpoint},
		{"one commit that is filed", func(l *made) { l.file(l.commit(1)) }, 0, 0, nil},
		{"two commits", func(l *made) { l.commit(1); l.commit(1) }, 0, 1, nil},
		{"two commits, the first filed", func(l *made) { l.file(l.commit(1)); l.commit(1) }, 0, 1, nil},
		{"two commits, the second filed", func(l *made) { l.commit(1); l.file(l.commit(1)) }, 1, 1, nil},
		{"two commits, and what is torn", func(l *made) { l.commit(1); l.commit(1); l.event("torn") }, 0, 1, nil},
		{"two commits, and what is no line", func(l *made) {
			l.commit(1)
			l.commit(1)
			l.line(make([]byte, segline.MaxBytes+1))
		}, none, none, segline.ErrTooLong},
		{"the next segment is begun", func(l *made) { l.commit(1); l.commit(1); l.rotate() }, 1, 1, nil},
		{"the next segment is empty", func(l *made) { l.commit(1); l.commit(1); l.rotate(); l.files[l.newest()].Data = nil }, 0, 1, nil},
		{"the next segment has a commit", func(l *made) { l.commit(1); l.rotate(); l.commit(1) }, 0, 1, nil},
		{"the next segment has one that is filed", func(l *made) { l.commit(1); l.rotate(); l.file(l.commit(1)) }, 1, 1, nil},
		{"the next segment is a link", func(l *made) { l.commit(1); l.commit(1); l.rotate(); l.files[l.newest()].Mode = fs.ModeSymlink }, none, none, rootfs.ErrNotRegular},
		{"sealed, and cut off", func(l *made) {
			l.commit(1)
			l.compress(0, compression.Gzip)
			f := l.files[l.newest()+".gz"]
			f.Data = f.Data[:len(f.Data)-9]
		}, none, none, compression.ErrDamaged},
		{"the next segment is in another place", func(l *made) {
			l.commit(1)
			first := l.tree
			l.commit(1)
			l.tree = first // a sync has failed, and another segment was begun instead
			l.rotate()
			l.commit(1)
		}, 0, 2, nil},
		{"sealed", func(l *made) { l.commit(1); l.commit(1); l.compress(0, compression.Zstd) }, 1, 1, nil},
		{"sealed, with one after it", func(l *made) { l.commit(1); l.compress(0, compression.Gzip); l.rotate(); l.commit(1) }, 0, 1, nil},
		{"sealed, with one begun", func(l *made) { l.commit(1); l.compress(0, compression.Gzip); l.rotate() }, 0, 0, nil},
		{"both forms", func(l *made) {
			l.commit(1)
			plain := l.files[l.newest()]
			l.compress(0, compression.Gzip)
			l.files[l.newest()] = plain
			l.rotate()
			l.commit(1)
		}, 0, 1, nil},
		{"the file holds something else", func(l *made) { l.commit(1); l.commit(1); l.file(signing.Checkpoint{Note: []byte("x")}) }, 0, 1, nil},
		{"the file is a link", func(l *made) {
			l.file(l.commit(1))
			l.files[sidefile.CheckpointName].Mode = fs.ModeSymlink
		}, none, 0, logdir.ErrNoCheckpoint},
		{"the file is of another log", func(l *made) {
			c := l.commit(1)
			c.Note, _ = signing.SignCheckpoint("other", c.Size, c.Root, l.signer)
			l.file(c)
		}, none, 0, logdir.ErrNoCheckpoint},
		{"what is no checkpoint", func(l *made) { l.commit(1); l.line([]byte(`{"checkpoint":"x"}`)) }, none, 0, logdir.ErrNoCheckpoint},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLog(t)
			test.log(l)
			check := func(what string, note []byte, err error, want int, is error) {
				t.Helper()
				if want == none {
					assert.ErrorIs(t, err, is, what)
					assert.Nil(t, note, what)
				} else if err != nil || !bytes.Equal(note, l.commits[want].Note) {
					t.Errorf("%s: %q, %v, not %q", what, note, err, l.commits[want].Note)
				}
			}
			note, err := logdir.DurableCheckpoint(t.Context(), l.files)
			check("durable", note, err, test.durable, test.is)
			note, err = logdir.NewestCheckpoint(t.Context(), l.files)
			check("newest", note, err, test.newest, test.is)
		})
	}
	for _, find := range []func(fs.FS) ([]byte, error){
		func(fsys fs.FS) ([]byte, error) { return logdir.DurableCheckpoint(t.Context(), fsys) },
		func(fsys fs.FS) ([]byte, error) { return logdir.NewestCheckpoint(t.Context(), fsys) },
	} {
		note, err := find(fstest.MapFS{})
		assert.ErrorIs(t, err, logdir.ErrNoLog, note)
	}
}

// The file checkpoint bears the cosignatures.
func TestDurableIsCosigned(t *testing.T) {
	l := newLog(t)
	c := l.commit(1)
	cosigned, err := signing.SignCheckpoint(origin, c.Size, c.Root, l.signer, signer(t, 8))
	require.NoError(t, err)
	l.files[sidefile.CheckpointName] = &fstest.MapFile{Data: cosigned}
	for _, then := range []func(){func() {}, func() { l.commit(0) }, func() { l.prune(0); l.rotate() }} {
		then()
		if l.files[l.names[0].String()] == nil {
			break
		}
		note, err := logdir.DurableCheckpoint(t.Context(), l.files)
		assert.NoError(t, err)
		assert.Equal(t, cosigned, note)
	}
}

// The log is compressed and pruned while its end is looked for.
func TestTheEndOfALogThatChanges(t *testing.T) {
	l := newLog(t)
	l.commit(1)
	l.commit(1)
	l.rotate()
	l.event("begun")
	fsys := changing{l.files, func(name string) {
		if name == l.names[0].String() {
			l.compress(0, compression.Zstd)
		}
	}}
	if note, err := logdir.DurableCheckpoint(t.Context(), fsys); err != nil || !bytes.Equal(note, l.commits[1].Note) {
		t.Errorf("%q, %v", note, err)
	}
	l = newLog(t)
	l.commit(1)
	pruned := false
	fsys = changing{l.files, func(name string) {
		if name == l.names[0].String() && !pruned {
			pruned = true
			l.rotate()
			l.commit(1)
			l.commit(1)
			l.prune(0)
		}
	}}
	if note, err := logdir.DurableCheckpoint(t.Context(), fsys); err != nil || !bytes.Equal(note, l.commits[1].Note) {
		t.Errorf("%q, %v", note, err)
	}
}

// forwardOnly is a directory whose files cannot be read from their end.
type forwardOnly struct{ fstest.MapFS }

func (f forwardOnly) Open(name string) (fs.File, error) {
	file, err := f.MapFS.Open(name)
	return struct{ fs.File }{file}, err
}

// A segment that is read from its end gives the same answer as one that is read from its beginning,
// whatever somebody has written between its lines.
func TestTheEndIsTheSameFromBothEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLog(t)
		other := newLog(t) // the same log, which then goes on in another way
		t.Repeat(map[string]func(*rapid.T){
			"commit": func(t *rapid.T) { l.commit(rapid.IntRange(0, 3).Draw(t, "events")) },
			"file":   func(*rapid.T) { l.file(l.commit(1)) },
			"rotate": func(*rapid.T) { l.rotate() },
			"event":  func(*rapid.T) { l.event("torn") },
			"go back": func(*rapid.T) {
				other.commit(2)
				l.line(segline.AppendCheckpoint(nil, other.commits[len(other.commits)-1].Note))
			},
			"say again": func(t *rapid.T) {
				if len(l.all) > 0 {
					l.line(rapid.SampledFrom(l.all).Draw(t, "line"))
				}
			},
			"no checkpoint": func(*rapid.T) { l.line([]byte(`{"checkpoint":"x"}`)) },
			"empty tree": func(t *rapid.T) {
				note, err := signing.SignCheckpoint(origin, 0, new(merkle.Frontier).Root(), l.signer)
				require.NoError(t, err)
				l.line(segline.AppendCheckpoint(nil, note))
			},
			"cut off": func(t *rapid.T) {
				f := l.files[l.newest()]
				f.Data = f.Data[:rapid.IntRange(0, len(f.Data)).Draw(t, "bytes")]
			},
			"": func(t *rapid.T) {
				for _, find := range []func(fs.FS) ([]byte, error){
					func(fsys fs.FS) ([]byte, error) { return logdir.DurableCheckpoint(context.Background(), fsys) },
					func(fsys fs.FS) ([]byte, error) { return logdir.NewestCheckpoint(context.Background(), fsys) },
				} {
					got, err := find(l.files)
					want, wantErr := find(forwardOnly{l.files})
					require.Equal(t, want, got)
					require.Equal(t, fmt.Sprint(wantErr), fmt.Sprint(err))
				}
			},
		})
	})
}

// The end of a long segment is found in few bytes of it, which its last two commits are.
func TestTheEndOfALongSegmentIsReadFromItsEnd(t *testing.T) {
	l := newLog(t)
	for range 50 {
		l.commit(500)
	}
	read := new(int64)
	note, err := logdir.DurableCheckpoint(t.Context(), measured{l.files, read})
	if err != nil || !bytes.Equal(note, l.commits[48].Note) {
		t.Errorf("%q, %v", note, err)
	}
	if size := int64(len(l.files[l.newest()].Data)); *read > size/5 {
		t.Errorf("%d of %d bytes were read", *read, size)
	}
}

// measured is a directory that counts what is read of its files.
type measured struct {
	fstest.MapFS
	read *int64
}

func (m measured) Open(name string) (fs.File, error) {
	f, err := m.MapFS.Open(name)
	return measuredFile{f, m.read}, err
}

type measuredFile struct {
	fs.File
	read *int64
}

func (f measuredFile) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	*f.read += int64(n)
	return n, err
}

func (f measuredFile) ReadAt(p []byte, at int64) (int, error) {
	n, err := f.File.(io.ReaderAt).ReadAt(p, at)
	*f.read += int64(n)
	return n, err
}
