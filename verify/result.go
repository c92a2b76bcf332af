// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"slices"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// result is what checking one segment gave.
type result struct {
	file      segment.File
	authority *authority
	newest    bool
	header    *segment.Header // nil if it is invalid
	// first is the size of the tree before the segment. start is that tree, if the
	// header says; end is the tree of the last checkpoint with a valid signature,
	// nil if there is none.
	first      uint64
	start, end *point

	findings findings
	counts
	failedIDs    []string
	signers      []string      // key ids, of checkpoints
	cosignatures []cosignature // the newest of each witness
	logEvents    []logEvent    // what the log says of itself, where a signature covers it
	ids          []uint64      // sorted hashes of event ids
	commits      commits
	torn         bool // bytes follow the last checkpoint of the active segment
	gone         bool // compressed or pruned while the log was being checked
	unread       bool // compressed in a way that is not read here, from some line on
}

// counts are numbers of events. byCommit counts those that are in range by the time of
// their commit only.
type counts struct {
	total, verified, failed, unsigned, ownEvents, byCommit uint64
	opened, withheld                                       uint64 // values
	first, last                                            time.Time
}

func (c *counts) add(o *counts) {
	c.total += o.total
	c.verified += o.verified
	c.failed += o.failed
	c.unsigned += o.unsigned
	c.ownEvents += o.ownEvents
	c.byCommit += o.byCommit
	c.opened += o.opened
	c.withheld += o.withheld
	c.span(o.first)
	c.span(o.last)
}

// span extends to the time of an event; a zero time is none.
func (c *counts) span(t time.Time) {
	if t.IsZero() {
		return
	}
	if c.first.IsZero() || t.Before(c.first) {
		c.first = t
	}
	if c.last.IsZero() || t.After(c.last) {
		c.last = t
	}
}

// point is a tree.
type point struct {
	size uint64
	root merkle.Hash
}

// commits are the first and the last commit of a segment that a checkpoint covers. Their
// numbers are 0 if they are not known.
type commits struct {
	first, last segment.Commit
	begun       bool // first is decided, be it that it is not known
}

// extend adds the first and the last commit of what a checkpoint covers.
func (c *commits) extend(first, last segment.Commit) {
	if !c.begun {
		c.first, c.begun = first, true
	}
	c.last = last
}

// logEvent is what the log says of itself on some line.
type logEvent struct {
	event  logevent.Event
	line   int
	index  uint64
	id     string
	signed bool
}

// active reports whether the writer may still be appending.
func (r *result) active() bool {
	return r.newest && r.file.Parsed.Compression == compression.None
}

func (r *result) summary() Segment {
	s := Segment{Name: r.file.Name, FirstIndex: r.first, Events: r.total, Bytes: r.file.Size, Active: r.active()}
	if r.header != nil {
		s.Scope = string(r.header.Scope)
	}
	if k := r.authority.signer(); k != nil {
		s.KeyID, s.Trust = k.ID(), r.authority.standing.String()
	}
	if r.end != nil {
		s.TreeSize, s.RootHash = r.end.size, r.end.root[:]
	}
	return s
}

// unreadUpTo is the name of the last segment that counts, if that was not read to its end and
// may go up to a size, or "". After it there may be an active one of which nothing counts yet.
func unreadUpTo(results []*result, size uint64) string {
	for _, r := range slices.Backward(results) {
		switch {
		case r.unread:
			return r.file.Name
		case r.end != nil || !r.active() || r.first < size:
			return ""
		}
	}
	return ""
}

// unreadAnywhere is the name of a segment that was not read to its end, or "".
func unreadAnywhere(results []*result) string {
	if i := slices.IndexFunc(results, func(r *result) bool { return r.unread }); i >= 0 {
		return results[i].file.Name
	}
	return ""
}

// readUpTo reports whether all leaves from one on up to a size are there, and were read.
func readUpTo(results []*result, from, size uint64) bool {
	for _, r := range results {
		if from >= size {
			return true
		}
		if r.first != from || r.end == nil {
			return false
		}
		from = r.end.size
	}
	return from >= size
}
