// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
)

// maintenance is the one goroutine that works next to the commits: it does its jobs one after
// the other, when a commit has woken it and at times without. It knows of the log only its jobs,
// which hold sem while they change the log. But for committed, which may be called at any time,
// nothing of it is shared: ranges and lastWarning are the goroutine's.
type maintenance struct {
	jobs     []func(context.Context) error
	nextLook func() time.Duration // how long it may sleep if no commit wakes it
	logger   *zap.Logger

	ranges      prunedRanges
	lastWarning string // of the jobs that fail, until all succeed

	wake   chan struct{} // a commit has happened
	cancel context.CancelFunc
	done   chan struct{}
}

const (
	// checkpointInterval is how often, at most, the checkpoint file is
	// replaced.
	checkpointInterval = time.Second
	// idleInterval is how often age limits are looked at without a commit.
	idleInterval = 10 * time.Second
)

// newMaintenance returns the maintenance of a log, which start begins.
func (l *Log) newMaintenance() *maintenance {
	return &maintenance{
		jobs:     []func(context.Context) error{l.rotateByAge, l.tellSuppressed, l.afterKeyChange, l.keepState, l.refreshCheckpointFile, l.watchClock, l.prune, l.compressSealed},
		nextLook: l.nextLook,
		logger:   l.opts.Logger,
		ranges:   prunedRanges{dir: l.dir, log: l},
		wake:     make(chan struct{}, 1),
		done:     make(chan struct{}),
	}
}

// start begins the goroutine, with a look at what there is to do.
func (m *maintenance) start() {
	var ctx context.Context
	ctx, m.cancel = context.WithCancel(context.Background())
	m.committed()
	go func() {
		defer close(m.done)
		m.run(ctx)
	}()
}

// committed tells the goroutine that there may be something to do.
func (m *maintenance) committed() {
	select {
	case m.wake <- struct{}{}:
	default: // it has been told
	}
}

// stop ends the goroutine, if it was started.
func (m *maintenance) stop(ctx context.Context) error {
	if m.cancel == nil {
		return nil
	}
	m.cancel()
	select {
	case <-m.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("compression or retention is still under way: %w", ctx.Err())
	}
}

func (m *maintenance) run(ctx context.Context) {
	idle := time.NewTimer(idleInterval)
	defer idle.Stop()
	for {
		idle.Reset(m.nextLook())
		select {
		case <-ctx.Done():
			return
		case <-m.wake:
		case <-idle.C:
		}
		m.work(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(checkpointInterval):
		}
	}
}

// work does what there is to do. What keeps failing is warned of once.
func (m *maintenance) work(ctx context.Context) {
	var errs []error
	for _, job := range m.jobs {
		errs = append(errs, job(ctx))
	}
	err := errors.Join(errs...)
	switch {
	case ctx.Err() != nil:
	case err == nil:
		m.lastWarning = ""
	case err.Error() != m.lastWarning:
		m.lastWarning = err.Error()
		m.logger.Warn("Maintaining the audit log; it will be tried again", zap.Error(err))
	}
}

// nextLook returns how long the goroutine may sleep if no commit wakes it.
func (l *Log) nextLook() time.Duration {
	wait := idleInterval
	l.hold(func() {
		if l.fault != nil {
			wait = checkpointInterval
		}
		if a := l.active; a != nil && l.opts.MaxSegmentAge > 0 && a.events > 0 {
			wait = min(wait, l.opts.MaxSegmentAge-l.opts.Now().Sub(a.name.Created))
		}
	})
	return max(wait, time.Millisecond)
}

// hold runs f while no commit does.
func (l *Log) hold(f func()) {
	l.sem <- struct{}{}
	defer func() { <-l.sem }()
	f()
}

// rotateByAge seals a segment that has reached its age though no call comes. It
// also writes what the log has still to say of itself, and so finds out whether
// a fault has passed.
func (l *Log) rotateByAge(context.Context) (err error) {
	l.hold(func() {
		if l.fault != nil || l.aged() || len(l.pending) > 0 {
			// A failure is told to the observer, and again to the next caller.
			_ = l.commit(nil)
		}
	})
	return nil
}

func (l *Log) afterKeyChange(context.Context) (err error) {
	l.hold(func() { err = l.keys.finishChange() })
	return err
}

func (l *Log) refreshCheckpointFile(context.Context) error {
	var note []byte
	l.hold(func() { note = l.checkpointToFile(false) })
	return l.writeCheckpointFile(note)
}

// writeCheckpointFile replaces the convenience copy of a new checkpoint,
// if it has changed. Only maintenance, and Close after it, call it.
func (l *Log) writeCheckpointFile(note []byte) error {
	if note == nil || bytes.Equal(note, l.filed) {
		return nil
	}
	if err := durable.Replace(l.dir, sidefile.CheckpointName, durable.Private, durable.Bytes(note)); err != nil {
		return err
	}
	l.filed = note
	return nil
}
