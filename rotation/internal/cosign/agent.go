// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package cosign asks witnesses for cosignatures of a log's checkpoints, next to the
// commits: at each interval, if the log has grown by anything but what it says of
// witnesses, each witness that is not being asked already and has not failed just now
// gets the newest checkpoint.
//
// Each type has one owner. [Agent] is what the log calls, from any goroutine; it never
// waits for a witness but in Stop and AskLast. A rounds belongs to the agent's goroutine,
// and to AskLast after that has ended. A request belongs to its own goroutine, one for
// each witness at a time. Between the log and the rounds there is only a progress, with a
// lock of its own, below which nothing is called: so the log may call the agent while it
// commits, and the agent the log.
package cosign

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// Log is a log as its agent sees it.
type Log interface {
	// Snapshot makes the newest commit durable and returns its checkpoint: witnesses would
	// take a log that lost it for one that was rolled back. From then on the log follows
	// its tree, for proofs, along with those of earlier snapshots whose sizes are in keep.
	// It returns nil if there is no checkpoint yet.
	Snapshot(keep []uint64) (*Snapshot, error)
	// Say commits events of the log's own. If it fails none of them is written, then or
	// later. The log adds to a [logevent.Witnessed] the proof that its checkpoint, which
	// is that of a snapshot, is one of this log.
	Say(events ...logevent.Event) error
	// Cosigned says that a quorum has cosigned a checkpoint, or more witnesses have.
	Cosigned()
}

// Snapshot is a durable checkpoint of a log. It is not changed.
type Snapshot struct {
	Checkpoint []byte // signed
	Tree       merkle.Frontier
	// Proofs are consistency proofs to the tree, by the sizes of the trees they start from.
	Proofs map[uint64][]merkle.Hash
}

// Agent asks the witnesses of a log.
type Agent struct {
	progress *progress
	rounds   *rounds

	// Both are set by Start, and nil if there is nobody to ask.
	cancel context.CancelFunc
	done   chan struct{}
}

// New returns the agent of a log whose segments are in files. It asks nobody before Start.
func New(o Options, log Log) (*Agent, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	p := &progress{since: o.Now()}
	return &Agent{progress: p, rounds: newRounds(o, log, p)}, nil
}

// Start begins to ask, with files to read the log from for proofs.
func (a *Agent) Start(files fs.FS) {
	r := a.rounds
	if len(r.all) == 0 {
		return
	}
	r.files = files
	a.done = make(chan struct{})
	var ctx context.Context
	ctx, a.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(a.done)
		r.run(ctx)
	}()
}

// Stop ends the goroutine and all requests.
func (a *Agent) Stop(ctx context.Context) error {
	if a.cancel == nil {
		return nil
	}
	a.cancel()
	select {
	case <-a.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("a witness is still being asked: %w", ctx.Err())
	}
}

// AskLast asks for cosignatures once more, after Stop, of those that have not failed last.
func (a *Agent) AskLast(ctx context.Context) {
	if len(a.rounds.all) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	a.rounds.ask(ctx, true)
	a.rounds.requests.Wait()
	a.rounds.takeAnswers()
}

// Published tells the agent of a commit: the size of the tree now, how many events of
// others it holds, and those of the log's own.
func (a *Agent) Published(size uint64, events int, own []logevent.Event) {
	a.progress.published(size, events > 0 || worthCosigning(own), a.rounds.opts.Now())
}

// Checkpoint returns the checkpoint that others should see, given the newest one. While
// witnesses answer that is the newest that a quorum has cosigned since the start, nil if
// there is none; otherwise, and when the log is closed, the newest.
func (a *Agent) Checkpoint(newest []byte, closing bool) []byte {
	if len(a.rounds.all) == 0 {
		return newest
	}
	return a.progress.checkpoint(newest, closing)
}
