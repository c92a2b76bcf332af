// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// A call is cut into parts of so many records. A part is short enough that those who
// work on a call end together, and that a commit which comes back from the disk does
// not wait long for a processor; a signature costs as much as encoding twenty events.
const (
	partSigned   = 32
	partUnsigned = 128

	// claimedAtOnce is how many bytes of a part are claimed together.
	claimedAtOnce = 64 << 10
)

// call is the work of one consume call in one log: its records become events, in parts, each
// part a batch of its own. The goroutine of the call does parts until none is left;
// others help as far as the exporter has places for them.
type call struct {
	exporter *auditExporter
	log      *rotation.Log
	signer   *signing.Signer // one for all of it: a commit takes no other
	spans    []span
	records  int
	part     int // records in a part
	next     atomic.Int64
	failed   atomic.Bool
	unmapped atomic.Int64 // events in which defaults stand in
	unsigned atomic.Bool  // whether any event went without its signature
	proofs   proofCounts  // of records whose proofs were checked
	claim    *claim       // what it may hold, with other shares of the same request
	claimed  atomic.Int64 // bytes of that
	refused  refusals     // records that no event was made of, and those that the log refused
	spent    atomic.Int64 // bytes of events that were made of refused records, for their hashes

	// Each part writes its own elements, and nobody reads them until all are done.
	batches []*rotation.Batch
	errs    []error
}

// span is the records of one scope among all records of the call.
type span struct {
	first           int // the number of its first record
	resource, scope int // where it stands in the request
	resourceLogs    plog.ResourceLogs
	scopeLogs       plog.ScopeLogs
}

// newCall makes a call of so many records, which the spans hold.
func newCall(e *auditExporter, log *rotation.Log, claim *claim, spans []span, records int) *call {
	c := &call{exporter: e, log: log, signer: log.Signer(), claim: claim, spans: spans, records: records, part: partUnsigned}
	if e.signsEvents() {
		c.part = partSigned
	}
	parts := (records + c.part - 1) / c.part
	c.batches, c.errs = make([]*rotation.Batch, parts), make([]error, parts)
	return c
}

// spansOf returns the spans of all records.
func spansOf(logs plog.Logs) (spans []span) {
	first := 0
	for r, all := 0, logs.ResourceLogs(); r < all.Len(); r++ {
		spans, first = appendSpans(spans, first, r, all.At(r))
	}
	return spans
}

// appendSpans appends the spans of one resource to those of so many records.
func appendSpans(spans []span, records, resource int, resourceLogs plog.ResourceLogs) ([]span, int) {
	for s, all := 0, resourceLogs.ScopeLogs(); s < all.Len(); s++ {
		if n := all.At(s).LogRecords().Len(); n > 0 {
			spans = append(spans, span{records, resource, s, resourceLogs, all.At(s)})
			records += n
		}
	}
	return spans, records
}

// encode makes events of all records but those that are refused for good. If it fails, it is
// with the error of the first record, in their order, that none could be made of now.
func (c *call) encode(ctx context.Context) error {
	var helping sync.WaitGroup
	for range len(c.batches) - 1 {
		select {
		case c.exporter.helpers <- struct{}{}:
			helping.Go(func() {
				defer func() { <-c.exporter.helpers }()
				c.work(ctx)
			})
			continue
		default:
		}
		break
	}
	c.work(ctx)
	helping.Wait()
	for _, err := range c.errs {
		if err != nil {
			return err
		}
	}
	if c.exporter.signsEvents() && !c.unsigned.Load() && c.refused.len() < c.records {
		c.exporter.health.signed(nil)
	}
	return nil
}

// work does parts until none is left, or one has failed. Parts are taken in order
// and finished once taken, so those before a failed one are all known.
func (c *call) work(ctx context.Context) {
	w := c.exporter.workers.Get().(*worker)
	w.signWith(c.log, c.signer)
	defer func() {
		w.record, w.canonical = plog.LogRecord{}, nil // a pooled worker keeps no request alive
		c.exporter.workers.Put(w)
	}()
	for first := true; !c.failed.Load(); first = false {
		if !first {
			// Whoever commits has been waiting for the disk, and everybody waits for it.
			runtime.Gosched()
		}
		i := int(c.next.Add(1)) - 1
		if i >= len(c.batches) {
			return
		}
		b, n := c.log.NewBatch(), min(c.part, c.records-i*c.part)
		b.Expect(n, n*w.eventBytes)
		c.batches[i] = b
		if c.errs[i] = c.do(ctx, w, b, i*c.part); c.errs[i] != nil {
			c.failed.Store(true)
		}
		w.eventBytes = b.Bytes()/max(1, b.Len()) + 1
	}
}

// do makes the events of the part that begins with record number from.
func (c *call) do(ctx context.Context, w *worker, b *rotation.Batch, from int) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("encode events: %w", err)
	}
	to, claimed := min(from+c.part, c.records), 0
	at, found := slices.BinarySearchFunc(c.spans, from, func(s span, n int) int { return s.first - n })
	if !found {
		at--
	}
	resource := -1
	for ; at < len(c.spans) && c.spans[at].first < to; at++ {
		s := c.spans[at]
		if s.resource != resource {
			w.encoder.SetResource(s.resourceLogs.Resource(), s.resourceLogs.SchemaUrl())
			if w.checker != nil {
				w.checker.SetResource(s.resourceLogs.Resource())
			}
			resource = s.resource
		}
		w.encoder.SetScope(s.scopeLogs.Scope(), s.scopeLogs.SchemaUrl())
		records := s.scopeLogs.LogRecords()
		for i := max(0, from-s.first); i < min(records.Len(), to-s.first); i++ {
			place := rotation.Place{Resource: int32(s.resource), Scope: int32(s.scope), Record: int32(i)}
			if err := w.add(b, records.At(i), place); err != nil {
				if err := c.refuse(b, w, place, err); err != nil {
					return fmt.Errorf("%s: %w", place, err)
				}
				continue
			}
			if w.whole > 0 { // so that it costs no less than if it were written
				if err := c.take(w.whole); err != nil {
					return err
				}
			}
			if n := b.Bytes() - claimed; n >= claimedAtOnce {
				if err := c.take(n); err != nil {
					return err
				}
				claimed += n
			}
			if w.info.Unmapped {
				c.unmapped.Add(1)
			}
			if w.checker != nil {
				c.proofs.count(w.proof.Status)
			}
			if w.unsigned {
				c.unsigned.Store(true)
			}
		}
	}
	return c.take(b.Bytes() - claimed)
}

// take claims bytes that parts have come to.
func (c *call) take(n int) error {
	c.claimed.Add(int64(n))
	return c.claim.take(int64(n))
}

// append appends the call to its log as one unit.
func (c *call) append(ctx context.Context) error {
	p, err := c.log.Append(ctx, c.batches...)
	if err != nil {
		return err
	}
	c.refused.conflicts(p.Refused)
	return nil
}

// count tells what was written.
func (c *call) count(t *telemetry) {
	t.unmapped(c.unmapped.Load())
	t.proofs(&c.proofs)
	t.refusedRecords(&c.refused)
}

// release gives the batches back. The log must be done with them.
func (c *call) release() {
	c.claim.give(c.claimed.Swap(0))
	for _, b := range c.batches {
		if b != nil {
			b.Release()
		}
	}
}
