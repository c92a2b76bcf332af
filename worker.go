// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"errors"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/idempotency"
	"github.com/otel-auditlog/auditlogexporter/ingress"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// worker encodes and signs records, one at a time, for one goroutine at a time. Its
// functions are made once: made for each record they would cost an allocation each.
type worker struct {
	exporter *auditExporter
	encoder  *event.Encoder
	record   plog.LogRecord      // the one at hand
	info     event.Info          // of the event made of it
	unsigned bool                // whether it went without its signature
	content  idempotency.Content // of that event, if its id is the record's own
	encode   rotation.Encode
	sign     func(canonical []byte) ([]byte, error) // nil if events are not signed
	keyID    string

	checker   *ingress.Checker // nil if no proofs are checked
	proof     ingress.Result   // of the record at hand
	proofJSON []byte
	sequenceReader
}

// newWorker makes a worker. The exporter must have been started.
func newWorker(e *auditExporter) *worker {
	w := &worker{exporter: e, encoder: e.mapper.NewEncoder()}
	w.encode = func(dst []byte) (_ []byte, _ uint64, err error) {
		start := len(dst)
		dst, w.info, err = w.encoder.Append(dst, w.record)
		if err == nil && w.info.ID != "" && w.exporter.remembers() {
			w.content = w.info.Content(dst[start:])
		}
		return dst, w.info.Time, err
	}
	if e.producers != nil {
		w.checker = e.producers.NewChecker()
	}
	return w
}

// signWith sets the log and the key for the events to come.
func (w *worker) signWith(log *rotation.Log, s *signing.Signer) {
	if w.exporter.signsEvents() {
		w.sign, w.keyID = log.Sign(s), s.Public().ID()
	}
}

// add adds the record's event to the batch.
func (w *worker) add(b *rotation.Batch, record plog.LogRecord) error {
	w.record, w.unsigned = record, false
	if w.checker != nil {
		if err := w.checkProof(); err != nil {
			return err
		}
	}
	if err := b.Add(w.encode, w.sign, w.keyID); err != nil {
		if err := w.addUnsigned(b, err); err != nil {
			return err
		}
	}
	if w.info.ID != "" && w.exporter.remembers() {
		b.Identify(idempotency.IDOf(w.producer(), w.info.ID), w.content)
	}
	if w.info.Sequenced && w.exporter.followsStreams() {
		w.link(b)
	}
	return nil
}

// addUnsigned adds the event that Add failed on, if it was for want of a signature
// and the configuration allows it.
func (w *worker) addUnsigned(b *rotation.Batch, err error) error {
	var failure *rotation.SigningError
	if !errors.As(err, &failure) {
		return err
	}
	w.exporter.health.signed(err)
	if w.exporter.config.Signing.OnFailure != OnFailureWriteUnsigned {
		return err
	}
	w.unsigned = true
	return b.AddUnsigned(w.encode)
}
