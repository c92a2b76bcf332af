// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package cosign

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v7"
	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/cosigning"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// rounds asks the witnesses and takes their answers. It is for one goroutine at a time and
// needs no lock.
type rounds struct {
	opts     Options
	log      Log
	files    fs.FS
	progress *progress

	all     []*cosigner
	newest  *round           // what the witnesses are asked for; nil at first
	unsaid  []logevent.Event // what the log could not be made to say yet
	problem string           // what the observer has been told last

	answers  chan answer // has room for one of each witness
	requests sync.WaitGroup
}

// cosigner is a witness, and how far it is.
type cosigner struct {
	cosigning.Witness
	at      *round // the newest that it has cosigned; nil at first
	asked   *round // what it is being asked for; nil if it is not
	backoff *backoff.ExponentialBackOff
	retryAt time.Time
	failure error // of the last request
	// contradicts is the reason for which it refuses the log as another one.
	contradicts    string
	contradictions contradictions
	reads          *reads // the request under way has it
}

// round is a checkpoint that witnesses are asked to cosign.
type round struct {
	*Snapshot
	cosignatures map[*cosigner]witness.Cosignature
	asked        int  // requests under way
	unsaid       bool // there are cosignatures that the log does not tell of yet
}

func (r *round) size() uint64 { return r.Tree.Size() }

// answer is what a request gave.
type answer struct {
	from        *cosigner
	cosignature witness.Cosignature
	err         error
	took        time.Duration
}

func newRounds(o Options, log Log, p *progress) *rounds {
	r := &rounds{opts: o, log: log, progress: p, answers: make(chan answer, len(o.Witnesses))}
	for _, w := range o.Witnesses {
		r.all = append(r.all, &cosigner{Witness: w, reads: &reads{}, backoff: &backoff.ExponentialBackOff{
			InitialInterval:     o.Interval,
			RandomizationFactor: backoff.DefaultRandomizationFactor,
			Multiplier:          2,
			MaxInterval:         maxBackoff * o.Interval,
		}})
	}
	return r
}

// run asks until the context ends, and takes the answers that there are by then.
func (r *rounds) run(ctx context.Context) {
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			r.requests.Wait()
			r.takeAnswers()
			return
		case <-next.C:
			r.ask(ctx, false)
			next.Reset(r.opts.Interval)
		case a := <-r.answers:
			r.takeAnswer(a)
		}
	}
}

// ask begins a round if there is something new, and asks those that are behind. If it is
// the last round, there is no time for those whose last answer was a failure.
func (r *rounds) ask(ctx context.Context, last bool) {
	now := r.opts.Now()
	r.countContradictions(last)
	if r.newest != nil && r.newest.unsaid {
		r.sayWitnessed(r.newest) // without those that let the others wait
	}
	if r.newest == nil || r.progress.beyond(r.newest.size()) {
		s, err := r.log.Snapshot(r.sizes())
		if err != nil {
			r.opts.Logger.Warn("The audit log's witnesses are not asked, because the log could not be synced", zap.Error(err))
			return
		}
		if s == nil {
			return
		}
		r.newest = &round{Snapshot: s, cosignatures: map[*cosigner]witness.Cosignature{}}
	}
	for _, c := range r.all {
		due := !now.Before(c.retryAt) && (c.failure == nil || !last)
		if c.asked == nil && c.at != r.newest && due {
			r.send(ctx, c)
		}
	}
	r.tellProblem()
}

// sizes are those of the trees from which on proofs may still be needed.
func (r *rounds) sizes() (all []uint64) {
	for _, c := range r.all {
		for _, one := range []*round{r.newest, c.at, c.asked} {
			if one != nil && !slices.Contains(all, one.size()) {
				all = append(all, one.size())
			}
		}
	}
	return all
}

// send sends a witness the newest checkpoint.
func (r *rounds) send(ctx context.Context, c *cosigner) {
	c.asked = r.newest
	c.asked.asked++
	q := request{
		witness: c.Witness, reads: c.reads, to: c.asked.Snapshot, files: r.files,
		now: r.opts.Now, spacing: maxBackoff * r.opts.Interval,
	}
	if c.at != nil {
		q.old = c.at.size()
	}
	r.requests.Go(func() {
		start := time.Now()
		cosignature, err := q.send(ctx)
		r.answers <- answer{from: c, cosignature: cosignature, err: err, took: time.Since(start)}
	})
}

// takeAnswers takes the answers that are there.
func (r *rounds) takeAnswers() {
	for {
		select {
		case a := <-r.answers:
			r.takeAnswer(a)
		default:
			return
		}
	}
}

func (r *rounds) takeAnswer(a answer) {
	c, of := a.from, a.from.asked
	c.asked = nil
	of.asked--
	if errors.Is(a.err, context.Canceled) {
		return // the log is being closed
	}
	if a.err == nil {
		r.takeCosignature(c, of, a.cosignature)
	} else {
		c.retryAt = r.opts.Now().Add(c.backoff.NextBackOff())
		r.takeFailure(c, a.err)
	}
	reply := cosigning.Reply{Witness: c.Name(), Outcome: outcome(a.err), Err: a.err, Duration: a.took}
	if c.at != nil {
		reply.Size = c.at.size()
	}
	r.opts.Observer.WitnessReplied(reply)
	if of.asked == 0 && of.unsaid {
		r.sayWitnessed(of)
	}
	r.tellProblem()
}

// takeCosignature records that a witness has cosigned a checkpoint.
func (r *rounds) takeCosignature(c *cosigner, of *round, cosignature witness.Cosignature) {
	if c.failure != nil {
		r.opts.Logger.Info("A witness of the audit log cosigns again", zap.String("witness", c.Name()), zap.Uint64("tree_size", of.size()))
	}
	c.at, c.failure, c.contradicts = of, nil, ""
	c.backoff.Reset()
	c.retryAt = time.Time{}
	of.cosignatures[c] = cosignature
	of.unsaid = true
	if len(of.cosignatures) < r.opts.Quorum {
		return
	}
	newest, newer := r.progress.quorum(of.size(), r.cosigned(of), r.opts.Now())
	if newer {
		r.opts.Observer.Witnessed(of.size())
	}
	if newest {
		r.log.Cosigned()
	}
}

// takeFailure records that a witness has not cosigned. What remains the same is said once.
func (r *rounds) takeFailure(c *cosigner, err error) {
	before := c.failure
	c.failure = err
	var other *contradiction
	if !errors.As(err, &other) {
		if before == nil || before.Error() != err.Error() {
			r.opts.Logger.Warn("A witness of the audit log does not cosign; it will be asked again", zap.String("witness", c.Name()), zap.Error(err))
		}
		return
	}
	if c.contradicts != "" {
		return
	}
	c.contradicts = other.reason
	r.sayContradicted(c, other)
}

// cosigned returns a round's checkpoint with the cosignatures there are, in the order
// of the configuration.
func (r *rounds) cosigned(of *round) []byte {
	var all []witness.Cosignature
	for _, c := range r.all {
		if one, ok := of.cosignatures[c]; ok {
			all = append(all, one)
		}
	}
	return cosigning.Cosigned(of.Checkpoint, all...)
}

// sayWitnessed has the log write an event that holds the checkpoint with its cosignatures,
// and the proof that it is one of this log: so cosignatures cannot be stripped unseen, and
// are checked wherever the event is. If that fails there may be more of them by the next time.
func (r *rounds) sayWitnessed(of *round) {
	err := r.log.Say(logevent.Event{Action: logevent.Witnessed, Checkpoint: string(r.cosigned(of)), Size: of.size()})
	of.unsaid = err != nil
}

// say has the log write an event, with the next round if it cannot now.
func (r *rounds) say(e ...logevent.Event) {
	r.unsaid = append(r.unsaid, e...)
	if len(r.unsaid) > 0 && r.log.Say(r.unsaid...) == nil {
		r.unsaid = nil
	}
}

// tellProblem tells the observer whether the witnesses keep up, when that changes.
func (r *rounds) tellProblem() {
	late, leaves, since := r.progress.lag(r.opts.Now(), lateAfter*r.opts.Interval)
	problem, err := "", error(nil)
	for _, c := range r.all {
		if c.contradicts != "" {
			problem += c.Name() + " " + c.contradicts + "\n"
			err = errors.Join(err, c.failure)
		}
	}
	if late {
		problem += "late"
		err = errors.Join(err, r.lateError(leaves, since))
	}
	if problem != r.problem {
		r.problem = problem
		r.opts.Observer.WitnessesFault(err)
	}
}

// lateError says how far each witness is.
func (r *rounds) lateError(leaves uint64, since time.Duration) error {
	var each []string
	for _, c := range r.all {
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
		r.opts.Quorum, len(r.all), leaves, since.Round(time.Second), strings.Join(each, "; "))
}
