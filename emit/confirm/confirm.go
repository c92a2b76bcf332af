// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package confirm delivers log records at once and says how it went: a processor for
// the OpenTelemetry SDK that makes the calls of package emit return the exporter's
// error.
//
// The SDK's own processors cannot do that: the batch processor exports later, and the
// simple one gives errors to a global handler. This one exports each record in the
// goroutine that emits it, and gives the error to the call by [emit.Report].
//
//	exporter, err := otlploggrpc.New(ctx, …)
//	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(confirm.NewProcessor(exporter)))
//	audit := emit.New(provider)
//
// What the exporter takes for success is what the call takes for it. For the OTLP
// exporters that is the collector's acknowledgement. Until then they retry what can
// be retried. Their own timeout (otlploghttp.WithTimeout) bounds one attempt; what bounds
// a call is its context, and [emit.WithTimeout] (10 seconds unless set otherwise). After an error, send
// the same event again: with the same ID and Time. The exporter of OTLP over HTTP takes any
// answer from 200 to 299 for an acknowledgement, whoever gives it: see that nothing but the
// collector can answer at its endpoint.
//
// The SDK shortens long values and drops attributes beyond a number, silently, if the
// provider or the environment sets such limits (there may be 128 attributes if neither
// does). An event that has lost anything so is not sent: its call returns an error that
// says what to raise.
package confirm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otel-auditlog/auditlogexporter/emit"
)

var errShutdown = errors.New("the log provider has been shut down")

// Processor is a [sdklog.Processor]. It is safe for concurrent use.
type Processor struct {
	exporters []sdklog.Exporter
	// idle holds those that no call uses: an exporter exports one record at a time.
	idle    chan sdklog.Exporter
	stopped atomic.Bool
}

var _ sdklog.Processor = (*Processor)(nil)

// NewProcessor returns a processor that exports through exporters, which it then owns:
// nobody else may export through them or shut them down. As many records are under way
// at once as there are exporters; other calls wait for their turn. With more than one,
// calls need not wait for each other's round trip, and the collector can commit what
// they send together. It panics if there is none, or one
// of them is nil.
func NewProcessor(exporters ...sdklog.Exporter) *Processor {
	if len(exporters) == 0 || slices.Contains(exporters, nil) {
		panic("confirm: NewProcessor needs exporters, such as otlploggrpc.New makes, and none of them nil")
	}
	p := &Processor{exporters: exporters, idle: make(chan sdklog.Exporter, len(exporters))}
	for _, e := range exporters {
		p.idle <- e
	}
	return p
}

// Enabled is always true.
func (*Processor) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }

// OnEmit exports the record and returns when that has succeeded, failed, or ctx has
// ended. The error goes to the call of package emit that the record comes from; that
// of any other record is returned, for the SDK's handler of errors. A record that the
// provider's limits have cut is not exported.
func (p *Processor) OnEmit(ctx context.Context, record *sdklog.Record) error {
	id, err := emit.Check(ctx, record)
	if err == nil {
		err = p.export(ctx, record)
	}
	if emit.Report(ctx, id, err) {
		return nil
	}
	return err
}

func (p *Processor) export(ctx context.Context, record *sdklog.Record) error {
	if n := record.DroppedAttributes(); n > 0 {
		return fmt.Errorf("the log provider's limit has dropped %d attributes: raise sdklog.WithAttributeCountLimit (OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT)", n)
	}
	if p.stopped.Load() {
		return errShutdown
	}
	select {
	case exporter := <-p.idle:
		defer func() { p.idle <- exporter }()
		if err := exporter.Export(ctx, []sdklog.Record{*record}); err != nil {
			return err
		}
		// An exporter that was shut down meanwhile drops records without an error.
		if p.stopped.Load() {
			return errShutdown
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for an exporter: %w", context.Cause(ctx))
	}
}

// Shutdown shuts the exporters down. Calls that come later fail.
func (p *Processor) Shutdown(ctx context.Context) (err error) {
	p.stopped.Store(true)
	for _, e := range p.exporters {
		err = errors.Join(err, e.Shutdown(ctx))
	}
	return err
}

// ForceFlush flushes the exporters. The processor itself holds nothing back.
func (p *Processor) ForceFlush(ctx context.Context) (err error) {
	for _, e := range p.exporters {
		err = errors.Join(err, e.ForceFlush(ctx))
	}
	return err
}
