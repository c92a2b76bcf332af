// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"bytes"
	"context"
	"errors"
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
			f.add(newFinding(SegmentUnreadable, Tampering, place{line: f.line}, "more than %d lines are malformed: the rest of the file was not looked at", maxMalformed))
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
		f.add(newFinding(NewerVersion, Unchecked, place{line: 1, index: &index}, "%v; that it has not been changed since it was signed is all that was checked", f.authority.newer))
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
		f.add(newFinding(UnknownKey, Tampering, place{line: 1, index: &index}, "%s", a.wrong))
	}
	if kind, why := a.objection(index, f.header.Created); kind != "" {
		f.add(newFinding(kind, Tampering, place{line: 1, index: &index}, "%s", why))
	}
	f.checkOtherSigners(index, f.header.Created)
}

func (f *follower) invalid(format string, args ...any) {
	index := f.first
	f.add(newFinding(HeaderInvalid, Tampering, place{line: 1, index: &index}, format, args...))
}

// headless reports a segment of which there is not even a header.
func (f *follower) headless(what string) {
	if f.active() {
		f.add(newFinding(kindTornTail, Warning, place{}, "%s: a write in progress, or what a crash left", what))
		return
	}
	f.add(newFinding(SegmentTruncated, Tampering, place{}, "%s", what))
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
	if !partial && f.seen == 0 && len(f.group.tornLines) == 0 && f.end != nil {
		return nil
	}
	where := place{line: f.group.firstLine, lastLine: f.line}
	if f.active() {
		f.forget()
		f.torn = true
		f.add(newFinding(kindTornTail, Warning, where, "no checkpoint covers what follows: a write in progress, or what a crash left; it was never acknowledged and is not counted"))
		return nil
	}
	f.settle(false)
	f.add(newFinding(SegmentTruncated, Tampering, where, "the segment is sealed, but does not end in a checkpoint: its end has been cut off or changed"))
	return nil
}
