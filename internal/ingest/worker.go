// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"errors"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/idempotency"
	"github.com/otel-auditlog/auditlogexporter/internal/ingress"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
	"github.com/otel-auditlog/auditlogexporter/internal/sequence"
	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// worker encodes and signs records, one at a time, for one goroutine at a time. Its
// functions are made once: made for each record they would cost an allocation each.
type worker struct {
	in       *Ingester
	encoder  *mapping.Encoder
	record   plog.LogRecord      // the one at hand
	info     mapping.Info        // of the event made of it
	unsigned bool                // whether it went without its signature
	content  idempotency.Content // of that event, if its id is the record's own
	encode   stage.Encode
	replace  stage.Encode                           // for events that are too long
	sign     func(canonical []byte) ([]byte, error) // nil if events are not signed
	keyID    string
	// eventBytes is how long the lines of the last part were, which are likely to be those
	// of the next.
	eventBytes int

	checker   *ingress.Checker // nil if no proofs are checked
	proof     ingress.Result   // of the record at hand
	proofJSON []byte
	scratch   []byte // for events that are not to be written as they are
	canonical []byte // the event made last, until the next is made
	whole     int    // bytes of the event that has been replaced, or 0
	streams   sequence.Reader
}

// newWorker makes a worker. The ingester must have been started.
func newWorker(in *Ingester) *worker {
	w := &worker{in: in, encoder: in.opts.Mapper.NewEncoder()}
	w.encode = func(dst []byte) (_ []byte, _ uint64, err error) {
		start := len(dst)
		dst, w.info, err = w.encoder.Append(dst, w.record)
		w.canonical = dst[start:]
		if err == nil && w.info.ID != "" && w.in.remembers() {
			w.content = w.info.Content(dst[start:])
		}
		return dst, w.info.Time, err
	}
	w.replace = w.encodeReplacement
	if in.producers != nil {
		w.checker = in.producers.NewChecker()
	}
	return w
}

// signWith sets the log and the key for the events to come.
func (w *worker) signWith(log *rotation.Log, s *signing.Signer) {
	if w.in.signsEvents() {
		w.sign, w.keyID = log.Sign(s), s.Public().ID()
	}
}

// add adds the record's event to the batch.
func (w *worker) add(b *stage.Batch, record plog.LogRecord, place stage.Place) error {
	w.record, w.unsigned, w.info, w.canonical, w.whole = record, false, mapping.Info{}, nil, 0
	if w.checker != nil {
		if err := w.checkProof(); err != nil {
			return err
		}
	}
	replaces := w.in.opts.Limits.ReplaceOversized
	if limit := w.in.maxLeafBytes(); !replaces && w.encoder.Shared() > limit {
		// Made for each of many records, what they share would cost more than it is worth.
		return &stage.TooLargeError{Length: w.encoder.Shared(), Limit: limit}
	}
	err := w.addEvent(b, w.encode)
	if replaces && errors.As(err, new(*stage.TooLargeError)) {
		if replaced := w.addEvent(b, w.replace); !errors.Is(replaced, eventjson.ErrNoRoom) {
			err = replaced
		}
		w.canonical = nil // written over
	}
	if err != nil {
		return err
	}
	if w.info.ID != "" && w.in.remembers() {
		b.Identify(idempotency.IDOf(w.producer(), w.info.ID), w.content, place)
	}
	if w.info.Sequenced && w.in.followsStreams() {
		if r, ok := w.streams.Read(record, w.producer()); ok {
			sequence.Link(b, r)
		}
	}
	return nil
}

// lineAround is more than what a line has around an event: a signature and a key's id.
const lineAround = 256

// encodeReplacement appends an event that stands for the one of the record at hand, which is
// too long.
func (w *worker) encodeReplacement(dst []byte) ([]byte, uint64, error) {
	canonical, info, err := w.encoder.Append(w.scratch[:0], w.record)
	w.keepScratch(canonical)
	w.info, w.whole = info, len(canonical)
	if err != nil {
		return dst, 0, err
	}
	start := len(dst)
	dst, err = eventjson.Replace(dst, canonical, w.in.maxLeafBytes()-lineAround)
	if err != nil {
		return dst, 0, err
	}
	id, own, err := eventjson.Identify(dst[start:])
	if err != nil {
		return dst[:start], 0, err
	}
	if !own { // its id has been cut, or there is none
		w.info.ID = ""
	}
	w.content = id.Content
	return dst, info.Time, nil
}

// maxKeptText keeps one huge record from holding its memory for ever.
const maxKeptText = 64 << 10

// keepScratch keeps a buffer for the next time, unless it is huge.
func (w *worker) keepScratch(b []byte) {
	if w.scratch = b; cap(b) > maxKeptText {
		w.scratch = nil
	}
}

// addEvent adds an event to the batch: unsigned, if that is for want of a signature and the
// configuration allows it.
func (w *worker) addEvent(b *stage.Batch, encode stage.Encode) error {
	err := b.Add(encode, w.sign, w.keyID)
	var failure *stage.SigningError
	if !errors.As(err, &failure) {
		return err
	}
	w.in.opts.Observer.Signed(err)
	if !w.in.opts.WriteUnsigned {
		return err
	}
	w.unsigned = true
	return b.AddUnsigned(encode)
}
