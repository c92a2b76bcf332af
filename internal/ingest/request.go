// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/rotation"
)

// request is one call of the collector.
type request struct {
	in      *Ingester
	logs    plog.Logs
	records int
	claim   claim
	shares  []*share
}

// Write returns nil when all records are in their logs: signed, covered by a signed checkpoint
// and as durable as the logs are. A permanent error says which of them are not and never will
// be: see refusedError, and limitError for none of them. Any other says that none is, and that
// it is worth trying again; with partitions, for which of them: see sharesError.
func (i *Ingester) Write(ctx context.Context, logs plog.Logs) error {
	records := logs.LogRecordCount()
	if records == 0 {
		return nil
	}
	r := &request{in: i, logs: logs, records: records, claim: claim{of: i.inFlight}}
	return r.answer(r.write(ctx))
}

// write writes each log's share as one unit, but for records that are refused. Nothing is
// written before events have been made of all others that a log is open for. From then on
// every share is on its own.
func (r *request) write(ctx context.Context) error {
	if err := r.in.inFlight.enter(); err != nil {
		return err
	}
	defer r.in.inFlight.leave()
	if err := r.in.opts.Limits.admit(r.records); err != nil {
		return err
	}
	r.divide()
	defer r.release()
	for _, s := range r.shares {
		s.log, s.err = s.to.get(ctx)
	}
	if err := r.encode(ctx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("append to the audit log: %w", err)
	}
	r.append(ctx)
	return r.outcome()
}

// encode makes events of all shares, several at a time as far as there are helpers. If it
// fails, it is with the error of the first share that it failed on.
func (r *request) encode(ctx context.Context) error {
	errs := make([]error, len(r.shares))
	var next atomic.Int64
	r.in.helpers.run(len(r.shares), func() {
		for {
			i := int(next.Add(1)) - 1
			if i >= len(r.shares) {
				return
			}
			if s := r.shares[i]; s.err == nil {
				errs[i] = s.encode(ctx)
			}
		}
	})
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("%s%w", r.shares[i].to, err)
		}
	}
	return nil
}

// append appends all shares at the same time.
func (r *request) append(ctx context.Context) {
	if len(r.shares) > 1 {
		// A caller whose time is up between two of them would have the first ones twice.
		ctx = context.WithoutCancel(ctx)
	}
	var appending sync.WaitGroup
	for _, s := range r.shares[1:] {
		appending.Go(func() { s.append(ctx) })
	}
	r.shares[0].append(ctx)
	appending.Wait()
}

// outcome returns a *sharesError or a *refusedError, unless all is written.
func (r *request) outcome() error {
	failure := &sharesError{}
	for _, s := range r.shares {
		if s.err != nil {
			failure.failed = append(failure.failed, s)
			continue
		}
		failure.written = append(failure.written, s)
		failure.refused.merge(&s.parts.refused)
		s.to.observer.ShareWritten(s.parts.written())
		if s.overflow > 0 {
			r.in.opts.Observer.Overflowed(s.overflow)
		}
	}
	switch {
	case len(failure.failed) > 0:
		return failure
	case failure.refused.len() > 0:
		return &refusedError{&failure.refused, r.records}
	default:
		return nil
	}
}

// release gives back what the shares hold.
func (r *request) release() {
	for _, s := range r.shares {
		if s.parts != nil {
			s.parts.release()
		}
	}
}

// answer tells the observer of a request that is not written as a whole, and makes of why the
// error that the caller needs.
func (r *request) answer(err error) error {
	if err == nil {
		return nil
	}
	var failure *sharesError
	if errors.As(err, &failure) {
		return r.answerShares(failure)
	}
	var refused *refusedError
	if errors.As(err, &refused) {
		if refused.refused.len() < r.records {
			r.in.opts.Observer.Partial()
		}
		return consumererror.NewPermanent(err)
	}
	reason, permanent := classify(err)
	r.in.opts.Observer.Refused(reason, r.records)
	err = fmt.Errorf("none of %d records is in the audit log: %w", r.records, err)
	if permanent {
		return consumererror.NewPermanent(err)
	}
	return err
}

// answerShares is answer for shares that logs did not take.
func (r *request) answerShares(failure *sharesError) error {
	retryable := len(failure.written) > 0
	for _, s := range failure.failed {
		reason, permanent := classify(s.err)
		retryable = retryable || !permanent
		s.to.observer.ShareRefused(reason, s.records)
	}
	switch {
	case !retryable:
		return consumererror.NewPermanent(failure)
	case len(failure.written) == 0:
		return failure
	}
	r.in.opts.Observer.Partial()
	if !r.in.opts.ReturnRest {
		return failure
	}
	rest := plog.NewLogs()
	for _, s := range failure.failed {
		for _, i := range s.resources {
			r.logs.ResourceLogs().At(i).CopyTo(rest.ResourceLogs().AppendEmpty())
		}
	}
	return consumererror.NewLogs(failure, rest)
}

// classify gives the reason of a refusal, in a word fit for a metric, and whether
// the same records would be refused again.
func classify(err error) (reason string, permanent bool) {
	var unopened *unopenedError
	var limit *limitError
	var unsigned *stage.SigningError
	var refused *rotation.Error
	switch {
	case errors.As(err, &unopened):
		return "partition", false
	case errors.As(err, &limit):
		return limit.reason, limit.permanent
	case errors.As(err, &unsigned):
		return "signing", false
	case errors.As(err, &refused):
		return string(refused.Reason), false
	case errors.Is(err, errNotRunning):
		return "closed", false
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "canceled", false
	default:
		return "internal", false
	}
}
