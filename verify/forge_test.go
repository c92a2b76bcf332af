// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"testing"

	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// What whoever has the key can do to a log that is there.

// header returns the header of the i-th segment.
func (w *Copy) Header(t testing.TB, i int) segment.Header {
	t.Helper()
	h, err := segment.ParseHeader(bytes.TrimSuffix(w.Lines(i)[0], []byte("\n")))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// context is what the signatures of the log's events cover besides them.
func (w *Copy) EventContext(t testing.TB) *signing.EventContext {
	t.Helper()
	h := w.Header(t, 0)
	return signing.NewEventContext(h.Origin, h.Log)
}

// signed returns an event line with the signature of a key.
func (w *Copy) SignedLine(t testing.TB, canonical []byte, s *signing.Signer) []byte {
	t.Helper()
	return SignedLine(t, w.EventContext(t), canonical, s)
}

func SignedLine(t testing.TB, c *signing.EventContext, canonical []byte, s *signing.Signer) []byte {
	t.Helper()
	signature, err := s.SignEvent(c, canonical)
	if err != nil {
		t.Fatal(err)
	}
	return segment.AppendSignature(append(segment.AppendEventStart(nil), canonical...), signature, s.Public().ID())
}

// tree returns the tree of the first so many lines of the i-th segment, the leaves before it
// included.
func (w *Copy) Tree(t testing.TB, i, lines int) merkle.Frontier {
	t.Helper()
	h := w.Header(t, i)
	tree, err := merkle.NewFrontier(h.FirstIndex, h.Frontier)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range w.Lines(i)[:lines] {
		if segment.KindOf(line) != segment.KindCheckpoint {
			tree.Append(merkle.LeafHash(bytes.TrimSuffix(line, []byte("\n"))))
		}
	}
	return tree
}

// lastCommit returns the newest commit, or the zero one.
func (w *Copy) LastCommit(t testing.TB) (last segment.Commit) {
	t.Helper()
	for i := range w.Segments {
		for _, line := range w.Lines(i) {
			if segment.KindOf(line) != segment.KindCommit {
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

// extend adds lines to the newest segment, and a commit of them.
func (w *Copy) Extend(t testing.TB, lines ...[]byte) {
	t.Helper()
	c := w.LastCommit(t)
	c.Number++
	w.Commit(t, c, lines, w.Signer)
}

// commit adds lines to the newest segment, and a commit of them as it is given.
func (w *Copy) Commit(t testing.TB, c segment.Commit, lines [][]byte, signers ...*signing.Signer) {
	t.Helper()
	last := len(w.Segments) - 1
	all := append(append(w.Lines(last), lines...), append(segment.AppendCommit(nil, c), '\n'))
	w.SetLines(last, all)
	tree := w.Tree(t, last, len(all))
	note, err := signing.SignCheckpoint(w.Header(t, last).Origin, tree.Size(), tree.Root(), signers...)
	if err != nil {
		t.Fatal(err)
	}
	w.SetLines(last, append(all, append(segment.AppendCheckpoint(nil, note), '\n')))
}

// keyChange returns the note that introduces a segment with that header, and its line in the
// file of key changes.
func KeyChange(t testing.TB, h *segment.Header, from, to *signing.Signer, leaving ...*signing.Signer) (note []byte) {
	t.Helper()
	tree, err := merkle.NewFrontier(h.FirstIndex, h.Frontier)
	if err != nil {
		t.Fatal(err)
	}
	return SignKeyChange(t, signing.KeyChange{
		Origin: h.Origin, Log: h.Log, Index: h.FirstIndex, Root: tree.Root(), Header: merkle.LeafHash(segment.AppendHeader(nil, *h)), Retain: h.Retain,
	}, from, to, leaving...)
}

func SignKeyChange(t testing.TB, c signing.KeyChange, from, to *signing.Signer, leaving ...*signing.Signer) []byte {
	t.Helper()
	note, err := signing.SignKeyChange(c, from, to, leaving...)
	if err != nil {
		t.Fatal(err)
	}
	return note
}
