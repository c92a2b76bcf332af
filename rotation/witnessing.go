// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v7"
	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// witnessing asks the witnesses, beside the commits: at each interval, if the log has
// grown by anything but what it says of witnesses, all that are not being asked already
// and have not failed just now get the newest checkpoint. One goroutine asks and takes
// the answers, one for each request waits for it. All of it is guarded by Log.sem,
// which nobody holds while waiting for a witness.
type witnessing struct {
	all []*cosigner
	// newest is the checkpoint that the witnesses are asked for; nil at first.
	newest *round
	// marks prove how the tree grows from the rounds on that may still be needed.
	marks []*merkle.Mark
	// relevant is the size of the tree up to the last leaf worth a witness's while.
	relevant uint64
	// quorumSize and quorumNote are of the newest checkpoint that a quorum has cosigned
	// since the log was opened. since is when there was the last progress, or when it
	// was all there was to cosign; late says that this is too long ago.
	quorumSize uint64
	quorumNote []byte
	since      time.Time
	late       bool
	problem    string // what the observer has been told last

	answers  chan answer // has room for one of each
	requests sync.WaitGroup
	cancel   context.CancelFunc
	done     chan struct{}
}

// cosigner is a witness, and how far it is.
type cosigner struct {
	witness.Witness
	at      *round // the newest that it has cosigned; nil at first
	asked   *round // what it is being asked for; nil if it is not
	backoff *backoff.ExponentialBackOff
	retryAt time.Time
	failure error // of the last request
	// contradicts is the reason for which it refuses the log as another one.
	contradicts    string
	contradictions contradictions
	// reads are when the log was last read for a proof that it asked for. They belong to
	// the request under way.
	reads [maxProofReads]time.Time
}

// round is a checkpoint that witnesses are asked to cosign.
type round struct {
	note         []byte
	tree         merkle.Frontier
	mark         *merkle.Mark
	cosignatures map[*cosigner]witness.Cosignature
	asked        int  // requests under way
	unsaid       bool // there are cosignatures that the log does not tell of yet
}

func (r *round) size() uint64 { return r.tree.Size() }

// answer is what a request gave.
type answer struct {
	from        *cosigner
	cosignature witness.Cosignature
	err         error
	took        time.Duration
}

func (l *Log) startWitnessing() {
	w := &l.witnessing
	w.since = l.opts.Now()
	if len(l.opts.Witnesses) == 0 {
		return
	}
	for _, one := range l.opts.Witnesses {
		w.all = append(w.all, &cosigner{Witness: one, backoff: &backoff.ExponentialBackOff{
			InitialInterval:     l.opts.WitnessInterval,
			RandomizationFactor: backoff.DefaultRandomizationFactor,
			Multiplier:          2,
			MaxInterval:         maxBackoff * l.opts.WitnessInterval,
		}})
	}
	w.answers = make(chan answer, len(w.all))
	w.done = make(chan struct{})
	var ctx context.Context
	ctx, w.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(w.done)
		l.witness(ctx)
		w.requests.Wait()
	}()
}

// stop ends the goroutine and all requests.
func (w *witnessing) stop(ctx context.Context) error {
	if w.cancel == nil {
		return nil
	}
	w.cancel()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("a witness is still being asked: %w", ctx.Err())
	}
}

func (l *Log) witness(ctx context.Context) {
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
			l.hold(func() { l.askWitnesses(ctx, false) })
			next.Reset(l.opts.WitnessInterval)
		case a := <-l.witnessing.answers:
			l.hold(func() { l.takeAnswer(a) })
		}
	}
}

// committed takes in a commit that is durable.
func (w *witnessing) committed(l *Log, c *change) {
	// Or else an idle log would never come to rest: an event about witnesses may be what
	// seals a segment.
	other := func(o logevent.Event) bool { return o.Action != logevent.Witnessed && o.Action != logevent.Rotated }
	if c.events == 0 && !slices.ContainsFunc(c.says, other) {
		return
	}
	if w.relevant <= w.quorumSize {
		w.since = l.opts.Now()
	}
	w.relevant = l.tree.Size()
}

// askWitnesses begins a round if there is something new, and asks those who are behind.
// If it is the last round, there is no time for those whose last answer was a failure.
func (l *Log) askWitnesses(ctx context.Context, last bool) {
	w, now := &l.witnessing, l.opts.Now()
	l.countContradictions(last)
	if w.newest != nil && w.newest.unsaid {
		l.sayWitnessed(w.newest) // without those that let the others wait
	}
	if w.newest == nil || w.relevant > w.newest.size() {
		if err := l.syncNow(); err != nil {
			l.opts.Logger.Warn("The audit log's witnesses are not asked, because the log could not be synced", zap.Error(err))
			return
		}
		if l.note == nil {
			return
		}
		w.newest = &round{note: l.note, tree: l.tree, mark: merkle.NewMark(&l.tree), cosignatures: map[*cosigner]witness.Cosignature{}}
	}
	for _, c := range w.all {
		due := !now.Before(c.retryAt) && (c.failure == nil || !last)
		if c.asked == nil && c.at != w.newest && due {
			l.ask(ctx, c)
		}
	}
	w.follow()
	l.judgeWitnesses()
}

// syncNow makes durable what others are about to learn of: they would take a log that lost
// it for one that was rolled back.
func (l *Log) syncNow() error {
	if l.opts.Sync || l.active == nil {
		return nil
	}
	return durable.Sync(l.dir, l.active.file)
}

// ask sends a witness the newest checkpoint.
func (l *Log) ask(ctx context.Context, c *cosigner) {
	w, r := &l.witnessing, l.witnessing.newest
	c.asked = r
	r.asked++
	old := uint64(0)
	if c.at != nil {
		old = c.at.size()
	}
	// The marks go on with the tree, so proofs are made of them here.
	proofs := map[uint64][]merkle.Hash{0: nil, r.size(): nil}
	for _, m := range w.marks {
		if m.Size() < r.size() {
			proofs[m.Size()] = m.Proof(&r.tree)
		}
	}
	w.requests.Go(func() {
		start := time.Now()
		cosignature, err := l.cosign(ctx, c, r, old, proofs)
		w.answers <- answer{from: c, cosignature: cosignature, err: err, took: time.Since(start)}
	})
}

// cosign asks a witness for a cosignature, from the tree of old leaves on or, if it is
// elsewhere, from there. The witness remembers where it is: so nothing needs to be kept
// here for a restart.
func (l *Log) cosign(ctx context.Context, c *cosigner, r *round, old uint64, proofs map[uint64][]merkle.Hash) (witness.Cosignature, error) {
	for again := false; ; again = true {
		proof, known := proofs[old]
		if !known {
			var err error
			if proof, err = l.readProofFor(ctx, c, r, old); err != nil {
				return witness.Cosignature{}, err
			}
		}
		cosignature, err := addCheckpoint(ctx, c, old, proof, r.note)
		var conflict *witness.Conflict
		switch {
		case errors.Is(err, witness.ErrInconsistent) && old > 0:
			err = &contradiction{witness: c.Name(), reason: forked, size: old, err: err}
		case !errors.As(err, &conflict):
		case conflict.Size > segment.MaxIndex:
			err = fmt.Errorf("the answer makes no sense, since no log has so many leaves: %w", err)
		case conflict.Size > r.size():
			err = &contradiction{witness: c.Name(), reason: rolledBack, size: conflict.Size, err: err}
		case conflict.Size == old && old == r.size():
			err = &contradiction{witness: c.Name(), reason: forked, size: old, err: err}
		case !again:
			old = conflict.Size
			continue
		}
		return cosignature, err
	}
}

func addCheckpoint(ctx context.Context, c *cosigner, old uint64, proof []merkle.Hash, note []byte) (witness.Cosignature, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return c.AddCheckpoint(ctx, old, proof, note)
}

// takeAnswer takes in what a request gave.
func (l *Log) takeAnswer(a answer) {
	w, c, r, now := &l.witnessing, a.from, a.from.asked, l.opts.Now()
	c.asked = nil
	r.asked--
	if errors.Is(a.err, context.Canceled) {
		return // the log is being closed
	}
	if a.err == nil {
		l.takeCosignature(c, r, a.cosignature)
	} else {
		c.retryAt = now.Add(c.backoff.NextBackOff())
		l.takeFailure(c, a.err)
	}
	reply := witness.Reply{Witness: c.Name(), Outcome: outcome(a.err), Err: a.err, Duration: a.took}
	if c.at != nil {
		reply.Size = c.at.size()
	}
	l.opts.Observer.WitnessReplied(reply)
	if r.asked == 0 && r.unsaid {
		l.sayWitnessed(r)
	}
	w.follow()
	l.judgeWitnesses()
}

// takeCosignature takes in that a witness has cosigned a checkpoint.
func (l *Log) takeCosignature(c *cosigner, r *round, cosignature witness.Cosignature) {
	w := &l.witnessing
	if c.failure != nil {
		l.opts.Logger.Info("A witness of the audit log cosigns again", zap.String("witness", c.Name()), zap.Uint64("tree_size", r.size()))
	}
	c.at, c.failure, c.contradicts = r, nil, ""
	c.backoff.Reset()
	c.retryAt = time.Time{}
	r.cosignatures[c] = cosignature
	r.unsaid = true
	if len(r.cosignatures) < l.opts.WitnessQuorum || r.size() < w.quorumSize {
		return
	}
	if r.size() > w.quorumSize {
		w.since = l.opts.Now()
		l.opts.Observer.Witnessed(r.size())
	}
	w.quorumSize, w.quorumNote = r.size(), w.cosigned(r)
	l.maintenance.committed() // the checkpoint file is to have it
}

// takeFailure takes in that a witness has not cosigned. What remains the same is said
// once.
func (l *Log) takeFailure(c *cosigner, err error) {
	before := c.failure
	c.failure = err
	var other *contradiction
	if !errors.As(err, &other) {
		if before == nil || before.Error() != err.Error() {
			l.opts.Logger.Warn("A witness of the audit log does not cosign; it will be asked again", zap.String("witness", c.Name()), zap.Error(err))
		}
		return
	}
	if c.contradicts != "" {
		return
	}
	c.contradicts = other.reason
	l.contradict(c, other)
}

// cosigned returns a round's checkpoint with the cosignatures there are, in the order
// of the configuration.
func (w *witnessing) cosigned(r *round) []byte {
	var all []witness.Cosignature
	for _, c := range w.all {
		if one, ok := r.cosignatures[c]; ok {
			all = append(all, one)
		}
	}
	return witness.Cosigned(r.note, all...)
}

// sayWitnessed writes an event that holds the checkpoint with its cosignatures, and the
// proof that it is one of this log: so cosignatures cannot be stripped unseen, and are
// checked wherever the event is.
func (l *Log) sayWitnessed(r *round) {
	l.pending = append(l.pending, logevent.Event{
		Action: logevent.Witnessed, Checkpoint: string(l.witnessing.cosigned(r)), Proof: r.mark.Proof(&l.tree), Size: r.size(),
	})
	if err := l.commit(nil); err != nil {
		// The proof is for this commit. What follows a fault is worth a round anyway.
		l.pending = slices.DeleteFunc(l.pending, func(o logevent.Event) bool { return o.Action == logevent.Witnessed })
		return
	}
	r.unsaid = false
}

// follow has the marks followed that may still be needed.
func (w *witnessing) follow() {
	w.marks = nil
	for _, c := range w.all {
		for _, r := range []*round{w.newest, c.at, c.asked} {
			if r != nil && !slices.Contains(w.marks, r.mark) {
				w.marks = append(w.marks, r.mark)
			}
		}
	}
}

// judgeWitnesses tells the observer whether the witnesses keep up, when that changes.
func (l *Log) judgeWitnesses() {
	w := &l.witnessing
	w.late = w.relevant > w.quorumSize && l.opts.Now().Sub(w.since) > lateAfter*l.opts.WitnessInterval
	problem, err := "", error(nil)
	for _, c := range w.all {
		if c.contradicts != "" {
			problem += c.Name() + " " + c.contradicts + "\n"
			err = errors.Join(err, c.failure)
		}
	}
	if w.late {
		problem += "late"
		err = errors.Join(err, l.lateError())
	}
	if problem != w.problem {
		w.problem = problem
		l.opts.Observer.WitnessesFault(err)
	}
}

// lateError says how far each witness is.
func (l *Log) lateError() error {
	w := &l.witnessing
	var each []string
	for _, c := range w.all {
		at := "has cosigned nothing since the start"
		if c.at != nil {
			at = fmt.Sprintf("has cosigned %d leaves", c.at.size())
		}
		if c.failure != nil {
			at += ": " + c.failure.Error()
		}
		each = append(each, c.Name()+" "+at)
	}
	return fmt.Errorf("fewer than %d of %d witnesses have cosigned any of the last %d leaves of the audit log, for %s: %s",
		l.opts.WitnessQuorum, len(w.all), l.tree.Size()-w.quorumSize, l.opts.Now().Sub(w.since).Round(time.Second), strings.Join(each, "; "))
}

// askLast asks for cosignatures once more when the log is closed, of those that have
// not failed last.
func (l *Log) askLast(ctx context.Context) {
	w := &l.witnessing
	if len(w.all) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	l.takeAnswers()
	if l.fault == nil {
		l.askWitnesses(ctx, true)
		w.requests.Wait()
		l.takeAnswers()
	}
}

// takeAnswers takes in what is there.
func (l *Log) takeAnswers() {
	for {
		select {
		case a := <-l.witnessing.answers:
			l.takeAnswer(a)
		default:
			return
		}
	}
}

// checkpointToFile returns the checkpoint that the checkpoint file should hold, nil if
// what it has will do. While witnesses answer that is the newest one that a quorum has
// cosigned; otherwise, and when the log is closed, the newest one. It never gets older.
func (l *Log) checkpointToFile(closing bool) []byte {
	w := &l.witnessing
	note := w.quorumNote
	if len(w.all) == 0 || w.relevant > w.quorumSize && (w.late || closing) || note == nil && l.filed == nil {
		note = l.note
	}
	if note == nil || l.filed == nil {
		return note
	}
	filed, err := signing.ParseCheckpoint(l.filed)
	if err != nil {
		return note
	}
	if c, err := signing.ParseCheckpoint(note); err != nil || c.Size < filed.Size {
		return nil
	}
	return note
}
