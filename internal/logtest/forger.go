// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/consistency"
	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/ownevent"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// Forger writes a log with what it likes in it, as the holder of its key can.
type Forger struct {
	T      testing.TB
	Signer *signing.Signer
	// Previous signs the next checkpoint, too.
	Previous *signing.Signer
	Tree     merkle.Frontier
	Marks    []*consistency.Mark
	Head     segment.Header
	// Name and Text are those of the newest segment, Others the others and what else there is.
	Name   string
	Text   []byte
	Others fstest.MapFS
	events int
	// Number and At are those of the next commit; At is a second for each event if it is
	// zero.
	Number uint64
	At     time.Time
	IDs    []string // of the events since the last commit
	// KeyChanges are the notes about them, Newest is the last checkpoint.
	KeyChanges, Newest []byte
}

const ForgedName = "audit-00000000000000000000-20261123T100000Z.jsonl"

var ForgedAt = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func NewForger(t testing.TB, change ...func(*segment.Header)) *Forger {
	a := &Forger{T: t, Signer: signingtest.New(t, signing.Ed25519), Number: 1, Others: fstest.MapFS{}}
	a.Head = segment.Header{
		Origin: "test.example/auditlog", Log: signing.LogID{1}, Created: ForgedAt, Retain: ForgedAt,
		Scope: segline.ScopeCheckpoint, Keys: []segline.Key{segline.KeyOf(a.Signer.Public())},
	}
	for _, f := range change {
		f(&a.Head)
	}
	a.Begin()
	return a
}

// Begin writes the header.
func (a *Forger) Begin() {
	a.Name = segment.Name{FirstIndex: a.Head.FirstIndex, Created: a.Head.Created, Compression: compression.None}.String()
	a.Text = nil
	a.Line(a.Head.AppendTo(nil))
}

// Next begins another segment; its header is that of the one before, changed.
func (a *Forger) Next(change func(h *segment.Header)) {
	a.Others[a.Name] = &fstest.MapFile{Data: a.Text, Mode: 0o600}
	a.Head.FirstIndex, a.Head.Frontier, a.Head.Created, a.Head.Succeeds = a.Tree.Size(), a.Tree.Hashes(), a.Now(), nil
	a.Head.Keys = slices.Clone(a.Head.Keys)
	if change != nil {
		change(&a.Head)
	}
	a.Begin()
}

// Introduce adds the key change that introduces the newest segment.
func (a *Forger) Introduce(to *signing.Signer, leaving ...*signing.Signer) {
	a.T.Helper()
	a.IntroduceBy(KeyChange(a.T, &a.Head, a.Signer, to, leaving...))
	if to != a.Signer {
		a.Previous = a.Signer
	}
	a.Signer = to
}

func (a *Forger) IntroduceBy(note []byte) {
	a.T.Helper()
	a.KeyChanges = append(sidefile.AppendKeyChange(a.KeyChanges, note), '\n')
	a.Say(map[string]string{"action": "key_changed", "key_change": string(note)})
}

// ChangeKey begins a segment with another key.
func (a *Forger) ChangeKey(to *signing.Signer) {
	a.T.Helper()
	a.Next(func(h *segment.Header) { h.Keys[0] = segline.KeyOf(to.Public()) })
	a.Introduce(to)
}

func (a *Forger) Line(line []byte) {
	consistency.Append(&a.Tree, merkle.LeafHash(line), a.Marks)
	a.Text = append(append(a.Text, line...), '\n')
}

// Now is when what is said next happens.
func (a *Forger) Now() time.Time {
	if !a.At.IsZero() {
		return a.At
	}
	return ForgedAt.Add(time.Duration(a.events) * time.Second)
}

// Say appends an event of the log's own.
func (a *Forger) Say(detail any) {
	a.T.Helper()
	b, err := json.Marshal(detail)
	if err != nil {
		a.T.Fatal(err)
	}
	a.events++
	a.Add(ownevent.AppendOwn(nil, ownevent.Own{
		ID: fmt.Sprint("own-", a.events), Time: a.Now(),
		Origin: "test.example/auditlog", Level: event.LevelInfo, Category: event.CategorySystemHealth, Action: "said", Detail: b,
	}))
}

// Add appends an event.
func (a *Forger) Add(canonical []byte) {
	a.T.Helper()
	var sum eventjson.Summary
	if err := eventjson.Scan(canonical, &sum); err != nil {
		a.T.Fatal(err)
	}
	a.IDs = append(a.IDs, string(sum.ID))
	line := append(segline.AppendEventStart(nil), canonical...)
	if a.Head.Scope == segline.ScopeEvent {
		a.Line(SignedLine(a.T, a.Head.Origin, a.Head.Log, canonical, a.Signer))
		return
	}
	a.Line(segline.AppendNoSignature(line))
}

// Commit ends a commit, and returns its checkpoint with a mark at its tree.
func (a *Forger) Commit(change ...func(*segment.Commit)) (note []byte, mark *consistency.Mark) {
	a.T.Helper()
	c := segment.Commit{Number: a.Number, Time: a.Now()}
	if slices.Contains(a.Head.Features, segline.FeatureIDs) {
		var ids merkle.Frontier
		for _, id := range a.IDs {
			ids.Append(merkle.LeafHash([]byte(id)))
		}
		c.IDs = &segline.IDs{Count: ids.Size(), Root: ids.Root()}
	}
	for _, f := range change {
		f(&c)
	}
	a.Line(segline.AppendCommit(nil, c.Number, c.Time, c.IDs))
	return a.Checkpoint(c.Number)
}

// Checkpoint writes a checkpoint over a commit.
func (a *Forger) Checkpoint(number uint64) (note []byte, mark *consistency.Mark) {
	a.T.Helper()
	a.Number, a.IDs = number+1, nil
	signers := []*signing.Signer{a.Signer}
	if a.Previous != nil {
		signers = append(signers, a.Previous)
	}
	a.Previous = nil
	note, err := signing.SignCheckpoint(a.Head.Origin, a.Tree.Size(), a.Tree.Root(), signers...)
	if err != nil {
		a.T.Fatal(err)
	}
	a.Text = append(segline.AppendCheckpoint(a.Text, note), '\n')
	a.Newest = note
	mark = consistency.NewMark(&a.Tree)
	a.Marks = append(a.Marks, mark)
	return note, mark
}

// Dir returns the log's files.
func (a *Forger) Dir() fstest.MapFS {
	all := fstest.MapFS{a.Name: {Data: a.Text, Mode: 0o600}}
	if a.Newest != nil {
		all[sidefile.CheckpointName] = &fstest.MapFile{Data: a.Newest, Mode: 0o600}
	}
	for name, f := range a.Others {
		all[name] = f
	}
	if len(a.KeyChanges) > 0 {
		all[sidefile.KeyChangesName] = &fstest.MapFile{Data: a.KeyChanges, Mode: 0o600}
	}
	return all
}
