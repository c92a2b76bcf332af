// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/segname"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// upkeep is the one goroutine that works next to the commits: it does its jobs one after the
// other, when a commit has woken it and at times without. Nothing of it is shared, but for wake:
// Open uses it before start, and Close after stop.
type upkeep struct {
	log    upkeepsLog
	dir    durable.FS
	opts   *Options
	cosign checkpoints

	keeper      keeper
	checkpoint  checkpointOnDisk
	ranges      prunedRanges
	pruned      uint64    // leaves before this one have been recorded as pruned, by this process or in the newest segment of those found
	clock       time.Time // a reading to compare with, which is renewed once a day
	lastWarning string    // of the jobs that fail, until all succeed

	woken  chan struct{} // a commit has happened
	cancel context.CancelFunc
	done   chan struct{}
}

// upkeepsLog is the log as upkeep sees it. Each method waits for the commit under way.
type upkeepsLog interface {
	// Snapshot returns the log as the last commit has left it.
	Snapshot() snapshot
	// Durable is Snapshot, of a log that is on stable storage.
	Durable() (snapshot, error)
	// CatchUp does what is due to the log without a call.
	CatchUp() error
	// Say commits events of the log's own. When it returns nil they are on stable storage, and
	// every change of the key is in the file of key changes, even if there are no events. If it fails none of the events is
	// written, then or later.
	Say(events ...logevent.Event) error
	// TakeIn has the log go by what upkeep has done and found.
	TakeIn(finding)
}

// finding is what upkeep has done to sealed segments, and found out of the log's files. Each
// member may be left out.
type finding struct {
	segments []segmentInfo // what is known of them now
	gone     []segment.Name
	distrust *discrepancy // why nothing is deleted any more
	jumped   string       // how the clock has
	// damaged are files that are not as the log has written them, and how. The next commit says
	// so, once for each, and it says what is in says.
	damaged map[string]string
	says    []logevent.Event
}

// checkpoints returns the checkpoint that the checkpoint file should hold: the newest, or an
// earlier one with more cosignatures; nil if none should be written yet.
type checkpoints interface {
	Checkpoint(newest []byte, closing bool) []byte
}

const (
	// checkpointInterval is how often, at most, the checkpoint file is
	// replaced.
	checkpointInterval = time.Second
	// idleInterval is how often age limits are looked at without a commit.
	idleInterval = 10 * time.Second
)

func newUpkeep(o *Options, dir durable.FS, log upkeepsLog) *upkeep {
	u := &upkeep{
		log: log, dir: dir, opts: o,
		keeper:     newKeeper(o),
		checkpoint: checkpointOnDisk{dir: dir},
		woken:      make(chan struct{}, 1),
		done:       make(chan struct{}),
	}
	u.ranges = prunedRanges{dir: dir, log: u}
	return u
}

// start begins the goroutine, with a look at what there is to do.
func (u *upkeep) start() {
	var ctx context.Context
	ctx, u.cancel = context.WithCancel(context.Background())
	u.wake()
	go func() {
		defer close(u.done)
		u.run(ctx)
	}()
}

// wake tells the goroutine that there may be something to do. It may be called at any time.
func (u *upkeep) wake() {
	select {
	case u.woken <- struct{}{}:
	default: // it has been told
	}
}

// stop ends the goroutine, if it was started.
func (u *upkeep) stop(ctx context.Context) error {
	if u.cancel == nil {
		return nil
	}
	u.cancel()
	select {
	case <-u.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("compression or retention is still under way: %w", ctx.Err())
	}
}

func (u *upkeep) run(ctx context.Context) {
	idle := time.NewTimer(idleInterval)
	defer idle.Stop()
	for {
		idle.Reset(u.nextLook())
		select {
		case <-ctx.Done():
			return
		case <-u.woken:
		case <-idle.C:
		}
		u.work(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(checkpointInterval):
		}
	}
}

// work does what there is to do. What keeps failing is warned of once.
func (u *upkeep) work(ctx context.Context) {
	errs := []error{u.log.CatchUp(), u.keepState(), u.refreshCheckpoint()}
	u.watchClock()
	errs = append(errs, u.prune(ctx), u.compress(ctx))
	err := errors.Join(errs...)
	switch {
	case ctx.Err() != nil:
	case err == nil:
		u.lastWarning = ""
	case err.Error() != u.lastWarning:
		u.lastWarning = err.Error()
		u.opts.Logger.Warn("Maintaining the audit log; it will be tried again", zap.Error(err))
	}
}

// nextLook returns how long the goroutine may sleep if no commit wakes it.
func (u *upkeep) nextLook() time.Duration {
	wait, s := idleInterval, u.log.Snapshot()
	if s.fault != nil {
		wait = checkpointInterval
	}
	if a := s.active; a != nil && u.opts.MaxSegmentAge > 0 && a.events > 0 {
		wait = min(wait, u.opts.MaxSegmentAge-u.opts.Now().Sub(a.name.Created))
	}
	return max(wait, time.Millisecond)
}

// refreshCheckpoint brings the checkpoint file up to date.
func (u *upkeep) refreshCheckpoint() error {
	s := u.log.Snapshot()
	return u.checkpoint.replace(u.cosign.Checkpoint(s.note, false), s.note)
}

// finish leaves the files that are kept next to the segments as a log that is closed has them.
// synced is why the log is not durable, nil if it is.
func (u *upkeep) finish(s *snapshot, synced error) error {
	if synced == nil && u.keeper.keeps() && s.tree.Size() > 0 {
		// If it cannot be kept, the state before remains: a lower bound.
		if err := u.keeper.save(s.state()); err != nil {
			u.opts.Logger.Warn("How far the audit log has come could not be kept in its state directory", zap.Error(err))
		}
	}
	return errors.Join(synced, u.checkpoint.replace(u.cosign.Checkpoint(s.note, true), s.note))
}

// isGone reports whether a segment's file is not there, though its directory is.
func (u *upkeep) isGone(name segment.Name) bool {
	_, err := u.dir.Lstat(name.String())
	return errors.Is(err, fs.ErrNotExist) && u.dir.Present() == nil
}

// miss takes a sealed segment off the list that somebody has removed, and has the next
// commit say so. The newest segment stays: what follows it refers to it.
func (u *upkeep) miss(name segment.Name) {
	s := u.log.Snapshot()
	if len(s.segments) == 0 || s.segments[len(s.segments)-1].name == name {
		return
	}
	detail := fmt.Sprintf("the sealed segment %s is gone, and it was not retention", name)
	u.log.TakeIn(finding{
		gone: []segment.Name{name}, distrust: &discrepancy{name.String(), detail},
		says: []logevent.Event{{Action: logevent.Damaged, Reason: "interference", Segment: segname.Plain(name).String(), Detail: detail}},
	})
	u.opts.Logger.Error("A sealed segment of the audit log has been removed by somebody", zap.Stringer("segment", name))
}

// distrust takes in why a segment cannot be believed. What is there and does not agree ends
// all deleting for as long as the log is open; what could not be read is tried again.
func (u *upkeep) distrust(ctx context.Context, err error) error {
	var d *discrepancy
	if ctx.Err() != nil || !errors.As(err, &d) {
		return err
	}
	u.log.TakeIn(finding{distrust: d, damaged: map[string]string{d.file: d.Error()}})
	return err
}

// reportDamaged has the log say that a file is not as the log has written it.
func (u *upkeep) reportDamaged(file, detail string) {
	u.log.TakeIn(finding{damaged: map[string]string{file: detail}})
}

// reportSetAside sets a file aside that is not the log's own work, and has the log say so.
func (u *upkeep) reportSetAside(file, why string) error {
	kept, err := setAside(u.dir, file)
	if err == nil {
		u.reportDamaged(file, keptAs(kept, why))
	}
	return err
}

// writersUpkeep is the log that upkeep sees.
type writersUpkeep struct{ *writer }

func (w writersUpkeep) Snapshot() (s snapshot) {
	w.hold(func() { s = w.snapshot })
	return s
}

func (w writersUpkeep) Durable() (s snapshot, err error) {
	w.hold(func() { s, err = w.snapshot, w.syncNow() })
	return s, err
}

func (w writersUpkeep) CatchUp() (err error) {
	w.hold(func() { err = w.catchUp() })
	return err
}

func (w writersUpkeep) Say(events ...logevent.Event) (err error) {
	w.hold(func() { err = w.sayDurably(events) })
	return err
}

func (w writersUpkeep) TakeIn(f finding) { w.hold(func() { w.takeIn(f) }) }
