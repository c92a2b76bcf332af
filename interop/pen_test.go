// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
	"github.com/otel-auditlog/auditlogexporter/internal/ownevent"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// pen writes a log line by line, as only somebody can who has its keys, and writes what no
// writer does.
type pen struct {
	t       *testing.T
	files   files
	origin  string
	id      signing.LogID
	now     time.Time
	tree    merkle.Frontier
	number  uint64
	name    string
	header  segment.Header
	events  [][]byte // ids of the present commit
	leaf    merkle.Hash
	signers []*signing.Signer // of the segment's keys, in order
	// previous signs the next checkpoint, too.
	previous *signing.Signer
	scribe   int
}

// pens is how many there have been: each writes a log of its own.
var pens int

func newPen(t *testing.T, signers ...*signing.Signer) *pen {
	pens++
	return &pen{
		t: t, files: files{}, origin: vectorOrigin, id: sha256.Sum256(fmt.Append(nil, "a log written by hand, ", pens)), signers: signers,
		now: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC),
	}
}

func (p *pen) tick() time.Time {
	p.now = p.now.Add(time.Minute)
	return p.now
}

// begin begins a segment with the pen's signers; change makes its header another one.
func (p *pen) begin(change func(h *segment.Header)) {
	p.t.Helper()
	at := p.tick()
	h := segment.Header{
		Origin: p.origin, Log: p.id, FirstIndex: p.tree.Size(), Frontier: p.tree.Hashes(), Created: at, Scope: segline.ScopeCheckpoint, Retain: time.Unix(0, 0),
	}
	for _, s := range p.signers {
		h.Keys = append(h.Keys, segline.KeyOf(s.Public()))
	}
	if change != nil {
		change(&h)
	}
	p.beginWith(h, string(h.AppendTo(nil)))
}

// beginWith begins a segment with a line of the caller's as its header.
func (p *pen) beginWith(h segment.Header, line string) {
	p.header = h
	p.name = segment.Name{FirstIndex: p.tree.Size(), Created: h.Created, Compression: compression.None}.String()
	p.leaf = merkle.LeafHash([]byte(line))
	p.line(line)
}

// line writes a leaf.
func (p *pen) line(line string) {
	p.files[p.name] = append(append(p.files[p.name], line...), '\n')
	p.tree.Append(merkle.LeafHash([]byte(line)))
}

// write writes an event line.
func (p *pen) write(id string, canonical []byte) {
	p.t.Helper()
	p.events = append(p.events, []byte(id))
	line := append(segline.AppendEventStart(nil), canonical...)
	if p.header.Scope == segline.ScopeCheckpoint {
		p.line(string(segline.AppendNoSignature(line)))
		return
	}
	signature, err := p.signers[0].SignEvent(p.origin, p.id, canonical)
	require.NoError(p.t, err)
	p.line(string(segline.AppendSignature(line, signature, p.signers[0].Public().ID())))
}

func (p *pen) event(id string) {
	p.t.Helper()
	p.write(id, fmt.Appendf(nil, `{"category":"session_management","event_id":%q,"level":"info","metadata":{},"operation":"log","resource_id":"r","resource_type":"t","success":null,"timestamp":"2026-11-23T10:00:00.000000000Z"}`, id))
}

// own writes an event of the log's own.
func (p *pen) own(action, detail string) {
	p.t.Helper()
	p.scribe++
	id := fmt.Sprintf("own-%d", p.scribe)
	p.write(id, ownevent.AppendOwn(nil, ownevent.Own{ID: id, Time: p.now, Origin: p.origin, Level: event.LevelInfo, Action: action, Detail: []byte(detail)}))
}

// rotated writes the event of that name, about a segment before.
func (p *pen) rotated(first, size uint64, root merkle.Hash) {
	p.t.Helper()
	p.own("rotated", fmt.Sprintf(`{"action":"rotated","previous":{"first_index":%d,"root_hash":%q,"segment":"x","tree_size":%d},"reason":"size"}`, first, base64.StdEncoding.EncodeToString(root[:]), size))
}

// keyChange returns the detail of a key change from a signer to the present segment. The
// tree must be the one after its header alone, whose frontier says what was before.
func (p *pen) keyChange(from *signing.Signer, leaving ...*signing.Signer) string {
	p.t.Helper()
	before, err := merkle.NewFrontier(p.header.FirstIndex, p.header.Frontier)
	require.NoError(p.t, err)
	note, err := signing.SignKeyChange(signing.KeyChange{Origin: p.origin, Log: p.id, Index: before.Size(), Root: before.Root(), Header: p.leaf, Retain: p.header.Retain}, from, p.signers[0], leaving...)
	require.NoError(p.t, err)
	return fmt.Sprintf(`{"action":"key_changed","key_change":%s,"key_id":%q,"previous_key_id":%q,"reason":"configuration"}`, jcs.AppendString(nil, note), p.signers[0].Public().ID(), from.Public().ID())
}

// commit ends a commit; change makes its line another one.
func (p *pen) commit(change func(c *segment.Commit)) {
	p.t.Helper()
	p.number++
	c := segment.Commit{Number: p.number, Time: p.tick()}
	if slices.Contains(p.header.Features, segline.FeatureIDs) {
		var ids merkle.Frontier
		for _, id := range p.events {
			ids.Append(merkle.LeafHash(id))
		}
		c.IDs = &segline.IDs{Count: uint64(len(p.events)), Root: ids.Root()}
	}
	if change != nil {
		change(&c)
	}
	p.number = c.Number
	p.line(string(segline.AppendCommit(nil, c.Number, c.Time, c.IDs)))
	p.checkpoint()
}

// checkpoint writes a checkpoint line, and the file.
func (p *pen) checkpoint() {
	p.t.Helper()
	p.events = nil
	signers := p.signers
	if p.previous != nil {
		signers = append(signers[:len(signers):len(signers)], p.previous)
	}
	p.previous = nil
	note, err := signing.SignCheckpoint(p.origin, p.tree.Size(), p.tree.Root(), signers...)
	require.NoError(p.t, err)
	p.files[p.name] = append(segline.AppendCheckpoint(p.files[p.name], note), '\n')
	p.files[sidefile.CheckpointName] = note
}

// simple writes a segment of one commit, and another with its event `rotated`.
func (p *pen) simple() {
	p.t.Helper()
	p.begin(nil)
	p.event("first")
	p.commit(nil)
	p.next(nil)
	p.event("second")
	p.commit(nil)
}

// next begins another segment, with its head.
func (p *pen) next(change func(h *segment.Header)) {
	p.t.Helper()
	first, size, root := p.header.FirstIndex, p.tree.Size(), p.tree.Root()
	p.begin(change)
	p.rotated(first, size, root)
}
