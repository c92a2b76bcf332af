// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/realpath"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// retryInterval is how often receipts are tried again that could not be written.
const retryInterval = 10 * time.Second

// Scheduler writes the receipts of several logs, in one goroutine. Commits only tell it how
// far their logs are, so none waits for a receipt.
type Scheduler struct {
	logger *zap.Logger
	// parent is the directory that those of the logs lie in; "" if there is one log, whose
	// directory it would be. root is that, once it is open; opening guards it.
	parent  string
	opening sync.Mutex
	root    durable.FS

	mu      sync.Mutex
	begun   []*Schedule // all of them
	due     []*Schedule
	closing bool

	wake   chan struct{} // has room for one
	cancel context.CancelFunc
	done   chan struct{}
}

// Observer is told what comes of one log's receipts.
type Observer interface {
	// Receipts: receipts have been written, as far as they could be.
	Receipts(Result)
	// ReceiptsFault: receipts cannot be written; nil: they can again. Called on change only.
	ReceiptsFault(error)
}

// NewScheduler starts a scheduler. With a parent the logs are partitions, and the directories
// of their receipts lie in it by their names; it is locked. No directory is opened yet: a log
// does not depend on one that is amiss.
func NewScheduler(parent string, logger *zap.Logger) *Scheduler {
	s := &Scheduler{logger: logger, parent: parent, wake: make(chan struct{}, 1), done: make(chan struct{})}
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(context.Background())
	go s.run(ctx)
	return s
}

// Schedule has the receipts of one log written.
type Schedule struct {
	of       *Scheduler
	name     string // of the log's partition, or ""
	options  Options
	observer Observer

	// These are guarded by of.mu. failing is why receipts cannot be written: then it is
	// not tried with every commit.
	begun, queued bool
	at            Durable
	failing       error

	// issuer is for the goroutine of the scheduler; it is nil after an error.
	issuer *Issuer
}

// Log returns the schedule of a partition's log, or that of the only log, whose name is "".
// Nothing is written before Begin.
func (s *Scheduler) Log(name string, o Options, observer Observer) *Schedule {
	return &Schedule{of: s, name: name, options: o, observer: observer}
}

// Begin says that the log is open. What is wrong with the directory for receipts is told to
// the observer, and tried again: the log goes on without.
func (l *Schedule) Begin(log *rotation.Log) error {
	if note := log.Checkpoint(); note != nil {
		c, err := signing.ParseCheckpoint(note)
		if err != nil {
			return fmt.Errorf("issue receipts: %w", err)
		}
		l.options.Begin = c.Size
	}
	// At once, so that what comes from here on has receipts whenever they can be written.
	// The error is found again by issue, which tells of it.
	l.issuer, _ = l.open()
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	if l.of.closing { // by a shutdown that did not wait for this log to be opened
		return l.close()
	}
	l.begun = true
	l.of.begun = append(l.of.begun, l)
	l.queue()
	return nil
}

// open opens the directory of the log's receipts.
func (l *Schedule) open() (*Issuer, error) {
	if l.of.parent != "" {
		root, err := l.of.openRoot()
		if err != nil {
			return nil, err
		}
		if info, err := root.Lstat(l.name); err == nil && !info.IsDir() {
			return nil, fmt.Errorf("%s is not a directory but %s: a partition's receipts lie in a directory of its own, to which no link leads", realpath.Absolute(l.options.Directory), info.Mode().Type())
		}
	}
	return Open(l.options)
}

// openRoot returns the directory that those of partitions lie in.
func (s *Scheduler) openRoot() (durable.FS, error) {
	s.opening.Lock()
	defer s.opening.Unlock()
	if s.root == nil {
		root, err := durable.OpenLocked(s.parent)
		if err != nil {
			return nil, err
		}
		s.root = root
	}
	// Or else the directories above would be made anew where they were.
	return s.root, s.root.Present()
}

// Committed says that a commit has become durable.
func (l *Schedule) Committed(c rotation.Commit) {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	l.at = Durable{Segment: c.Segment, Bytes: c.SegmentBytes, Size: c.TreeSize}
	if l.failing == nil {
		l.queue()
	}
}

// queue has the log looked at. It is called with of.mu held.
func (l *Schedule) queue() {
	if !l.begun || l.queued || l.at.Segment == "" {
		return
	}
	l.queued = true
	l.of.due = append(l.of.due, l)
	select {
	case l.of.wake <- struct{}{}:
	default:
	}
}

// run writes receipts until there is nothing left to do and Close has been called.
func (s *Scheduler) run(ctx context.Context) {
	defer close(s.done)
	defer func() {
		for _, l := range s.all() {
			l.end()
		}
		if s.root != nil {
			_ = s.root.Close() // nothing has been written to it
		}
	}()
	again := time.NewTicker(retryInterval)
	defer again.Stop()
	for ctx.Err() == nil {
		l, at, closing := s.next()
		if l != nil {
			l.issue(ctx, at)
			continue
		}
		if closing {
			return
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
		case <-again.C:
			s.mu.Lock()
			s.retry()
			s.mu.Unlock()
		}
	}
}

// retry has the logs looked at whose receipts could not be written. It is called with mu
// held.
func (s *Scheduler) retry() {
	for _, l := range s.begun {
		if l.failing != nil {
			l.queue()
		}
	}
}

func (s *Scheduler) all() []*Schedule {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.begun)
}

// next returns the log that is to be looked at next, or nil.
func (s *Scheduler) next() (l *Schedule, at Durable, closing bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.due) == 0 {
		return nil, at, s.closing
	}
	l, s.due = s.due[0], s.due[1:]
	l.queued = false
	return l, l.at, s.closing
}

// issue writes the receipts that are due.
func (l *Schedule) issue(ctx context.Context, at Durable) {
	var err error
	if l.issuer == nil {
		if l.issuer, err = l.open(); err != nil {
			err = fmt.Errorf("receipts::directory: %w", err)
		}
	}
	if err == nil {
		var r Result
		r, err = l.issuer.Issue(ctx, at)
		l.observer.Receipts(r)
		if r.Missed > 0 {
			l.of.logger.Error("Events go without receipts", zap.String("partition", l.name), zap.Uint64("leaves", r.Missed), zap.Error(r.Why))
		}
	}
	if ctx.Err() != nil {
		return // the next start goes on
	}
	if err != nil {
		err = errors.Join(err, l.close())
	}
	l.of.mu.Lock()
	before := l.failing
	l.failing = err
	if err == nil && l.at != at {
		l.queue() // what has been committed meanwhile
	}
	l.of.mu.Unlock()
	switch {
	case err == nil && before == nil, err != nil && before != nil && err.Error() == before.Error():
		return
	case err == nil:
		l.of.logger.Info("Receipts can be written again", zap.String("partition", l.name))
	case errors.Is(err, ErrContradicted):
		l.of.logger.Error("The receipts there are contradict the log; no more are written", zap.String("partition", l.name), zap.Error(err))
	default:
		l.of.logger.Error("Receipts cannot be written; the log is not affected, and they are made up for once they can be", zap.String("partition", l.name), zap.Error(err))
	}
	l.observer.ReceiptsFault(err)
}

// end closes the files for good. If receipts could not be written up to now, the next
// start writes them where there is a newest receipt to go on from; in an empty directory
// it begins with what comes then.
func (l *Schedule) end() {
	l.of.mu.Lock()
	size, failing := l.at.Size, l.failing
	l.of.mu.Unlock()
	if failing != nil {
		l.of.logger.Error("Receipts have not been written up to the end of the log", zap.String("partition", l.name), zap.Uint64("tree_size", size), zap.Error(failing))
	}
	if err := l.close(); err != nil {
		l.of.logger.Warn("The files of receipts could not be closed", zap.String("partition", l.name), zap.Error(err))
	}
}

func (l *Schedule) close() error {
	if l.issuer == nil {
		return nil
	}
	i := l.issuer
	l.issuer = nil
	return i.Close()
}

// Close writes what is due, as long as the context allows. The logs must be closed.
func (s *Scheduler) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	s.retry() // for the last time
	s.mu.Unlock()
	defer s.cancel()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		s.cancel()
		return fmt.Errorf("shut the auditlog exporter down: receipts are still being written; the next start goes on with them: %w", ctx.Err())
	}
}
