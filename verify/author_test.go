// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// author writes a log with what it likes in it, as whoever has the key can.
type author struct {
	t      testing.TB
	signer *signing.Signer
	// previous signs the next checkpoint, too.
	previous *signing.Signer
	tree     merkle.Frontier
	marks    []*merkle.Mark
	head     segment.Header
	// name and text are those of the newest segment, files the others and what else there is.
	name   string
	text   []byte
	files  fstest.MapFS
	events int
	// number and at are those of the next commit; at is a second for each event if it is
	// zero.
	number uint64
	at     time.Time
	ids    []string // of the events since the last commit
	// notes are the key changes, newest the last checkpoint.
	notes, newest []byte
}

const forgedName = "audit-00000000000000000000-20261123T100000Z.jsonl"

var forgedAt = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func newAuthor(t testing.TB, change ...func(*segment.Header)) *author {
	a := &author{t: t, signer: signingtest.New(t, signing.Ed25519), number: 1, files: fstest.MapFS{}}
	a.head = segment.Header{
		Origin: "test.example/auditlog", Log: signing.LogID{1}, Created: forgedAt, Retain: forgedAt,
		Scope: segline.ScopeCheckpoint, Keys: []segline.Key{segline.KeyOf(a.signer.Public())},
	}
	for _, f := range change {
		f(&a.head)
	}
	a.begin()
	return a
}

// begin writes the header.
func (a *author) begin() {
	a.name = segment.Name{FirstIndex: a.head.FirstIndex, Created: a.head.Created, Compression: compression.None}.String()
	a.text = nil
	a.line(a.head.AppendTo(nil))
}

// next begins another segment; its header is that of the one before, changed.
func (a *author) next(change func(h *segment.Header)) {
	a.files[a.name] = &fstest.MapFile{Data: a.text, Mode: 0o600}
	a.head.FirstIndex, a.head.Frontier, a.head.Created, a.head.Succeeds = a.tree.Size(), a.tree.Hashes(), a.now(), nil
	a.head.Keys = slices.Clone(a.head.Keys)
	if change != nil {
		change(&a.head)
	}
	a.begin()
}

// introduce adds the key change that introduces the newest segment.
func (a *author) introduce(to *signing.Signer, leaving ...*signing.Signer) {
	a.t.Helper()
	a.introduceBy(keyChange(a.t, &a.head, a.signer, to, leaving...))
	if to != a.signer {
		a.previous = a.signer
	}
	a.signer = to
}

func (a *author) introduceBy(note []byte) {
	a.t.Helper()
	a.notes = append(sidefile.AppendKeyChange(a.notes, note), '\n')
	a.say(map[string]string{"action": "key_changed", "key_change": string(note)})
}

// goOverTo begins a segment with another key.
func (a *author) goOverTo(to *signing.Signer) {
	a.t.Helper()
	a.next(func(h *segment.Header) { h.Keys[0] = segline.KeyOf(to.Public()) })
	a.introduce(to)
}

func (a *author) line(line []byte) {
	a.tree.AppendMarked(merkle.LeafHash(line), a.marks)
	a.text = append(append(a.text, line...), '\n')
}

// now is when what is said next happens.
func (a *author) now() time.Time {
	if !a.at.IsZero() {
		return a.at
	}
	return forgedAt.Add(time.Duration(a.events) * time.Second)
}

// say appends an event of the log's own.
func (a *author) say(detail any) {
	a.t.Helper()
	b, err := json.Marshal(detail)
	if err != nil {
		a.t.Fatal(err)
	}
	a.events++
	a.add(event.AppendOwn(nil, event.Own{
		ID: fmt.Sprint("own-", a.events), Time: a.now(),
		Origin: "test.example/auditlog", Level: event.LevelInfo, Category: event.CategorySystemHealth, Action: "said", Detail: b,
	}))
}

// add appends an event.
func (a *author) add(canonical []byte) {
	a.t.Helper()
	var sum event.Summary
	if err := event.Scan(canonical, &sum); err != nil {
		a.t.Fatal(err)
	}
	a.ids = append(a.ids, string(sum.ID))
	line := append(segline.AppendEventStart(nil), canonical...)
	if a.head.Scope == segline.ScopeEvent {
		a.line(signedIn(a.t, signing.NewEventContext(a.head.Origin, a.head.Log), canonical, a.signer))
		return
	}
	a.line(segline.AppendNoSignature(line))
}

// commit ends a commit, and returns its checkpoint with a mark at its tree.
func (a *author) commit(change ...func(*segment.Commit)) (note []byte, mark *merkle.Mark) {
	a.t.Helper()
	c := segment.Commit{Number: a.number, Time: a.now()}
	if slices.Contains(a.head.Features, segline.FeatureIDs) {
		var ids merkle.Frontier
		for _, id := range a.ids {
			ids.Append(merkle.LeafHash([]byte(id)))
		}
		c.IDs = &segline.IDs{Count: ids.Size(), Root: ids.Root()}
	}
	for _, f := range change {
		f(&c)
	}
	a.line(segline.AppendCommit(nil, c.Number, c.Time, c.IDs))
	return a.checkpoint(c.Number)
}

// checkpoint writes a checkpoint over a commit.
func (a *author) checkpoint(number uint64) (note []byte, mark *merkle.Mark) {
	a.t.Helper()
	a.number, a.ids = number+1, nil
	signers := []*signing.Signer{a.signer}
	if a.previous != nil {
		signers = append(signers, a.previous)
	}
	a.previous = nil
	note, err := signing.SignCheckpoint(a.head.Origin, a.tree.Size(), a.tree.Root(), signers...)
	if err != nil {
		a.t.Fatal(err)
	}
	a.text = append(segline.AppendCheckpoint(a.text, note), '\n')
	a.newest = note
	mark = merkle.NewMark(&a.tree)
	a.marks = append(a.marks, mark)
	return note, mark
}

// dir returns the log's files.
func (a *author) dir() fstest.MapFS {
	all := fstest.MapFS{a.name: {Data: a.text, Mode: 0o600}}
	if a.newest != nil {
		all[sidefile.CheckpointName] = &fstest.MapFile{Data: a.newest, Mode: 0o600}
	}
	for name, f := range a.files {
		all[name] = f
	}
	if len(a.notes) > 0 {
		all[sidefile.KeyChangesName] = &fstest.MapFile{Data: a.notes, Mode: 0o600}
	}
	return all
}

func (a *author) check(o verify.Options) *verify.Report {
	a.t.Helper()
	if o.Keys == nil {
		o.Keys = public(a.signer)
	}
	return check(a.t, a.dir(), o)
}
