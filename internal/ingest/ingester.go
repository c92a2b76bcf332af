// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"sync"

	"github.com/otel-auditlog/auditlogexporter/internal/ingress"
	"github.com/otel-auditlog/auditlogexporter/internal/issuer"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/rotation"
)

// Ingester writes requests to logs, in the goroutines that bring them. Requests are refused
// before Start and after Close.
type Ingester struct {
	opts     Options
	inFlight *inFlight
	workers  sync.Pool // of *worker
	helpers  helpers

	// These are set by Start. common is what all logs have in common.
	common    rotation.Options
	producers *ingress.Verifier // nil if proofs are not checked
	receipts  *issuer.Scheduler // nil if no receipts are written
	logs      *logs
}

// New returns an ingester that has not been started.
func New(o Options) *Ingester {
	i := &Ingester{
		opts:     o,
		inFlight: &inFlight{limits: o.Limits},
		helpers:  make(helpers, runtime.GOMAXPROCS(0)-1),
	}
	i.workers.New = func() any { return newWorker(i) }
	return i
}

// Start opens the logs, or begins them. They are written as common says, which need not name
// what differs between them or is known from [Options]: directories, origin, observer, logger,
// what is remembered and followed. If producers is nil, proofs are not checked.
func (i *Ingester) Start(ctx context.Context, common rotation.Options, producers *ingress.Verifier) (err error) {
	i.common, i.producers = common, producers
	if r := i.opts.Receipts; r.Directory != "" {
		parent := ""
		if i.opts.Layout.divided() {
			parent = r.Directory
		}
		i.receipts = issuer.NewScheduler(parent, i.opts.Logger)
	}
	if i.logs, err = openLogs(ctx, i); err != nil {
		return errors.Join(err, i.closeReceipts(ctx))
	}
	i.inFlight.open()
	return nil
}

// Close refuses further requests, waits for those in flight as long as the context allows, and
// closes the logs.
func (i *Ingester) Close(ctx context.Context) error {
	if i.logs == nil {
		return nil
	}
	return errors.Join(i.inFlight.close(ctx), i.logs.close(ctx), i.closeReceipts(ctx))
}

func (i *Ingester) closeReceipts(ctx context.Context) error {
	if i.receipts == nil {
		return nil
	}
	return i.receipts.Close(ctx)
}

// signsEvents reports whether each event is signed by itself.
func (i *Ingester) signsEvents() bool { return i.common.Scope == segline.ScopeEvent }

// remembers reports whether records are known that are sent again.
func (i *Ingester) remembers() bool { return i.opts.MaxRemembered > 0 }

func (i *Ingester) followsStreams() bool { return i.opts.MaxStreams > 0 }

// maxLeafBytes returns how long an event's line may be.
func (i *Ingester) maxLeafBytes() int { return cmp.Or(i.common.MaxLeafBytes, segline.MaxBytes) }

// helpers has room for each goroutine that may help with large requests.
type helpers chan struct{}

// run calls work here and, as far as there is room, in up to n-1 goroutines more, and waits
// for all of them.
func (h helpers) run(n int, work func()) {
	var helping sync.WaitGroup
	for range n - 1 {
		select {
		case h <- struct{}{}:
			helping.Go(func() {
				defer func() { <-h }()
				work()
			})
			continue
		default:
		}
		break
	}
	work()
	helping.Wait()
}
