// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/foreign"
	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
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
	failedIDs []string
	signers   []string      // key ids, of checkpoints
	vouches   []cosignature // the newest of each witness
	own       []ownEvent    // what the log says of itself, where it is to be believed
	ids       []uint64      // sorted hashes of event ids
	commits   commits
	torn      bool // bytes follow the last checkpoint of the active segment
	gone      bool // compressed or pruned while the log was being checked
	unread    bool // compressed in a way that is not read here, from some line on
}

// counts are numbers of events. byCommit counts those that are in range by the time of
// their commit only.
type counts struct {
	total, verified, failed, unsigned, ours, byCommit uint64
	opened, withheld                                  uint64 // values
	first, last                                       time.Time
}

func (c *counts) add(o *counts) {
	c.total += o.total
	c.verified += o.verified
	c.failed += o.failed
	c.unsigned += o.unsigned
	c.ours += o.ours
	c.byCommit += o.byCommit
	c.opened += o.opened
	c.withheld += o.withheld
	c.span(o.first)
	c.span(o.last)
}

// span takes in the time of an event; a zero time is none.
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

// segment checks one segment. The error says that it could not be read.
func (c *checker) segment(ctx context.Context, file segment.File, a *authority, newest bool) (*result, error) {
	f := &follower{result: &result{file: file, authority: a, newest: newest, first: file.Parsed.FirstIndex}, c: c}
	r, err := foreign.Open(c.fsys, file.Name, file.Size)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.gone = true
		return f.result, nil
	case logfile.Malformed(err):
		f.unreadable(0, err)
		return f.result, nil
	case err != nil:
		return nil, err
	}
	defer r.Close()
	read := int64(0)
	defer func() { c.progress(file.Size - read) }()
	again, err := f.begin(r)
	if err != nil || f.claims == nil {
		return f.result, err
	}
	if err := f.openOpenings(); err != nil {
		return nil, err
	}
	defer f.closeOpenings()
	ctx, cancel := context.WithCancel(ctx)
	chunks := make(chan *chunk, 2+c.o.Jobs/maxOpen)
	go c.read(ctx, r.Reader, again, f.claims, a, chunks)
	// The reader is not closed before the goroutine has ended.
	defer func() {
		cancel()
		for k := range chunks {
			<-k.done
			c.release(k)
		}
	}()
	for k := range chunks {
		<-k.done
		for i := range k.lines {
			f.line = k.first + i
			if i == len(k.lines)-1 && errors.Is(k.err, segline.ErrPartial) {
				break // the line is not complete; see finish
			}
			if f.follow(&k.lines[i]); f.failure != nil {
				c.release(k)
				return nil, f.failure
			}
		}
		if file.Parsed.Compression == compression.None {
			n := int64(len(k.text) - 1 + len(k.lines))
			read += n
			c.progress(n)
		}
		end := k.err
		c.release(k)
		switch {
		case f.malformed > maxMalformed:
			f.add(Finding{Kind: SegmentUnreadable, Severity: Tampering, Line: f.line, Message: fmt.Sprintf("more than %d lines are malformed: the rest of the file was not looked at", maxMalformed)})
			f.settle(false)
			return f.result, nil
		case end != nil:
			if !logfile.Malformed(end) || errors.Is(end, segline.ErrPartial) {
				f.foreign(r.Foreign())
			}
			return f.result, f.finish(end)
		}
	}
	return nil, context.Cause(ctx)
}

// maxMalformed bounds the malformed lines of a segment that are looked at: a file
// of nothing else, which compresses well, would keep a verifier busy for long.
const maxMalformed = 100_000

// begin reads the header. If there is none that can be used, f.claims has what can
// be said all the same, and again is the line, if it is to be looked at like any
// other. If there is nothing at all, f.claims is nil.
func (f *follower) begin(r *foreign.Reader) (again []byte, err error) {
	f.line = 1
	line, err := r.Next()
	switch {
	case err == io.EOF:
		f.headless("the segment is empty")
		return nil, nil
	case errors.Is(err, segline.ErrPartial):
		f.torn = f.active()
		f.headless("the header is cut off")
		return nil, nil
	case logfile.Malformed(err):
		f.unreadable(0, err)
		return nil, nil
	case err != nil:
		return nil, err
	}
	f.claimed = f.first
	f.group.firstLine = 1
	if segment.KindOf(line) != segline.KindHeader && segment.KindOf(line) != segline.KindUnknown {
		f.invalid("the segment does not begin with a header")
		f.claims = &segment.Header{Scope: segline.ScopeEvent}
		if parsed, err := segment.ParseEvent(nil, line); err == nil && parsed.KeyID == "" && !parsed.Unsigned {
			f.claims.Scope = segline.ScopeCheckpoint
		}
		return bytes.Clone(line), nil
	}
	leaf := merkle.LeafHash(line)
	h := f.authority.header
	switch {
	case h != nil && f.authority.headerLeaf != leaf:
		f.gone = true // it has been replaced since it was looked at first
		return nil, nil
	case h == nil:
		_, err := segment.ParseHeader(line)
		if err == nil {
			f.gone = true
			return nil, nil
		}
		f.invalid("%v", err)
		f.claims = &segment.Header{Scope: segline.ScopeEvent}
		if bytes.Contains(line, []byte(`"scope":"checkpoint"`)) {
			f.claims.Scope = segline.ScopeCheckpoint
		}
		f.addLeaf(&checked{leaf: leaf}, false, false)
		return nil, nil
	case f.authority.newer != nil:
		index := h.FirstIndex
		f.add(Finding{Kind: NewerVersion, Severity: Unchecked, Line: 1, Index: &index, Message: f.authority.newer.Error() + "; that it has not been changed since it was signed is all that was checked"})
	}
	if h.FirstIndex != f.first {
		f.invalid("the header says that the segment starts at leaf %d, the file's name %d", h.FirstIndex, f.first)
	}
	if got, want := h.Created.UTC().Truncate(time.Second), f.file.Parsed.Created; !got.Equal(want) {
		f.invalid("the header says that the segment was created at %s, the file's name %s", got.Format(time.RFC3339), want.Format(time.RFC3339))
	}
	if f.tree, err = merkle.NewFrontier(h.FirstIndex, h.Frontier); err != nil {
		return nil, err // ParseHeader has checked it
	}
	f.header, f.claims = h, h
	f.first = h.FirstIndex
	f.start = &point{f.tree.Size(), f.tree.Root()}
	f.anchored = true
	f.claimed = f.first
	f.group.before = f.tree
	f.noteCheckpointRoots()
	f.checkAuthority()
	f.addLeaf(&checked{leaf: leaf}, false, false)
	f.checkTime(h.Created, "the header")
	return nil, nil
}

// checkAuthority says what is wrong with who signs the segment.
func (f *follower) checkAuthority() {
	a, index := f.authority, f.first
	if a.wrong != "" {
		f.add(Finding{Kind: UnknownKey, Severity: Tampering, Line: 1, Index: &index, Message: a.wrong})
	}
	if kind, why := a.objection(index, f.header.Created); kind != "" {
		f.add(Finding{Kind: kind, Severity: Tampering, Line: 1, Index: &index, Message: why})
	}
	f.watch(index, f.header.Created)
}

func (f *follower) invalid(format string, args ...any) {
	index := f.first
	f.add(Finding{Kind: HeaderInvalid, Severity: Tampering, Line: 1, Index: &index, Message: fmt.Sprintf(format, args...)})
}

// headless reports a segment of which there is not even a header.
func (f *follower) headless(what string) {
	if f.active() {
		f.add(Finding{Kind: kindTornTail, Severity: Warning, Message: what + ": a write in progress, or what a crash left"})
		return
	}
	f.add(Finding{Kind: SegmentTruncated, Severity: Tampering, Message: what})
}

// finish handles the end of the file.
func (f *follower) finish(err error) error {
	partial := errors.Is(err, segline.ErrPartial)
	switch {
	case err == io.EOF, partial:
		if err := f.endOpenings(); err != nil {
			return err
		}
	case logfile.Malformed(err):
		f.unreadable(f.line+1, err)
		err := f.endOpenings()
		f.settle(false)
		return err
	default:
		return err
	}
	if !partial && f.seen == 0 && len(f.group.doubts) == 0 && f.end != nil {
		return nil
	}
	one := Finding{Line: f.group.firstLine, LastLine: f.line}
	if f.active() {
		f.forget()
		f.torn = true
		one.Kind, one.Severity = kindTornTail, Warning
		one.Message = "no checkpoint covers what follows: a write in progress, or what a crash left; it was never acknowledged and is not counted"
		f.add(one)
		return nil
	}
	one.Kind, one.Severity = SegmentTruncated, Tampering
	one.Message = "the segment is sealed, but does not end in a checkpoint: its end has been cut off or changed"
	f.settle(false)
	f.add(one)
	return nil
}
