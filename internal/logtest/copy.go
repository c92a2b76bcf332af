// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logtest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// Copy is a log that the writer wrote, in memory, to be changed as the holder of its key can.
type Copy struct {
	Files    fstest.MapFS
	Signer   *signing.Signer
	Segments []string // names
}

// Write writes a log of scope event: commits says how many events each commit has. Each event takes
// a minute, and has an id that counts on: id-000, id-001, ….
func Write(t testing.TB, o rotation.Options, commits ...int) *Copy {
	t.Helper()
	if o.Directory == "" {
		o.Directory = filepath.Join(t.TempDir(), "log")
	}
	if o.Origin == "" {
		o.Origin = "test.example/auditlog"
	}
	if o.Signer == nil {
		o.Signer = signingtest.New(t, signing.ECDSAP256)
	}
	if o.Scope == "" {
		o.Scope = segline.ScopeEvent
	}
	// An event takes a minute, and is committed as it happens, with those before it.
	clock := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	var minutes atomic.Int64
	o.Now = func() time.Time { return clock.Add(time.Duration(max(0, minutes.Load()-1)) * time.Minute) }
	l, err := rotation.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	enc, err := mapping.NewEncoder(mapping.Default())
	if err != nil {
		t.Fatal(err)
	}
	enc.SetResource(pcommon.NewResource(), "")
	enc.SetScope(pcommon.NewInstrumentationScope(), "")
	n := 0
	for _, events := range commits {
		b := l.NewBatch()
		for range events {
			r := plog.NewLogRecord()
			r.SetTimestamp(pcommon.NewTimestampFromTime(clock.Add(time.Duration(n) * time.Minute)))
			r.Attributes().PutStr("audit.record.id", fmt.Sprintf("id-%03d", n))
			r.Attributes().PutStr("user.id", fmt.Sprintf("user-%03d", n))
			n++
			minutes.Store(int64(n))
			encode := func(dst []byte) ([]byte, uint64, error) {
				dst, info, err := enc.Append(dst, r)
				return dst, info.Time, err
			}
			if o.Scope == segline.ScopeCheckpoint {
				err = b.Add(encode, nil, "")
			} else {
				err = b.Add(encode, l.Sign(l.Signer()), l.Signer().Public().ID())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, err := l.Append(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	return LoadCopy(t, o.Directory, o.Signer)
}

// LoadCopy reads a directory into memory.
func LoadCopy(t testing.TB, dir string, s *signing.Signer) *Copy {
	t.Helper()
	w := &Copy{Files: fstest.MapFS{}, Signer: s}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		w.Files[e.Name()] = &fstest.MapFile{Data: b, Mode: 0o600}
		if _, err := segment.ParseName(e.Name()); err == nil {
			w.Segments = append(w.Segments, e.Name())
		}
	}
	return w
}

func (w *Copy) Clone() *Copy {
	c := &Copy{Files: fstest.MapFS{}, Signer: w.Signer, Segments: slices.Clone(w.Segments)}
	for name, f := range w.Files {
		c.Files[name] = &fstest.MapFile{Data: bytes.Clone(f.Data), Mode: f.Mode}
	}
	return c
}

// Lines returns the lines of the i-th segment, each with its LF.
func (w *Copy) Lines(i int) [][]byte {
	all := bytes.SplitAfter(w.Files[w.Segments[i]].Data, []byte("\n"))
	return all[:len(all)-1]
}

func (w *Copy) SetLines(i int, lines [][]byte) {
	w.Files[w.Segments[i]].Data = bytes.Join(lines, nil)
}

// LineOf returns the number of the line of the i-th segment that has this text.
func (w *Copy) LineOf(t testing.TB, i int, text string) int {
	t.Helper()
	for n, line := range w.Lines(i) {
		if bytes.Contains(line, []byte(text)) {
			return n + 1
		}
	}
	t.Fatalf("no line of %s contains %q", w.Segments[i], text)
	return 0
}

func FirstIndex(t testing.TB, w *Copy, i int) uint64 {
	t.Helper()
	n, err := segment.ParseName(w.Segments[i])
	require.NoError(t, err)
	return n.FirstIndex
}

// What whoever has the key can do to a log that is there.

// Header returns the header of the i-th segment.
func (w *Copy) Header(t testing.TB, i int) segment.Header {
	t.Helper()
	h, err := segment.ParseHeader(bytes.TrimSuffix(w.Lines(i)[0], []byte("\n")))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// SignedLine returns an event line with the signature of a key.
func (w *Copy) SignedLine(t testing.TB, canonical []byte, s *signing.Signer) []byte {
	t.Helper()
	h := w.Header(t, 0)
	return SignedLine(t, h.Origin, h.Log, canonical, s)
}

// Tree returns the tree of the first so many lines of the i-th segment, the leaves before it
// included.
func (w *Copy) Tree(t testing.TB, i, lines int) merkle.Frontier {
	t.Helper()
	h := w.Header(t, i)
	tree, err := merkle.NewFrontier(h.FirstIndex, h.Frontier)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range w.Lines(i)[:lines] {
		if segment.KindOf(line) != segline.KindCheckpoint {
			tree.Append(merkle.LeafHash(bytes.TrimSuffix(line, []byte("\n"))))
		}
	}
	return tree
}

// LastCommit returns the newest commit, or the zero one.
func (w *Copy) LastCommit(t testing.TB) (last segment.Commit) {
	t.Helper()
	for i := range w.Segments {
		for _, line := range w.Lines(i) {
			if segment.KindOf(line) != segline.KindCommit {
				continue
			}
			var err error
			if last, err = segment.ParseCommit(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
				t.Fatal(err)
			}
		}
	}
	return last
}

func (w *Copy) Checkpoint(t testing.TB) []byte {
	t.Helper()
	return w.Files[sidefile.CheckpointName].Data
}

// CheckpointNotes returns the log's checkpoints.
func CheckpointNotes(t testing.TB, w *Copy) (notes [][]byte) {
	t.Helper()
	for i := range w.Segments {
		for _, line := range w.Lines(i) {
			if segment.KindOf(line) == segline.KindCheckpoint {
				note, err := segment.ParseCheckpoint(bytes.TrimSuffix(line, []byte("\n")))
				if err != nil {
					t.Fatal(err)
				}
				notes = append(notes, note)
			}
		}
	}
	return notes
}

// Extend adds lines to the newest segment, and a commit of them.
func (w *Copy) Extend(t testing.TB, lines ...[]byte) {
	t.Helper()
	c := w.LastCommit(t)
	c.Number++
	w.Commit(t, c, lines, w.Signer)
}

// Commit adds lines to the newest segment, and a commit of them as it is given.
func (w *Copy) Commit(t testing.TB, c segment.Commit, lines [][]byte, signers ...*signing.Signer) {
	t.Helper()
	last := len(w.Segments) - 1
	all := append(append(w.Lines(last), lines...), append(segline.AppendCommit(nil, c.Number, c.Time, c.IDs), '\n'))
	w.SetLines(last, all)
	tree := w.Tree(t, last, len(all))
	note, err := signing.SignCheckpoint(w.Header(t, last).Origin, tree.Size(), tree.Root(), signers...)
	if err != nil {
		t.Fatal(err)
	}
	w.SetLines(last, append(all, append(segline.AppendCheckpoint(nil, note), '\n')))
}

// Begin begins a segment after what there is, and writes its first commit, signed by some
// keys: the first of the segment, others that the header names, and more, which it does not.
// note is the key change that introduces it, or nil.
func (w *Copy) Begin(t testing.TB, h segment.Header, note []byte, signers ...*signing.Signer) {
	t.Helper()
	w.Segments = append(w.Segments, segment.Name{FirstIndex: h.FirstIndex, Created: h.Created, Compression: compression.None}.String())
	w.Files[w.Segments[len(w.Segments)-1]] = &fstest.MapFile{Data: append(h.AppendTo(nil), '\n'), Mode: 0o600}
	var lines [][]byte
	if note != nil {
		quoted := string(jcs.AppendString(nil, string(note)))
		lines = append(lines, BareLine(OwnEvent("key_changed", `{"action":"key_changed","key_change":`+quoted+`}`)))
		file := w.Files[sidefile.KeyChangesName]
		if file == nil {
			file = &fstest.MapFile{Mode: 0o600}
			w.Files[sidefile.KeyChangesName] = file
		}
		file.Data = append(sidefile.AppendKeyChange(file.Data, note), '\n')
	}
	c := w.LastCommit(t)
	c.Number, c.Time = c.Number+1, h.Created
	w.Commit(t, c, lines, signers...)
}

// Next is the header of a segment that follows what there is, under some keys.
func (w *Copy) Next(t testing.TB, scope segline.Scope, keys ...*signing.Signer) segment.Header {
	t.Helper()
	last := len(w.Segments) - 1
	h, tree := w.Header(t, last), w.Tree(t, last, len(w.Lines(last)))
	h.FirstIndex, h.Frontier, h.Scope, h.Keys = tree.Size(), tree.Hashes(), scope, nil
	h.Created = w.LastCommit(t).Time.Add(time.Minute).Truncate(time.Second)
	for _, k := range keys {
		h.Keys = append(h.Keys, segline.KeyOf(k.Public()))
	}
	return h
}

// Cut leaves the first n segments, and takes away what the directory says of others.
func (w *Copy) Cut(n int) *Copy {
	c := w.Clone()
	for _, name := range c.Segments[n:] {
		delete(c.Files, name)
	}
	c.Segments = c.Segments[:n]
	for _, name := range []string{sidefile.CheckpointName, sidefile.KeyChangesName} {
		delete(c.Files, name)
	}
	return c
}

// Compress replaces a segment as the writer does.
func (w *Copy) Compress(t testing.TB, name string, c compression.Method) {
	t.Helper()
	var buf bytes.Buffer
	z, err := compression.NewWriter(&buf, c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(w.Files[name].Data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	w.Files[name+c.Suffix()] = &fstest.MapFile{Data: buf.Bytes(), Mode: 0o600}
	delete(w.Files, name)
}

// Size returns how many leaves the log's file checkpoint covers.
func (w *Copy) Size(t testing.TB) uint64 {
	t.Helper()
	c, err := signing.ParseCheckpoint(w.Checkpoint(t))
	if err != nil {
		t.Fatal(err)
	}
	return c.Size
}
