// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logdir_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"io/fs"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/ownevent"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const origin = "logdir.example/auditlog"

var (
	logID   = signing.LogID{1, 2, 3}
	created = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
)

// signer returns one of several signers, each the same in every run.
func signer(t require.TestingT, n byte) *signing.Signer {
	s, err := signing.NewSigner(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize)), nil)
	require.NoError(t, err)
	return s
}

// made is a log that is put together line by line: the same bytes in every run.
type made struct {
	t      require.TestingT
	signer *signing.Signer
	files  fstest.MapFS
	names  []segment.Name
	tree   merkle.Frontier
	// commits are their checkpoints, in order.
	commits []signing.Checkpoint
	events  int
	lines   bytes.Buffer // of the segment at hand
	// all are all lines, checkpoints included, that a checkpoint covers; open those after it.
	all, open [][]byte
}

func newLog(t require.TestingT) *made {
	l := &made{t: t, signer: signer(t, 7), files: fstest.MapFS{}}
	l.rotate()
	return l
}

// rotate begins a segment.
func (l *made) rotate() {
	h := segment.Header{
		Origin: origin, Log: logID, FirstIndex: l.tree.Size(), Frontier: l.tree.Hashes(), Retain: created,
		Created: created.Add(time.Duration(len(l.names)) * time.Hour), Scope: segline.ScopeCheckpoint,
		Keys: []segline.Key{segline.KeyOf(l.signer.Public())},
	}
	l.names = append(l.names, segment.Name{FirstIndex: h.FirstIndex, Created: h.Created, Compression: compression.None})
	l.lines = bytes.Buffer{} // the files share its bytes
	l.leaf(h.AppendTo(nil))
}

// line adds a line that is no leaf.
func (l *made) line(line []byte) {
	l.open = append(l.open, bytes.Clone(line))
	l.lines.Write(line)
	l.lines.WriteByte('\n')
	l.files[l.newest()] = &fstest.MapFile{Data: l.lines.Bytes(), Mode: 0o600}
}

func (l *made) leaf(line []byte) {
	l.tree.Append(merkle.LeafHash(line))
	l.line(line)
}

func (l *made) newest() string { return l.names[len(l.names)-1].String() }

// event adds an event of the log's own.
func (l *made) event(action string) {
	l.events++
	canonical := ownevent.AppendOwn(nil, ownevent.Own{
		ID: fmt.Sprint("own-", l.events), Time: created, Origin: origin, Level: event.LevelInfo, Action: action, Detail: fmt.Appendf(nil, `{"action":%q}`, action),
	})
	l.leaf(segline.AppendNoSignature(append(segline.AppendEventStart(nil), canonical...)))
}

// commit adds so many events, a commit line and a checkpoint, and returns that.
func (l *made) commit(events int) signing.Checkpoint {
	for range events {
		l.event("noted")
	}
	l.leaf(segline.AppendCommit(nil, uint64(len(l.commits))+1, created, nil))
	note, err := signing.SignCheckpoint(origin, l.tree.Size(), l.tree.Root(), l.signer)
	require.NoError(l.t, err)
	l.line(segline.AppendCheckpoint(nil, note))
	l.all, l.open = append(l.all, l.open...), nil
	c, err := signing.ParseCheckpoint(note)
	require.NoError(l.t, err)
	l.commits = append(l.commits, c)
	return c
}

// leaves returns those lines that a checkpoint covers and that are leaves.
func (l *made) leaves() (leaves [][]byte) {
	for _, line := range l.all {
		if segment.KindOf(line) != segline.KindCheckpoint {
			leaves = append(leaves, line)
		}
	}
	return leaves
}

// file puts a checkpoint into the file checkpoint.
func (l *made) file(c signing.Checkpoint) {
	l.files[sidefile.CheckpointName] = &fstest.MapFile{Data: c.Note, Mode: 0o600}
}

// compressed returns content in the form of the format.
func compressed(t require.TestingT, content []byte, c compression.Method) []byte {
	var b bytes.Buffer
	z, err := compression.NewWriter(&b, c)
	if err == nil {
		_, err = z.Write(content)
	}
	if err == nil {
		err = z.Close()
	}
	require.NoError(t, err)
	return b.Bytes()
}

// compress replaces the n-th segment by its compressed form, as the writer does.
func (l *made) compress(n int, c compression.Method) {
	plain := l.names[n].String()
	if f := l.files[plain]; f != nil {
		l.files[plain+c.Suffix()] = &fstest.MapFile{Data: compressed(l.t, f.Data, c), Mode: 0o600}
		delete(l.files, plain)
	}
}

// prune deletes the n-th segment.
func (l *made) prune(n int) {
	for _, c := range []compression.Method{compression.None, compression.Zstd, compression.Gzip} {
		delete(l.files, l.names[n].String()+c.Suffix())
	}
}

// segments lists the segments.
func (l *made) segments() []logdir.Segment {
	all, err := logdir.Segments(l.files)
	require.NoError(l.t, err)
	return all
}

// changing is a directory that changes while it is being read.
type changing struct {
	fstest.MapFS
	// before is called before a file or, as ".", the directory is looked at.
	before func(name string)
}

func (c changing) Lstat(name string) (fs.FileInfo, error) {
	c.before(name)
	return c.MapFS.Lstat(name)
}

func (c changing) ReadDir(name string) ([]fs.DirEntry, error) {
	c.before(name)
	return c.MapFS.ReadDir(name)
}

// linesIn returns the lines of the log, each of which has to be read without an error.
func linesIn(t require.TestingT, fsys fs.FS, o logdir.LinesOptions) (lines [][]byte) {
	for line, err := range logdir.Lines(context.Background(), fsys, o) {
		require.NoError(t, err)
		lines = append(lines, bytes.Clone(line.Bytes))
	}
	return lines
}
