// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/partition"
	"github.com/otel-auditlog/auditlogexporter/rotation"
)

// share is what a call brings for one partition: whole resources, where they are.
type share struct {
	to        *partitionLog
	resources []int // where they stand in the request
	spans     []span
	records   int
	overflow  int // how many of them would belong elsewhere

	log   *rotation.Log
	claim *claim
	call  *call // nil until its events have been encoded
	err   error
}

// divide groups the resources by partition, in the order in which partitions come.
func (p *partitions) divide(logs plog.Logs) (shares []*share) {
	byLog := map[*partitionLog]*share{}
	for r, all := 0, logs.ResourceLogs(); r < all.Len(); r++ {
		resourceLogs := all.At(r)
		if !hasRecords(resourceLogs) {
			continue // no reason to begin a log
		}
		name := partition.None
		if v, ok := resourceLogs.Resource().Attributes().Get(p.exporter.config.PartitionBy); ok {
			name = partition.NameOf(v)
		}
		to, overflow := p.of(name)
		s := byLog[to]
		if s == nil {
			s = &share{to: to}
			byLog[to] = s
			shares = append(shares, s)
		}
		before := s.records
		s.spans, s.records = appendSpans(s.spans, before, r, resourceLogs)
		s.resources = append(s.resources, r)
		if overflow {
			s.overflow += s.records - before
			p.exporter.health.logger.Warn("There are more values than may have a partition of the audit log; the records of others are written to the partition for all of them. Raise max_partitions if the values are good, or else find out who sends them",
				zap.String("value", name), zap.Int("max_partitions", p.exporter.config.MaxPartitions))
		}
	}
	return shares
}

func hasRecords(resourceLogs plog.ResourceLogs) bool {
	for s, all := 0, resourceLogs.ScopeLogs(); s < all.Len(); s++ {
		if all.At(s).LogRecords().Len() > 0 {
			return true
		}
	}
	return false
}

// sharesError: partitions did not take their shares of a call; others may have, but for
// records that were refused.
type sharesError struct {
	failed, written []*share
	refused         refusals
}

func (e *sharesError) Error() string {
	first := e.failed[0]
	failed, all := 0, 0
	for _, s := range e.failed {
		failed += s.records
	}
	for _, s := range e.written {
		all += s.records
	}
	all += failed
	if len(e.written) == 0 {
		return fmt.Sprintf("none of %d records is in the audit log: partition %s: %v", all, first.to.name, first.err)
	}
	var names []string
	for _, s := range e.failed[:min(len(e.failed), 3)] {
		names = append(names, s.to.name)
	}
	if more := len(e.failed) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	others := "the others are"
	if n := e.refused.len(); n > 0 {
		others = fmt.Sprintf("of the others %d were refused: %s; the rest are", n, &e.refused)
	}
	return fmt.Sprintf("%d of %d records are not in the audit log, those of partition %s; %s; sent again, those without an id of their own would be there twice: partition %s: %v",
		failed, all, strings.Join(names, ", "), others, first.to.name, first.err)
}

func (e *sharesError) Unwrap() error { return e.failed[0].err }

// write writes each partition's share as one unit, but for records that are refused. Nothing
// is written before events have been made of all others that a log is open for. From then on
// every partition is on its own: if some fail and others do not, the error is a sharesError.
func (p *partitions) write(ctx context.Context, logs plog.Logs) error {
	shares := p.divide(logs)
	claim := p.exporter.inFlight.claim()
	defer func() {
		for _, s := range shares {
			if s.call != nil {
				s.call.release()
			}
		}
	}()
	for _, s := range shares {
		s.claim = claim
		s.log, s.err = s.to.get(ctx)
	}
	if err := p.encode(ctx, shares); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("append to the audit log: %w", err)
	}
	// A caller whose time is up between two of them would have the first ones twice.
	ctx = context.WithoutCancel(ctx)
	var appending sync.WaitGroup
	for _, s := range shares[1:] {
		appending.Go(func() { s.append(ctx) })
	}
	shares[0].append(ctx)
	appending.Wait()

	failure, records := &sharesError{}, 0
	for _, s := range shares {
		records += s.records
		if s.err != nil {
			failure.failed = append(failure.failed, s)
			continue
		}
		failure.written = append(failure.written, s)
		failure.refused.merge(&s.call.refused)
		s.call.count(s.to.telemetry)
		p.exporter.telemetry.overflowed(s.overflow)
	}
	switch {
	case len(failure.failed) > 0:
		return failure
	case failure.refused.len() > 0:
		return &refusedError{&failure.refused, records}
	default:
		return nil
	}
}

// encode makes events of all shares, several at a time as far as the exporter has places
// for that. If it fails, it is with the error of the first share that it failed on.
func (p *partitions) encode(ctx context.Context, shares []*share) error {
	errs := make([]error, len(shares))
	var next atomic.Int64
	work := func() {
		for {
			i := int(next.Add(1)) - 1
			if i >= len(shares) {
				return
			}
			if shares[i].err == nil {
				errs[i] = shares[i].encode(ctx, p.exporter)
			}
		}
	}
	var helping sync.WaitGroup
	for range len(shares) - 1 {
		select {
		case p.exporter.helpers <- struct{}{}:
			helping.Go(func() {
				defer func() { <-p.exporter.helpers }()
				work()
			})
			continue
		default:
		}
		break
	}
	work()
	helping.Wait()
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("partition %s: %w", shares[i].to.name, err)
		}
	}
	return nil
}

func (s *share) encode(ctx context.Context, e *auditExporter) error {
	s.call = newCall(e, s.log, s.claim, s.spans, s.records)
	return s.call.encode(ctx)
}

// append appends the share to its log as one unit.
func (s *share) append(ctx context.Context) {
	for s.err == nil {
		err := s.call.append(ctx)
		if !errors.Is(err, rotation.ErrKeyChanged) {
			s.err = err
			return
		}
		e := s.call.exporter
		s.call.release()
		s.err = s.encode(ctx, e)
	}
}

// refuseShares tells of a call that partitions refused. With retry_on_failure only what
// they did not take is tried again.
func (e *auditExporter) refuseShares(logs plog.Logs, failure *sharesError) error {
	for _, s := range failure.failed {
		reason, _ := classify(s.err)
		s.to.telemetry.refused(reason, s.records)
	}
	if len(failure.written) > 0 {
		e.telemetry.partial()
	}
	if len(failure.written) == 0 || !e.config.RetryConfig.Enabled {
		return failure
	}
	again := plog.NewLogs()
	for _, s := range failure.failed {
		for _, r := range s.resources {
			logs.ResourceLogs().At(r).CopyTo(again.ResourceLogs().AppendEmpty())
		}
	}
	return consumererror.NewLogs(failure, again)
}
