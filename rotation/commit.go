// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/consistency"
	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/segname"
	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// This is a commit, from top to bottom: ready, admit, assemble, write and sync, publish.

// commit makes a group of calls durable, together with the log's own pending
// events; g may be nil. If it fails, the durable state is what it was.
func (w *writer) commit(g *group) error {
	if g == nil {
		g = &group{}
	}
	err := w.tryCommit(g)
	if err != nil {
		err = fail(reasonIO, err)
		if n := g.batches(); n > 0 {
			w.opts.Observer.Refused(reasonOf(err), n, g.events())
		}
		if w.fault == nil {
			w.fault = err
			w.opts.Logger.Error("The audit log cannot be written; callers are told to try again", zap.Error(err))
			w.opts.Observer.Fault(err)
		}
		return err
	}
	if w.fault != nil {
		w.fault = nil
		w.opts.Logger.Info("The audit log can be written again")
		w.opts.Observer.Healthy()
	}
	return nil
}

func (w *writer) tryCommit(g *group) error {
	start := time.Now()
	if err := w.ready(g, start); err != nil {
		return err
	}
	s, a, says := w.admit(g)
	durable := false
	defer func() { w.settle(a, durable) }()
	reason := w.due(g.bytes())
	if g.events()+len(says) == 0 && len(s.pending) == 0 && s.fault == nil && reason != "age" && reason != "key" {
		w.refusals = s.refusals
		g.place(s.tip, s.tree.Size())
		durable = true
		return nil
	}
	err := w.put(s, g, says, reason, start)
	durable = err == nil
	return err
}

// put commits what has been admitted to a snapshot, in a new segment if there is a reason for one.
func (w *writer) put(s snapshot, g *group, says []logevent.Event, reason string, start time.Time) error {
	c, err := assemble(s, w.keys, g, says, reason)
	if err != nil {
		return err
	}
	defer c.scratch.Release()
	syncTime, err := w.write(c)
	if err != nil {
		return err
	}
	w.publish(g, c, start, syncTime)
	return nil
}

// ready makes sure, before a commit writes, that the directory and the active
// segment are what the log believes them to be, that there is room, and that the key that
// signs the commit is the one that the calls have signed with.
func (w *writer) ready(g *group, start time.Time) error {
	if err := w.dir.Present(); errors.Is(err, fs.ErrNotExist) || errors.Is(err, durable.ErrReplaced) {
		return fail(reasonInterference, err)
	} else if err != nil {
		return fail(reasonIO, err)
	}
	if err := w.clear(); err != nil {
		return fail(reasonIO, err)
	}
	if err := w.setAsideTail(); err != nil {
		return fail(reasonIO, err)
	}
	if w.doubt == nil && w.active != nil {
		w.doubt = w.inspect()
	}
	if w.doubt != nil {
		if err := w.repair(); err != nil {
			return err
		}
	}
	if err := w.room(g); err != nil {
		return err
	}
	if reason := w.due(g.bytes()); reason != "" && len(w.segments) > 0 && w.keys.changesNext() && w.opts.Scope == segline.ScopeEvent && len(g.calls) > 0 {
		// The events have been signed with the key before: the segment under the new
		// one begins without them.
		if err := w.put(w.snapshot, &group{}, nil, reason, start); err != nil {
			return err
		}
	}
	g.rejectStaleKey(w.keys.current().Public().ID())
	return nil
}

// due says why the next commit of so many bytes must start a segment, or "".
func (w *writer) due(size int64) string {
	a := w.active
	switch {
	case a == nil:
		return w.sealed
	case w.header.Scope != w.opts.Scope:
		return "scope"
	case w.keys.due(w.header.Keys):
		return "key"
	case !slices.Equal(w.header.Features, w.opts.features()):
		return "features"
	case w.opts.MaxSegmentBytes > 0 && a.size+size > w.opts.MaxSegmentBytes && a.events > 0:
		return "size"
	case w.aged():
		return "age"
	default:
		return ""
	}
}

// aged reports whether the active segment holds events and has reached its
// age. A clock that was set back does not make it younger than it has been
// open here: both times carry the monotonic clock.
func (s *snapshot) aged() bool {
	a := s.active
	if s.opts.MaxSegmentAge <= 0 || a == nil || a.events == 0 {
		return false
	}
	now := s.opts.Now()
	return now.Sub(a.name.Created) >= s.opts.MaxSegmentAge || now.Sub(a.opened) >= s.opts.MaxSegmentAge
}

// admit asks the stages about a group. It returns what the commit is to be made of: the log as
// it is, the budget of refusals apart, and what the log says of what stages and callers refuse.
func (w *writer) admit(g *group) (s snapshot, a *stage.Admission, says []logevent.Event) {
	calls := make([]*stage.Call, len(g.calls))
	for i, c := range g.calls {
		calls[i] = &c.Call
	}
	a = stage.NewAdmission(w.commits+1, w.opts.Now(), calls...)
	for _, one := range w.opts.Stages {
		one.Admit(a)
	}
	s = w.snapshot
	says = append(a.Said(), refuse(&s.refusals, g, w.opts.Now())...)
	return s, a, append(says, g.says...)
}

// settle tells the stages what became of what they have admitted.
func (w *writer) settle(a *stage.Admission, durable bool) {
	for _, s := range w.opts.Stages {
		s.Settle(a.Commit, durable)
	}
}

// assemble puts together the lines that a commit appends to a log, and where the log ends after
// them, which is all that publish changes. It changes nothing of the log itself: a commit that
// fails is forgotten, and needs no undoing.
func assemble(s snapshot, keys *keyring, g *group, says []logevent.Event, reason string) (c *change, err error) {
	c = &change{from: &s, keys: keys, next: s.tip, signer: keys.current(), scratch: s.newOwnBatch()}
	c.next.commits, c.next.lastTime, c.next.pending = s.commits+1, within(s.opts.Now()), nil
	defer func() {
		if err != nil {
			c.scratch.Release()
		}
	}()
	for _, call := range g.calls {
		for _, b := range call.Batches {
			c.unsigned += b.Totals().Unsigned
		}
	}
	if reason != "" {
		if err := c.begin(reason); err != nil {
			return c, err
		}
	}
	if err := c.permitted(s.tree.Size()); err != nil {
		return c, err
	}
	if err := c.say(g, says); err != nil {
		return c, err
	}
	c.take(c.scratch)
	c.first = c.next.tree.Size()
	for _, call := range g.calls {
		for _, b := range call.Batches {
			c.take(b)
			c.events += b.Totals().Events
		}
	}
	c.close()
	if c.next.tree.Size() > segline.MaxIndex {
		return c, fmt.Errorf("the log is full: it has %d leaves", s.tree.Size())
	}
	if err := c.permitted(c.next.tree.Size() - 1); err != nil {
		return c, err
	}
	note, err := signing.SignCheckpoint(s.opts.Origin, c.next.tree.Size(), c.next.tree.Root(), keys.checkpointSigners(c.signer, c.keyChange)...)
	if err != nil {
		return c, &Error{Reason: reasonSigning, Err: fmt.Errorf("sign a checkpoint: %w", err)}
	}
	c.next.note = note
	c.end = append(segline.AppendCheckpoint(c.end, note), '\n')
	c.bytes += int64(len(c.head) + len(c.end))
	c.next.active = c.active()
	return c, nil
}

// begin appends the header of a new segment.
func (c *change) begin(reason string) (err error) {
	c.begins = true
	s := c.from
	if len(s.segments) > 0 {
		if c.signer, err = c.keys.next(); err != nil {
			return &Error{Reason: reasonSigning, Err: fmt.Errorf("begin a segment with another key: %w", err)}
		}
	}
	c.next.header = c.header()
	c.head = c.next.header.AppendTo(c.head)
	leaf := merkle.LeafHash(c.head)
	c.next.mark = consistency.NewMark(&c.next.tree)
	c.grow(leaf)
	c.head = append(c.head, '\n')
	if len(s.segments) > 0 && changesKeys(&s.header, &c.next.header) {
		if c.keyChange, err = c.keys.signKeyChange(&s.header, &c.next.header, c.signer, s.tree.Root(), leaf); err != nil {
			return &Error{Reason: reasonSigning, Err: err}
		}
		c.says = append(c.says, c.keyChange.said)
	}
	if n := len(s.segments); n > 0 {
		last := s.segments[n-1]
		root := s.tree.Root()
		previous := &logevent.Segment{
			FirstIndex: last.name.FirstIndex, Range: s.mark.Range(&s.tree), RootHash: root,
			Segment: segname.Plain(last.name).String(), TreeSize: s.tree.Size(),
		}
		if a := s.active; a != nil && a.times.some {
			previous.FirstTime, previous.LastTime = timeOf(a.times.first), timeOf(a.times.last)
		}
		c.says = append(c.says, logevent.Event{Action: logevent.Rotated, Reason: reason, Previous: previous})
	}
	return nil
}

// header returns the header of the segment that the change begins.
func (c *change) header() segment.Header {
	s := c.from
	h := segment.Header{
		Origin:     s.opts.Origin,
		Log:        s.id,
		FirstIndex: s.tree.Size(),
		Frontier:   s.tree.Hashes(),
		Created:    c.next.lastTime,
		Scope:      s.opts.Scope,
		Features:   s.opts.features(),
		MinAge:     s.opts.Retention.MinAge,
		Keys:       c.keys.headerKeys(c.signer),
	}
	if len(s.segments) == 0 {
		h.Succeeds = s.succeeds
	}
	h.Retain = retain(&s.header, &h)
	return h
}

// permitted asks whether the keys of a commit's segment may sign a leaf of it.
func (c *change) permitted(index uint64) error {
	if err := c.keys.permitted(c.signer, index, c.from.opts.Now()); err != nil {
		return &Error{Reason: reasonSigning, Err: err}
	}
	return nil
}

// say puts into the change what the log has to say of itself.
func (c *change) say(g *group, says []logevent.Event) error {
	s := c.from
	c.says = append(c.says, s.pending...)
	if s.fault != nil {
		// If this commit succeeds, it shows that the fault has passed.
		c.says = append(c.says, logevent.Event{Action: logevent.Resumed, Reason: string(reasonOf(s.fault)), Detail: s.fault.Error()})
	}
	c.says = append(c.says, s.pause.again(c)...)
	c.says = append(append(c.says, says...), suppressed(&c.next.refusals)...)
	if g.events() > 0 && (c.unsigned > 0) != s.degraded {
		c.next.degraded = c.unsigned > 0
		action := logevent.SigningRestored
		if c.next.degraded {
			action = logevent.SigningDegraded
		}
		c.says = append(c.says, logevent.Event{Action: action})
	}
	for _, o := range c.says {
		if o.Action == logevent.Witnessed {
			o.Proof = s.followed.prove(o.Size, &s.tree)
		}
		if err := s.addOwn(c.scratch, o, c.signer, c.next.degraded); err != nil {
			return &Error{Reason: reasonSigning, Err: fmt.Errorf("add the log's own event %s: %w", o.Action, err)}
		}
	}
	c.unsigned += c.scratch.Totals().Unsigned
	return nil
}

// maxWriteBytes is how much of a commit is written at a time. A commit of more takes several
// writes: a crash between them leaves what one that cuts a write short leaves, and a copy of
// the whole, next to the batches that hold it, would be as large as they are.
const maxWriteBytes = 1 << 20

// write makes a change durable. If it fails, the active segment is as it was, or in doubt.
func (w *writer) write(c *change) (syncTime time.Duration, err error) {
	if c.begins {
		return w.writeNew(c)
	}
	a := w.active
	if err := w.writeLines(a.file, a.size, c); err != nil {
		err = fail(reasonIO, fmt.Errorf("append to %s: %w", a.name, err))
		// What was written in part is cut off at once, so that even a reader
		// sees nothing of it, and durably, so that a crash never leaves parts of
		// two commits after the last checkpoint. If the disk was merely full
		// the file is then as good as before.
		cut := a.file.Truncate(a.size)
		if cut == nil {
			_, cut = w.syncFile(a.file)
		}
		if cut != nil || reasonOf(err) != reasonDiskFull {
			w.doubt = errors.Join(err, cut)
		}
		return 0, err
	}
	if syncTime, err = w.syncFile(a.file); err != nil {
		w.doubt = fail(reasonSyncFailed, err)
		return 0, w.doubt
	}
	return syncTime, nil
}

// writeNew writes the first commit of a new segment.
func (w *writer) writeNew(c *change) (syncTime time.Duration, err error) {
	name := c.next.active.name.String()
	f, err := w.dir.Create(name)
	if err != nil {
		return 0, fail(reasonIO, fmt.Errorf("create segment %s: %w", name, err))
	}
	defer func() {
		if err == nil {
			return
		}
		if cerr := f.Close(); cerr != nil {
			err = errors.Join(err, cerr)
		}
		// If that fails, the next commit tries again before anything else.
		w.debris = name
		_ = w.clear()
	}()
	if err := w.writeLines(f, 0, c); err != nil {
		return 0, fail(reasonIO, fmt.Errorf("write segment %s: %w", name, err))
	}
	// The key before may be destroyed as soon as another has taken its place, and the file
	// of key changes never leads.
	if w.opts.Sync || c.keyChange != nil {
		start := time.Now()
		if err := durable.Sync(w.dir, f); err != nil {
			return 0, fail(reasonSyncFailed, err)
		}
		syncTime = time.Since(start)
	}
	c.next.active.file = f
	return syncTime, nil
}

// writeLines writes a change's lines to a file, from a place on.
func (w *writer) writeLines(f durable.File, at int64, c *change) (err error) {
	buf := slices.Grow(w.buf[:0], int(min(c.bytes, maxWriteBytes)))
	w.buf = buf // for the next commit
	flush := func() {
		if err == nil {
			_, err = f.WriteAt(buf, at)
			at += int64(len(buf))
		}
		buf = buf[:0]
	}
	c.lines(func(lines []byte) {
		for len(lines) > 0 && err == nil {
			n := min(len(lines), maxWriteBytes-len(buf))
			buf, lines = append(buf, lines[:n]...), lines[n:]
			if len(buf) == maxWriteBytes {
				flush()
			}
		}
	})
	if len(buf) > 0 {
		flush()
	}
	return err
}

func (w *writer) syncFile(f durable.File) (time.Duration, error) {
	if !w.opts.Sync {
		return 0, nil
	}
	start := time.Now()
	err := f.Sync()
	return time.Since(start), err
}

// publish puts what a durable change has made of the log in the place of what was before, and
// tells whom it concerns.
func (w *writer) publish(g *group, c *change, start time.Time, syncTime time.Duration) {
	before := w.active
	w.tip = c.next
	if c.begins {
		w.segments = c.segments()
		w.seal(before)
	}
	g.place(w.tip, c.first)
	w.agent.Published(w.tree.Size(), c.events, c.says)
	w.wake()
	if c.keyChange != nil {
		w.keys.committed(c.keyChange, w.active.name)
	}
	if c.begins {
		w.observeSegments()
	}
	w.opts.Observer.Committed(Commit{
		Calls:        len(g.calls),
		Batches:      g.batches(),
		Events:       c.events,
		Unsigned:     c.unsigned,
		Bytes:        c.bytes,
		Duration:     time.Since(start),
		SyncDuration: syncTime,
		TreeSize:     w.tree.Size(),
		Segment:      w.active.name.String(),
		SegmentBytes: w.active.size,
	})
}

// seal closes the file of a segment that another follows, durably.
func (w *writer) seal(a *activeSegment) {
	if a == nil {
		return
	}
	var err error
	if !w.opts.Sync {
		err = a.file.Sync()
	}
	if err = errors.Join(err, a.file.Close()); err != nil {
		w.opts.Logger.Warn("Sealing a segment of the audit log", zap.Stringer("segment", a.name), zap.Error(err))
	}
}
