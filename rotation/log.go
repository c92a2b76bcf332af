// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/limiter"
	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/rotation/internal/cosign"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// Log is an open log, the only writer of its directory. Its methods are safe
// for concurrent use.
type Log struct {
	opts Options
	dir  durable.FS
	// id and context are fixed once the log is open.
	id      signing.LogID
	context *signing.EventContext

	// mu guards what callers share before a commit.
	mu     sync.Mutex
	next   *group // the group that takes new calls; nil if none waits
	closed bool

	// sem is held by whoever changes the log: a committer, maintenance, Close.
	// It is a channel so that Close can wait for it no longer than its context
	// allows. It guards everything below it, but for what maintenance alone uses (and
	// Close, when maintenance has ended) and what the types below say of themselves.
	sem      chan struct{}
	keys     *keyring
	header   segment.Header   // of the newest segment
	commits  uint64           // number of the last commit
	lastTime time.Time        // of the last commit
	tree     merkle.Frontier  // the durable tree
	mark     *merkle.Mark     // where the newest segment begins in it
	note     []byte           // the signed checkpoint over it
	active   *activeSegment   // nil: the next commit starts a segment
	sealed   string           // why there is none
	debris   string           // a new segment that was not finished and is not durably removed
	torn     bool             // the active segment has a tail that is still to be set aside
	cutOff   logevent.Event   // what a repair that has to be tried again has cut off
	segments []segmentInfo    // all of them, by index; the active one last
	pending  []logevent.Event // to be written with the next commit
	doubt    error            // why the active segment must be re-checked first
	fault    error            // why the last commit failed, as the observer was told
	pruning  bool             // the commit records a pruning
	pruned   uint64           // leaves before this one have been recorded as pruned, by this process or in the newest segment of those found
	degraded bool             // the log has said that events are unsigned
	refusals limiter.Limiter  // of refused records, and those still to be told of
	buf      []byte           // what a commit writes at a time, reused

	keeper   keeper
	succeeds *segment.Predecessor // what a new log is to say

	maintenance *maintenance
	agent       *cosign.Agent // has a lock of its own
	followed    marks         // those of the snapshots that the agent still needs
	filed       []byte        // what the checkpoint file holds; maintenance has it

	unsound error    // why nothing is deleted as long as the log is open
	damaged []string // files that the log has said are damaged
	clock   clock
	atStart bool // a start began the newest segment
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

// Exists reports whether the directory holds a log: any segment, or a
// checkpoint of one.
func Exists(directory string) (bool, error) {
	_, err := os.Lstat(directory)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for an audit log: %w", err)
	}
	l, err := segment.List(os.DirFS(directory))
	if err != nil {
		return false, fmt.Errorf("look for an audit log in %s: %w", directory, err)
	}
	return len(l.Segments) > 0 || l.Checkpoint || len(l.Torn) > 0, nil
}

// Open opens the log in a directory, or starts one there, and takes the lock.
// It reads the newest segment only, however large the log is. What a crash left
// behind the last checkpoint is set aside in a file and said in the log; what a
// crash cannot explain is an error that names the file, and nothing is changed.
func Open(ctx context.Context, o Options) (_ *Log, err error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	l := &Log{opts: o, dir: o.FS, sem: make(chan struct{}, 1), refusals: newRefusals()}
	if l.agent, err = l.newAgent(); err != nil {
		return nil, fmt.Errorf("open the audit log: %w", err)
	}
	if l.dir == nil {
		if l.dir, err = durable.OpenLocked(o.Directory); err != nil {
			return nil, err
		}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.release())
		}
	}()
	l.keys = newKeyring(&l.opts, l.dir)
	l.maintenance = l.newMaintenance()
	l.keeper = newKeeper(&l.opts)
	if err := l.load(ctx); err != nil {
		return nil, fmt.Errorf("open the audit log in %s: %w", o.Directory, err)
	}
	l.context = signing.NewEventContext(o.Origin, l.id)
	if err := l.recall(ctx); err != nil {
		return nil, fmt.Errorf("open the audit log in %s: %w", o.Directory, err)
	}
	if err := l.closeToOthers(); err != nil {
		return nil, fmt.Errorf("open the audit log in %s: %w", o.Directory, err)
	}
	l.pending = append(l.pending, logevent.Event{Action: logevent.Opened, Version: segment.Format})
	l.startClock()
	l.observeSegments()
	// The log says that it was opened before it takes any event, so that a
	// directory that cannot be written is known at once. A full disk is no
	// reason not to start, be it that of the keys: it may have room by the time
	// events come.
	if err := l.commit(nil); err != nil && reasonOf(err) != ReasonDiskFull && reasonOf(err) != ReasonRetentionHeld && !errors.Is(err, errNoNextKey) {
		return nil, fmt.Errorf("open the audit log in %s: %w", o.Directory, err)
	}
	l.hold(l.maintenance.start)
	l.agent.Start(l.dir)
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

// ID returns the log's id, which tells it from any other log of its origin.
func (l *Log) ID() signing.LogID { return l.id }

// Signer returns the key with which events are to be signed at present.
func (l *Log) Signer() *signing.Signer { return l.keys.current() }

// NewBatch returns an empty batch for the log, which Release gives back.
func (l *Log) NewBatch() *stage.Batch { return stage.NewBatch(l.batchForm(l.opts.MaxLeafBytes)) }

func (l *Log) batchForm(maxLeafBytes int) stage.Form {
	return stage.Form{Scope: l.opts.Scope, BindIDs: l.opts.BindIDs, MaxLeafBytes: maxLeafBytes}
}

// Sign returns the function that signs events of this log with a key, for [stage.Batch.Add].
func (l *Log) Sign(s *signing.Signer) func(canonical []byte) ([]byte, error) {
	return func(canonical []byte) ([]byte, error) { return s.SignEvent(l.context, canonical) }
}

// Checkpoint returns the newest signed checkpoint, or nil if there is none yet.
func (l *Log) Checkpoint() []byte {
	l.sem <- struct{}{}
	defer func() { <-l.sem }()
	return append([]byte(nil), l.note...)
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

	stopped := errors.Join(l.maintenance.stop(ctx), l.agent.Stop(ctx))
	// A group that was joined before closed was set still has its leader
	// waiting for sem: passing behind it in turn is enough, because no group
	// can start any more.
	if err := l.drain(ctx); err != nil {
		return errors.Join(fmt.Errorf("close the audit log in %s: %w", l.opts.Directory, err), stopped)
	}
	if stopped != nil {
		<-l.sem
		return fmt.Errorf("close the audit log in %s: %w", l.opts.Directory, stopped)
	}
	l.sayClosed()
	writable := l.fault == nil
	<-l.sem
	if writable {
		l.agent.AskLast(ctx)
	}
	l.sem <- struct{}{} // nobody holds it for long any more
	defer func() { <-l.sem }()
	errs := []error{l.commitSuppressed()}
	if l.active != nil && !l.opts.Sync {
		errs = append(errs, l.active.file.Sync())
	}
	l.closeState()
	errs = append(errs, l.writeCheckpointFile(l.checkpointToFile(true)), l.release())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close the audit log in %s: %w", l.opts.Directory, err)
	}
	return nil
}

// drain waits until no call is in flight, and holds sem from then on.
func (l *Log) drain(ctx context.Context) error {
	for {
		select {
		case l.sem <- struct{}{}:
		case <-ctx.Done():
			return fmt.Errorf("calls are still in flight: %w", ctx.Err())
		}
		l.mu.Lock()
		waiting := l.next
		l.mu.Unlock()
		if waiting == nil {
			return nil
		}
		<-l.sem
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
	if l.active != nil {
		errs = append(errs, l.active.file.Close())
		l.active = nil
	}
	if l.opts.FS == nil {
		errs = append(errs, l.dir.Close())
	}
	if l.keeper.lock != nil {
		errs = append(errs, l.keeper.lock.Close())
		l.keeper.lock = nil
	}
	return errors.Join(errs...)
}
