// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// A share is cut into parts of so many records. A part is short enough that those who
// work on a share end together, and that a commit which comes back from the disk does
// not wait long for a processor; a signature costs as much as encoding twenty events.
const (
	partSigned   = 32
	partUnsigned = 128

	// claimedAtOnce is how many bytes of a part are claimed together.
	claimedAtOnce = 64 << 10
)

// parts are what a share is cut into, each a batch of its own. The goroutine of the request
// does parts until none is left; others help as far as there is room for them.
type parts struct {
	in       *Ingester
	claim    *claim // what the request may hold
	log      *rotation.Log
	signer   *signing.Signer // one for all of it: a commit takes no other
	spans    []span
	records  int
	size     int // records in a part
	next     atomic.Int64
	failed   atomic.Bool
	unmapped atomic.Int64 // events in which defaults stand in
	unsigned atomic.Bool  // whether any event went without its signature
	proofs   proofCounts  // of records whose proofs were checked
	claimed  atomic.Int64 // bytes of the claim
	refused  refusals     // records that no event was made of, and those that the log refused
	spent    atomic.Int64 // bytes of events that were made of refused records, for their hashes

	// Each part writes its own elements, and nobody reads them until all are done.
	batches []*stage.Batch
	errs    []error
}

// newParts cuts a share.
func newParts(s *share) *parts {
	p := &parts{in: s.request.in, claim: &s.request.claim, log: s.log, signer: s.log.Signer(), spans: s.spans, records: s.records, size: partUnsigned}
	if p.in.signsEvents() {
		p.size = partSigned
	}
	n := (p.records + p.size - 1) / p.size
	p.batches, p.errs = make([]*stage.Batch, n), make([]error, n)
	return p
}

// encode makes events of all records but those that are refused for good. If it fails, it is
// with the error of the first record, in their order, that none could be made of now.
func (p *parts) encode(ctx context.Context) error {
	p.in.helpers.run(len(p.batches), func() { p.work(ctx) })
	for _, err := range p.errs {
		if err != nil {
			return err
		}
	}
	if p.in.signsEvents() && !p.unsigned.Load() && p.refused.len() < p.records {
		p.in.opts.Observer.Signed(nil)
	}
	return nil
}

// work does parts until none is left, or one has failed. Parts are taken in order
// and finished once taken, so those before a failed one are all known.
func (p *parts) work(ctx context.Context) {
	w := p.in.workers.Get().(*worker)
	w.signWith(p.log, p.signer)
	defer func() {
		w.record, w.canonical = plog.LogRecord{}, nil // a pooled worker keeps no request alive
		p.in.workers.Put(w)
	}()
	for first := true; !p.failed.Load(); first = false {
		if !first {
			// Whoever commits has been waiting for the disk, and everybody waits for it.
			runtime.Gosched()
		}
		i := int(p.next.Add(1)) - 1
		if i >= len(p.batches) {
			return
		}
		b, n := p.log.NewBatch(), min(p.size, p.records-i*p.size)
		b.Expect(n, n*w.eventBytes)
		p.batches[i] = b
		if p.errs[i] = p.do(ctx, w, b, i*p.size); p.errs[i] != nil {
			p.failed.Store(true)
		}
		w.eventBytes = b.Bytes()/max(1, b.Len()) + 1
	}
}

// do makes the events of the part that begins with record number from.
func (p *parts) do(ctx context.Context, w *worker, b *stage.Batch, from int) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("encode events: %w", err)
	}
	to, claimed := min(from+p.size, p.records), 0
	at, found := slices.BinarySearchFunc(p.spans, from, func(s span, n int) int { return s.first - n })
	if !found {
		at--
	}
	resource := -1
	for ; at < len(p.spans) && p.spans[at].first < to; at++ {
		s := p.spans[at]
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
			place := stage.Place{Resource: int32(s.resource), Scope: int32(s.scope), Record: int32(i)}
			if err := w.add(b, records.At(i), place); err != nil {
				if err := p.refuse(b, w, place, err); err != nil {
					return fmt.Errorf("%s: %w", place, err)
				}
				continue
			}
			if w.whole > 0 { // so that it costs no less than if it were written
				if err := p.take(w.whole); err != nil {
					return err
				}
			}
			if n := b.Bytes() - claimed; n >= claimedAtOnce {
				if err := p.take(n); err != nil {
					return err
				}
				claimed += n
			}
			if w.info.Unmapped {
				p.unmapped.Add(1)
			}
			if w.checker != nil {
				p.proofs.count(w.proof.Status)
			}
			if w.unsigned {
				p.unsigned.Store(true)
			}
		}
	}
	return p.take(b.Bytes() - claimed)
}

// take claims bytes that parts have come to.
func (p *parts) take(n int) error {
	p.claimed.Add(int64(n))
	return p.claim.take(int64(n))
}

// append appends all batches as one unit.
func (p *parts) append(ctx context.Context) error {
	placed, err := p.log.Append(ctx, p.batches...)
	if err != nil {
		return err
	}
	p.refused.conflicts(placed.Refused)
	return nil
}

// written tells what the log took.
func (p *parts) written() Written {
	return Written{Unmapped: p.unmapped.Load(), Proofs: p.proofs.all(), Refused: p.refused.counts}
}

// release gives the batches back. The log must be done with them.
func (p *parts) release() {
	p.claim.give(p.claimed.Swap(0))
	for _, b := range p.batches {
		if b != nil {
			b.Release()
		}
	}
}
