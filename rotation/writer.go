// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"crypto/rand"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/consistency"
	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/limiter"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/rotation/internal/cosign"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// writer writes the log: one commit after the other, each made of the snapshot that the one
// before has left. The caller of its methods holds sem, or is the only user of the log: Open.
type writer struct {
	// sem is a channel so that Close can wait for it no longer than its context allows. It
	// guards all of the writer, but for what is fixed once the log is open.
	sem chan struct{}
	snapshot
	dir   durable.FS
	keys  *keyring
	agent *cosign.Agent // has a lock of its own
	wake  func()        // tells upkeep of a commit

	doubt   error           // why the active segment must be checked again first
	debris  string          // a new segment that was not finished and is not durably removed
	torn    bool            // the active segment has a tail that is still to be set aside
	cutOff  logevent.Event  // what a repair that has to be tried again has cut off
	damaged map[string]bool // files that the log has said are damaged
	buf     []byte          // what a commit writes at a time, reused
}

// snapshot is the log as commits and upkeep see it. A commit is a function of it: what it points
// to does not change, but for its marks, which are for commits alone.
type snapshot struct {
	// These are fixed once the log is open.
	opts     *Options
	id       signing.LogID
	succeeds *segline.Predecessor // what a new log is to say

	tip
	segments []segmentInfo // all of them, by index; the newest last
	sealed   string        // why there is no active segment
	fault    error         // why the last commit failed, as the observer was told
	pause    pause         // of retention
	unsound  error         // why nothing is deleted as long as the log is open
	followed marks         // trees that the agent still needs proofs from
}

// tip is where the log ends: what a commit replaces, whole, once it is durable.
type tip struct {
	header   segment.Header    // of the newest segment
	atStart  bool              // a start began it
	active   *activeSegment    // nil: the next commit starts a segment
	tree     merkle.Frontier   // the durable tree
	mark     *consistency.Mark // where the newest segment begins in it
	note     []byte            // the signed checkpoint over it
	commits  uint64            // number of the last commit
	lastTime time.Time         // of the last commit
	degraded bool              // the log has said that events are unsigned
	refusals limiter.Limiter   // of refused records, and those still to be told of
	pending  []logevent.Event  // to be written with the next commit
}

// activeSegment is the segment that commits append to. A commit makes a new one.
type activeSegment struct {
	name   segment.Name
	file   durable.File
	size   int64 // bytes that are durable and end with a checkpoint
	events int   // of others than the log itself
	times  timeRange
	opened time.Time
}

// segmentInfo is a segment in the log's list.
type segmentInfo struct {
	name  segment.Name // as stored
	bytes int64        // as stored; of the active segment, see activeSegment
	// facts are nil of the newest segment, and of one that the start has found and that
	// has not been read: its name and size are claims then.
	facts *facts
}

func newWriter(o *Options, dir durable.FS) *writer {
	w := &writer{
		sem: make(chan struct{}, 1), dir: dir, keys: newKeyring(o, dir), damaged: map[string]bool{},
		snapshot: snapshot{opts: o, id: newLogID(), sealed: "first"},
	}
	w.refusals = newRefusals()
	return w
}

// hold runs f while no commit does.
func (w *writer) hold(f func()) {
	w.sem <- struct{}{}
	defer func() { <-w.sem }()
	f()
}

// bytes returns what all segments take.
func (s *snapshot) bytes() (total int64) {
	for _, one := range s.segments {
		total += one.bytes
	}
	if s.active != nil {
		total += s.active.size
	}
	return total
}

// treeBefore returns the tree that a segment follows of which there are facts, or which is
// the newest.
func (s *snapshot) treeBefore(n int) merkle.Frontier {
	if f := s.segments[n].facts; f != nil {
		return f.before
	}
	before, _ := merkle.NewFrontier(s.header.FirstIndex, s.header.Frontier) // the start has checked it
	return before
}

// observeSegments reports the number of segments and their size.
func (w *writer) observeSegments() { w.opts.Observer.SegmentsChanged(len(w.segments), w.bytes()) }

// sayDamaged has the log and the collector's log say, once for each file, that it is not as
// the log has written it.
func (w *writer) sayDamaged(file, detail string) {
	if w.damaged[file] {
		return
	}
	w.damaged[file] = true
	w.opts.Logger.Error("A file of the audit log is not as the log has written it", zap.String("file", file), zap.String("detail", detail))
	w.pending = append(w.pending, logevent.Event{Action: logevent.Damaged, Reason: "interference", Detail: detail, File: file})
}

// distrust ends all deleting.
func (w *writer) distrust(d *discrepancy) {
	if w.unsound == nil {
		w.unsound = d
	}
}

// syncNow makes durable what others are about to learn of: they would take a log that lost
// it for one that was rolled back.
func (w *writer) syncNow() error {
	if w.opts.Sync || w.active == nil {
		return nil
	}
	return errors.Join(w.active.file.Sync(), w.dir.Sync())
}

// catchUp does what is due without a call: it seals a segment that has reached its age, says what
// waits to be said, and finishes a change of the key. So it also finds out whether a fault has
// passed.
func (w *writer) catchUp() error {
	if w.fault != nil || w.aged() || len(w.pending) > 0 {
		// A failure is told to the observer, and again to the next caller.
		_ = w.commit(nil)
	}
	return errors.Join(w.tellSuppressed(), w.keys.finishChange())
}

// sayDurably commits events of the log's own. When it returns nil they are on stable storage,
// and every change of the key is in the file of key changes.
func (w *writer) sayDurably(events []logevent.Event) error {
	if err := w.keys.changes.write(); err != nil {
		return err
	}
	if len(events) == 0 {
		return nil
	}
	if err := w.commit(&group{says: events}); err != nil {
		return err
	}
	if w.opts.Sync {
		return nil
	}
	// The log does not wait for the disk, but what follows from these events must.
	return durable.Sync(w.dir, w.active.file)
}

// takeIn takes in what upkeep has done and found.
func (w *writer) takeIn(f finding) {
	if len(f.segments)+len(f.gone) > 0 {
		list := slices.Clone(w.segments)
		for _, s := range f.segments {
			if i := slices.IndexFunc(list, s.same); i >= 0 {
				list[i] = s
			}
		}
		w.segments = slices.DeleteFunc(list, func(s segmentInfo) bool { return slices.Contains(f.gone, s.name) })
		w.observeSegments()
	}
	if f.distrust != nil {
		w.distrust(f.distrust)
	}
	if f.jumped != "" {
		w.jumped(w.opts.Now(), f.jumped)
	}
	for file, detail := range f.damaged {
		w.sayDamaged(file, detail)
	}
	w.pending = append(w.pending, f.says...)
}

// same reports whether both are one segment.
func (s segmentInfo) same(other segmentInfo) bool {
	return s.name.FirstIndex == other.name.FirstIndex
}

// newLogID chooses the id of a log, at random.
func newLogID() (id signing.LogID) {
	_, _ = rand.Read(id[:]) // never fails
	return id
}
