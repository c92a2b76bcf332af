// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"testing"

	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// What whoever has the key can do to a log that is there.

// header returns the header of the i-th segment.
func (w *written) header(t testing.TB, i int) segment.Header {
	t.Helper()
	h, err := segment.ParseHeader(bytes.TrimSuffix(w.lines(i)[0], []byte("\n")))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// context is what the signatures of the log's events cover besides them.
func (w *written) context(t testing.TB) *signing.EventContext {
	t.Helper()
	h := w.header(t, 0)
	return signing.NewEventContext(h.Origin, h.Log)
}

// signed returns an event line with the signature of a key.
func (w *written) signed(t testing.TB, canonical []byte, s *signing.Signer) []byte {
	t.Helper()
	return signedIn(t, w.context(t), canonical, s)
}

func signedIn(t testing.TB, c *signing.EventContext, canonical []byte, s *signing.Signer) []byte {
	t.Helper()
	signature, err := s.SignEvent(c, canonical)
	if err != nil {
		t.Fatal(err)
	}
	return segline.AppendSignature(append(segline.AppendEventStart(nil), canonical...), signature, s.Public().ID())
}

// tree returns the tree of the first so many lines of the i-th segment, the leaves before it
// included.
func (w *written) tree(t testing.TB, i, lines int) merkle.Frontier {
	t.Helper()
	h := w.header(t, i)
	tree, err := merkle.NewFrontier(h.FirstIndex, h.Frontier)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range w.lines(i)[:lines] {
		if segment.KindOf(line) != segline.KindCheckpoint {
			tree.Append(merkle.LeafHash(bytes.TrimSuffix(line, []byte("\n"))))
		}
	}
	return tree
}

// lastCommit returns the newest commit, or the zero one.
func (w *written) lastCommit(t testing.TB) (last segment.Commit) {
	t.Helper()
	for i := range w.names {
		for _, line := range w.lines(i) {
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

// extend adds lines to the newest segment, and a commit of them.
func (w *written) extend(t testing.TB, lines ...[]byte) {
	t.Helper()
	c := w.lastCommit(t)
	c.Number++
	w.commit(t, c, lines, w.signer)
}

// commit adds lines to the newest segment, and a commit of them as it is given.
func (w *written) commit(t testing.TB, c segment.Commit, lines [][]byte, signers ...*signing.Signer) {
	t.Helper()
	last := len(w.names) - 1
	all := append(append(w.lines(last), lines...), append(segline.AppendCommit(nil, c.Number, c.Time, c.IDs), '\n'))
	w.setLines(last, all)
	tree := w.tree(t, last, len(all))
	note, err := signing.SignCheckpoint(w.header(t, last).Origin, tree.Size(), tree.Root(), signers...)
	if err != nil {
		t.Fatal(err)
	}
	w.setLines(last, append(all, append(segline.AppendCheckpoint(nil, note), '\n')))
}

// keyChange returns the note that introduces a segment with that header, and its line in the
// file of key changes.
func keyChange(t testing.TB, h *segment.Header, from, to *signing.Signer, leaving ...*signing.Signer) (note []byte) {
	t.Helper()
	tree, err := merkle.NewFrontier(h.FirstIndex, h.Frontier)
	if err != nil {
		t.Fatal(err)
	}
	return changeOf(t, signing.KeyChange{
		Origin: h.Origin, Log: h.Log, Index: h.FirstIndex, Root: tree.Root(), Header: merkle.LeafHash((*h).AppendTo(nil)), Retain: h.Retain,
	}, from, to, leaving...)
}

func changeOf(t testing.TB, c signing.KeyChange, from, to *signing.Signer, leaving ...*signing.Signer) []byte {
	t.Helper()
	note, err := signing.SignKeyChange(c, from, to, leaving...)
	if err != nil {
		t.Fatal(err)
	}
	return note
}
