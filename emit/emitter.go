// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package emit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/log"
)

// scopeName is the instrumentation scope of events, unless [WithScope] says another.
const scopeName = "github.com/otel-auditlog/auditlogexporter/emit"

// ErrUnconfirmed says that the provider took an event and nobody reported what became
// of it; see the package comment.
var ErrUnconfirmed = errors.New("nobody reported whether it was acknowledged: give the provider a processor that does, such as the one of emit/confirm, or make the emitter with emit.Unconfirmed")

// ErrNotTaken says that the provider takes no events: it has been shut down, has no
// processor, or none that wants them.
var ErrNotTaken = errors.New("the log provider takes no events: it has been shut down, or has no processor that wants them")

// errTimeout is the cause of a context that ends because of [WithTimeout].
var errTimeout = errors.New("the emitter's timeout is over")

// Emitter sends audit events. It is safe for concurrent use.
type Emitter struct {
	logger      log.Logger
	unconfirmed bool
	timeout     time.Duration
}

// Option is an option of [New].
type Option func(*options)

type options struct {
	scope, version string
	unconfirmed    bool
	timeout        time.Duration
}

// WithScope sets the instrumentation scope of the events: the name of the package or
// service that emits them, and its version.
func WithScope(name, version string) Option {
	return func(o *options) { o.scope, o.version = name, version }
}

// defaultTimeout is that of OTLP exporters (OTEL_EXPORTER_OTLP_TIMEOUT).
const defaultTimeout = 10 * time.Second

// WithTimeout bounds each call, with all its retries; without this option the bound is
// 10 s. An OTLP exporter's own timeout bounds a single attempt, and its retries go on for a
// minute. The processor must heed the context, as those of emit/confirm and the SDK do. 0
// sets no bound.
func WithTimeout(d time.Duration) Option {
	return func(o *options) { o.timeout = d }
}

// Unconfirmed makes an emitter that does not mind if nobody reports what became of
// an event, for delivery in the background. Errors that are reported are still returned.
// What nobody reports on, nobody checks either: the provider's limits may shorten it.
func Unconfirmed() Option {
	return func(o *options) { o.unconfirmed = true }
}

// New returns an emitter that sends through provider. It panics if there is none.
func New(provider log.LoggerProvider, opts ...Option) *Emitter {
	if provider == nil {
		panic("emit: New needs a log provider, such as sdklog.NewLoggerProvider makes")
	}
	o := options{scope: scopeName, timeout: defaultTimeout}
	for _, opt := range opts {
		if opt != nil {
			opt(&o)
		}
	}
	return &Emitter{
		logger:      provider.Logger(o.scope, log.WithInstrumentationVersion(o.version)),
		unconfirmed: o.unconfirmed,
		timeout:     o.timeout,
	}
}

// Emit sends an event and returns its id. The package comment says what errors mean.
// It returns when the provider has, at the latest when ctx or the time of [WithTimeout]
// ends if the provider heeds contexts.
func (e *Emitter) Emit(ctx context.Context, ev Event) (id string, err error) {
	if ev.ID == "" {
		ev.ID = uuid.NewString()
	}
	record, err := ev.record()
	if err != nil {
		return ev.ID, fmt.Errorf("audit event %q: %w", ev.Name, err)
	}
	if e.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, e.timeout, errTimeout)
		defer cancel()
	}
	if !e.logger.Enabled(ctx, log.EnabledParameters{Severity: record.Severity(), EventName: record.EventName()}) {
		return ev.ID, fmt.Errorf("audit event %q, id %s: not sent: %w", ev.Name, ev.ID, ErrNotTaken)
	}
	r := &receipt{id: ev.ID, record: record}
	e.logger.Emit(context.WithValue(ctx, receiptKey{}, r), record)
	reported, err := r.close()
	switch {
	case err != nil:
		return ev.ID, fmt.Errorf("audit event %q, id %s: not acknowledged: %w", ev.Name, ev.ID, err)
	case !reported && !e.unconfirmed:
		return ev.ID, fmt.Errorf("audit event %q, id %s: %w", ev.Name, ev.ID, ErrUnconfirmed)
	}
	return ev.ID, nil
}
