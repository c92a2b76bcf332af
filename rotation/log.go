// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/rotation/internal/cosign"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// Log is an open log, the only writer of its directory. Its methods are safe
// for concurrent use.
type Log struct {
	opts   Options
	writer *writer
	upkeep *upkeep
	agent  *cosign.Agent

	// mu guards what callers share before a commit.
	mu     sync.Mutex
	next   *group // the group that takes new calls; nil if none waits
	closed bool
}

// Placement says where a call's events stand in the log.
type Placement struct {
	// FirstIndex is the leaf index of the call's first event; the others that were
	// written follow it.
	FirstIndex uint64
	// TreeSize is the size of the tree in the checkpoint that covers them.
	TreeSize uint64
	// Segment is the name of the file that holds them, before compression.
	Segment string
	// Refused are the call's records that have the ids of others and were not written.
	Refused stage.Refused
}

// Open opens the log in a directory, or starts one there, and takes the lock.
// It reads the newest segment only, however large the log is. What a crash left
// behind the last checkpoint is set aside in a file and said in the log; what a
// crash cannot explain is an error that names the file, and nothing is changed.
func Open(ctx context.Context, o Options) (_ *Log, err error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	dir := o.FS
	if dir == nil {
		if dir, err = durable.OpenLocked(o.Directory); err != nil {
			return nil, err
		}
	}
	l := &Log{opts: o}
	l.writer = newWriter(&l.opts, dir)
	l.upkeep = newUpkeep(&l.opts, dir, writersUpkeep{l.writer})
	defer func() {
		if err != nil {
			err = errors.Join(err, l.release())
		}
	}()
	if l.agent, err = newAgent(&l.opts, l.writer, l.upkeep); err != nil {
		return nil, fmt.Errorf("open the audit log: %w", err)
	}
	w := l.writer
	w.agent, w.wake, l.upkeep.cosign = l.agent, l.upkeep.wake, l.agent
	if err := (&recovery{writer: w, upkeep: l.upkeep}).recover(ctx); err != nil {
		return nil, fmt.Errorf("open the audit log in %s: %w", o.Directory, err)
	}
	// The log says that it was opened before it takes any event, so that a
	// directory that cannot be written is known at once. A full disk is no
	// reason not to start, be it that of the keys: it may have room by the time
	// events come.
	if err := w.commit(nil); err != nil && reasonOf(err) != reasonDiskFull && reasonOf(err) != reasonRetentionHeld && !errors.Is(err, errNoNextKey) {
		return nil, fmt.Errorf("open the audit log in %s: %w", o.Directory, err)
	}
	l.upkeep.start()
	l.agent.Start(dir)
	return l, nil
}

// Append commits the batches as one unit, but for records that are refused (see
// [stage.Batch.Refuse] and [stage.Identified.Refuse]), of which the log says so. When it returns nil, the
// other events are signed, on stable storage (unless Options.Sync is off) and covered by a
// signed checkpoint, in the order given; otherwise none of them counts, and
// the error is an [*Error] that says why, or [ErrKeyChanged]. Events that a
// stage has dropped (see Options.Stages) are in the log from before. The context is looked at before the
// call joins a commit: from then on the outcome is waited for, because a
// caller that left early could not know it.
func (l *Log) Append(ctx context.Context, batches ...*stage.Batch) (Placement, error) {
	c := &call{Call: stage.Call{Batches: batches}}
	events, refused := 0, 0
	for _, b := range batches {
		if b.Scope() != l.opts.Scope {
			return Placement{}, fmt.Errorf("append to the audit log: a batch of scope %s in a log of scope %s", b.Scope(), l.opts.Scope)
		}
		events += b.Len()
		refused += b.Refused().Len()
	}
	if events+refused == 0 {
		return Placement{}, errors.New("append to the audit log: no events")
	}
	if err := ctx.Err(); err != nil {
		return Placement{}, fmt.Errorf("append to the audit log: %w", err)
	}
	g, leader, err := l.join(c)
	if err != nil {
		return Placement{}, err
	}
	if leader {
		l.lead(g)
	} else {
		<-g.done
	}
	if err := cmp.Or(c.err, g.err); err != nil {
		return Placement{}, err
	}
	c.placement.Refused = c.Refused
	return c.placement, nil
}

// Signer returns the key with which events are to be signed at present.
func (l *Log) Signer() *signing.Signer { return l.writer.keys.current() }

// NewBatch returns an empty batch for the log, which Release gives back.
func (l *Log) NewBatch() *stage.Batch { return stage.NewBatch(l.opts.batchForm(l.opts.MaxLeafBytes)) }

// Sign returns the function that signs events of this log with a key, for [stage.Batch.Add].
func (l *Log) Sign(s *signing.Signer) func(canonical []byte) ([]byte, error) {
	return l.writer.sign(s)
}

// Checkpoint returns the newest signed checkpoint, or nil if there is none yet.
func (l *Log) Checkpoint() (note []byte) {
	l.writer.hold(func() { note = bytes.Clone(l.writer.note) })
	return note
}

// Close waits for the calls in flight, asks witnesses for the last checkpoint, for
// two seconds at most, brings the checkpoint file up to date and gives the lock back. Compression that is under way is left for the next
// start. If the context ends first, the error says so, and the files are left
// as they are: durable up to the last checkpoint.
func (l *Log) Close(ctx context.Context) error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.mu.Unlock()

	w := l.writer
	stopped := errors.Join(l.upkeep.stop(ctx), l.agent.Stop(ctx))
	// A group that was joined before closed was set still has its leader
	// waiting for sem: passing after it in turn is enough, because no group
	// can start any more.
	if err := l.drain(ctx); err != nil {
		return errors.Join(fmt.Errorf("close the audit log in %s: %w", l.opts.Directory, err), stopped)
	}
	if stopped != nil {
		<-w.sem
		return fmt.Errorf("close the audit log in %s: %w", l.opts.Directory, stopped)
	}
	w.sayClosed()
	writable := w.fault == nil
	<-w.sem
	if writable {
		l.agent.AskLast(ctx)
	}
	var err error
	w.hold(func() { // nobody holds it for long any more
		err = errors.Join(w.tellSuppressed(), l.upkeep.finish(&w.snapshot, w.syncNow()), l.release())
	})
	if err != nil {
		return fmt.Errorf("close the audit log in %s: %w", l.opts.Directory, err)
	}
	return nil
}

// drain waits until no call is in flight, and holds sem from then on.
func (l *Log) drain(ctx context.Context) error {
	for {
		select {
		case l.writer.sem <- struct{}{}:
		case <-ctx.Done():
			return fmt.Errorf("calls are still in flight: %w", ctx.Err())
		}
		l.mu.Lock()
		waiting := l.next
		l.mu.Unlock()
		if waiting == nil {
			return nil
		}
		<-l.writer.sem
		select {
		case <-waiting.done:
		case <-ctx.Done():
			return fmt.Errorf("calls are still in flight: %w", ctx.Err())
		}
	}
}

// release closes what is open. The log is of no use afterwards.
func (l *Log) release() error {
	var errs []error
	if a := l.writer.active; a != nil {
		errs = append(errs, a.file.Close())
		l.writer.active = nil
	}
	if l.opts.FS == nil {
		errs = append(errs, l.writer.dir.Close())
	}
	return errors.Join(append(errs, l.upkeep.keeper.unlock())...)
}
