// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/consistency"
	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/timestamp"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// scanned is what reading a segment told of it.
type scanned struct {
	header segment.Header
	// key is the one that the segment is signed with.
	key *signing.PublicKey
	// tree, note and size are those of the last checkpoint that fits; size is
	// 0 if none does.
	tree   merkle.Frontier
	mark   *consistency.Mark // where the segment begins in the tree
	commit segment.Commit
	note   []byte
	size   int64
	events int // of others than the log itself, up to there
	times  timeRange
	// atStart says that a start began the segment. held is until when the log has said last
	// that it deletes nothing (see clock).
	atStart bool
	held    time.Time
	// pruned is before which leaf an event in it says that retention deletes.
	pruned uint64
	// end is where the content ends; what lies between size and end is the
	// tail that no checkpoint covers.
	end int64
}

// scan reads a segment that this log has written and finds the last checkpoint
// that fits. Roots are computed for all checkpoints; the signature is checked
// of the last one that fits, and of those that do not.
//
// A tail is what a crash can leave: at most one commit, any part of which may
// be missing. Where more than that follows the last checkpoint that fits (anything but a
// checkpoint after a commit line, anything at all after a checkpoint that is signed), the
// error is ErrDamaged: no crash explains it. If loose is set the log did not
// wait for the disk, and a crash explains any tail.
//
// The segment must be of the log called origin and signed with one of the
// candidates.
func scan(ctx context.Context, r *segment.Reader, origin string, candidates []*signing.Signer, loose bool) (s scanned, err error) {
	keys := make([]*signing.PublicKey, len(candidates))
	for i, s := range candidates {
		keys[i] = s.Public()
	}
	var tree merkle.Frontier
	var marks []*consistency.Mark
	events := 0
	var times timeRange
	var held time.Time
	var pruned uint64
	broken := false // a line in the tail is malformed, so the tree is unknown
	unfit := 0      // the line of a checkpoint that does not fit, and is the first
	refuted := 0    // the line of a signed checkpoint that does not fit
	committed := 0  // the line of a commit that no checkpoint has followed yet
	var commit *segment.Commit
	var sum eventjson.Summary
	var known eventjson.Scanner
	for {
		if r.Line()%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return s, err
			}
		}
		line, err := r.Next()
		if err == io.EOF {
			s.end = r.End()
			break
		}
		cut := errors.Is(err, segline.ErrPartial)
		if err != nil && !cut {
			return s, err
		}
		if refuted > 0 && !loose {
			return s, fmt.Errorf("%w: line %d is a checkpoint with a valid signature that does not fit the lines above it, and more follows: restore the file from a copy, or keep this directory as evidence and start a new log elsewhere", ErrDamaged, refuted)
		}
		if unfit > 0 && !loose {
			return s, fmt.Errorf("%w: line %d is a checkpoint that does not fit, the first in the file, and more follows: restore the file from a copy, or keep this directory as evidence and start a new log elsewhere", ErrDamaged, unfit)
		}
		if cut {
			s.end = r.End()
			break
		}
		kind := segment.KindOf(line)
		last := commit // directly before this line
		commit = nil
		if committed > 0 && !loose && (kind == segline.KindEvent || kind == segline.KindCommit || kind == segline.KindHeader) {
			return s, fmt.Errorf("%w: no checkpoint that fits follows the commit in line %d, and more does: restore the file from a copy, or keep this directory as evidence and start a new log elsewhere", ErrDamaged, committed)
		}
		switch {
		case r.Line() == 1:
			if kind != segline.KindHeader {
				broken = true
				continue
			}
			if s.header, err = segment.ParseHeader(line); errors.Is(err, segment.ErrNewer) {
				return s, err // it is whole, and not for this version to go on with
			} else if err != nil {
				broken = true
				continue
			}
			if tree, err = merkle.NewFrontier(s.header.FirstIndex, s.header.Frontier); err != nil {
				return s, err
			}
			marks = []*consistency.Mark{consistency.NewMark(&tree)}
			s.mark = marks[0]
			consistency.Append(&tree, merkle.LeafHash(line), marks)
			// Another log's checkpoints never fit, and another key's never open: that
			// must not be taken for what a crash left.
			if s.key, err = belongs(&s.header, origin, candidates); err != nil {
				return s, err
			}
			keys = []*signing.PublicKey{s.key}
		case kind == segline.KindEvent && !broken:
			consistency.Append(&tree, merkle.LeafHash(line), marks)
			parsed, err := segment.ParseEvent(nil, line)
			if err != nil || known.Scan(parsed.Canonical, &sum) != nil {
				broken = true
				continue
			}
			if sum.Log == nil {
				events++
			} else {
				said, err := logevent.Parse(sum.Log)
				s.atStart = s.atStart || s.size == 0 && s.header.FirstIndex > 0 && said.Action == logevent.Opened
				if err == nil && said.Action == logevent.ClockJumped {
					held = said.Until
				}
				if err == nil && said.Action == logevent.Pruned {
					pruned = max(pruned, said.Before)
				}
			}
			times.add(at(timestamp.Nanoseconds(sum.Time)))
		case kind == segline.KindCommit:
			c, err := segment.ParseCommit(line)
			if err != nil {
				broken = true
				continue
			}
			committed = r.Line()
			consistency.Append(&tree, merkle.LeafHash(line), marks)
			if s.follows(&c) {
				commit = &c
			}
		case kind == segline.KindCheckpoint:
			note, fits := checkpointFits(line, origin, &tree)
			if fits && !broken && last != nil {
				s.tree, s.note, s.size, s.events, s.times, s.held, s.pruned = tree, note, r.End(), events, times, held, pruned
				s.commit, committed = *last, 0
				continue
			}
			broken = true
			if s.size == 0 {
				unfit = r.Line()
			}
			if note == nil {
				continue
			}
			if _, _, err := signing.OpenCheckpoint(note, origin, keys); err == nil {
				refuted = r.Line()
			}
		default:
			broken = true
		}
	}
	if s.size > 0 {
		if _, _, err := signing.OpenCheckpoint(s.note, origin, keys); err != nil {
			return s, fmt.Errorf("%w: its last checkpoint: %w", ErrDamaged, err)
		}
	}
	return s, nil
}

// follows reports whether a commit may be the one after those read so far.
func (s *scanned) follows(c *segment.Commit) bool {
	if (c.IDs != nil) != slices.Contains(s.header.Features, segline.FeatureIDs) {
		return false
	}
	switch {
	case s.size > 0:
		return c.Number == s.commit.Number+1
	case s.header.FirstIndex == 0:
		return c.Number == 1
	default:
		return c.Number > 1
	}
}

// belongs returns the key with which a segment is signed, if its header is of this log
// and the key is one of the candidates.
func belongs(h *segment.Header, origin string, candidates []*signing.Signer) (*signing.PublicKey, error) {
	if h.Origin != origin {
		return nil, fmt.Errorf("it belongs to the log %q, but the configured origin is %q: an origin is fixed for the life of a directory; set origin back, or choose another directory", h.Origin, origin)
	}
	for _, s := range candidates {
		if bytes.Equal(s.Public().SPKI(), h.Keys[0].PublicKey) {
			return s.Public(), nil
		}
	}
	return nil, fmt.Errorf("%w: the signing key is %s, but the segment is signed with %s: give the key file that belongs to the log, give that file as the previous key to change the key, or choose another directory", errWrongKey, candidates[0].Public().ID(), h.Keys[0].ID)
}

// checkpointFits returns the note in a checkpoint line, or nil, and whether it
// is one over this tree. The signature is not checked.
func checkpointFits(line []byte, origin string, tree *merkle.Frontier) (note []byte, fits bool) {
	note, err := segment.ParseCheckpoint(line)
	if err != nil {
		return nil, false
	}
	c, err := signing.ParseCheckpoint(note)
	if err != nil {
		return nil, false
	}
	return note, c.Origin == origin && c.Size == tree.Size() && c.Root == tree.Root()
}
