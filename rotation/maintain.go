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
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// maintenance is the one goroutine that works beside the commits: it keeps the
// checkpoint file fresh, rotates by age, compresses and prunes. It holds sem
// only while it changes the log.
type maintenance struct {
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

func (l *Log) startMaintenance() {
	ctx, cancel := context.WithCancel(context.Background())
	l.maintenance = maintenance{
		wake:   make(chan struct{}, 1),
		cancel: cancel,
		done:   make(chan struct{}),
	}
	l.maintenance.wake <- struct{}{}
	go func() {
		defer close(l.maintenance.done)
		l.maintain(ctx)
	}()
}

// committed tells the goroutine that there may be something to do.
func (m *maintenance) committed() {
	select {
	case m.wake <- struct{}{}:
	default: // it has been told, or does not run yet
	}
}

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

func (l *Log) maintain(ctx context.Context) {
	idle := time.NewTimer(idleInterval)
	defer idle.Stop()
	for {
		idle.Reset(l.nextLook())
		select {
		case <-ctx.Done():
			return
		case <-l.maintenance.wake:
		case <-idle.C:
		}
		l.work(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(checkpointInterval):
		}
	}
}

// work does what there is to do. What keeps failing is complained of once.
func (l *Log) work(ctx context.Context) {
	var errs []error
	for _, work := range []func(context.Context) error{l.rotateByAge, l.tellSuppressed, l.afterKeyChange, l.keepState, l.refreshCheckpointFile, l.watchClock, l.prune, l.compressSealed} {
		errs = append(errs, work(ctx))
	}
	err := errors.Join(errs...)
	switch {
	case ctx.Err() != nil:
	case err == nil:
		l.complaint = ""
	case err.Error() != l.complaint:
		l.complaint = err.Error()
		l.opts.Logger.Warn("Maintaining the audit log; it will be tried again", zap.Error(err))
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
	if err := durable.Replace(l.dir, segment.CheckpointName, durable.Private, durable.Bytes(note)); err != nil {
		return err
	}
	l.filed = note
	return nil
}
