// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/rotation"
)

// share is what a request brings for one log: whole resources, where they are.
type share struct {
	request   *request
	to        *lazyLog
	resources []int // where they stand in the request
	spans     []span
	records   int
	overflow  int // how many of them would belong elsewhere

	log   *rotation.Log
	parts *parts // nil until its events have been encoded
	err   error  // why the log did not take it
}

// span is the records of one scope among all records of a share.
type span struct {
	first           int // the number of its first record
	resource, scope int // where it stands in the request
	resourceLogs    plog.ResourceLogs
	scopeLogs       plog.ScopeLogs
}

// divide groups the resources by log, in the order in which logs come.
func (r *request) divide() {
	set, byLog := r.in.logs, map[*lazyLog]*share{}
	for i, all := 0, r.logs.ResourceLogs(); i < all.Len(); i++ {
		resourceLogs := all.At(i)
		if !hasRecords(resourceLogs) {
			continue // no reason to begin a log
		}
		name := set.nameFor(resourceLogs.Resource())
		to, overflow := set.of(name)
		s := byLog[to]
		if s == nil {
			s = &share{request: r, to: to}
			byLog[to] = s
			r.shares = append(r.shares, s)
		}
		before := s.records
		s.add(i, resourceLogs)
		if overflow {
			s.overflow += s.records - before
			r.in.opts.Warnings.Warn("There are more values than may have a partition of the audit log; the records of others are written to the partition for all of them. Raise max_partitions if the values are good, or else find out who sends them",
				zap.String("value", name), zap.Int("max_partitions", r.in.opts.Layout.MaxPartitions))
		}
	}
}

// add adds the records of a resource.
func (s *share) add(resource int, resourceLogs plog.ResourceLogs) {
	s.resources = append(s.resources, resource)
	for i, all := 0, resourceLogs.ScopeLogs(); i < all.Len(); i++ {
		if n := all.At(i).LogRecords().Len(); n > 0 {
			s.spans = append(s.spans, span{s.records, resource, i, resourceLogs, all.At(i)})
			s.records += n
		}
	}
}

func hasRecords(resourceLogs plog.ResourceLogs) bool {
	for s, all := 0, resourceLogs.ScopeLogs(); s < all.Len(); s++ {
		if all.At(s).LogRecords().Len() > 0 {
			return true
		}
	}
	return false
}

func (s *share) encode(ctx context.Context) error {
	s.parts = newParts(s)
	return s.parts.encode(ctx)
}

// append appends the share to its log as one unit.
func (s *share) append(ctx context.Context) {
	for s.err == nil {
		err := s.parts.append(ctx)
		// The log may go over to another key between the signatures and the commit. Each
		// time it does, a segment has been filled, so this comes to an end.
		if !errors.Is(err, rotation.ErrKeyChanged) {
			s.err = err
			return
		}
		s.parts.release()
		s.err = s.encode(ctx)
	}
}

// sharesError: logs did not take their shares of a request; others may have, but for records
// that were refused.
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
		return fmt.Sprintf("none of %d records is in the audit log: %s%v", all, first.to, first.err)
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
	return fmt.Sprintf("%d of %d records are not in the audit log, those of partition %s; %s; sent again, those without an id of their own would be there twice: %s%v",
		failed, all, strings.Join(names, ", "), others, first.to, first.err)
}

func (e *sharesError) Unwrap() error { return e.failed[0].err }
