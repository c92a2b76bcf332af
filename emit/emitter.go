// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package emit

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/log"
)

// scopeName is the instrumentation scope of events, unless [WithScope] says another.
const scopeName = "github.com/otel-auditlog/auditlogexporter/emit"

// ErrUnconfirmed says that the provider took an event and nobody reported what became
// of it; see the package comment.
var ErrUnconfirmed = errors.New("nobody reported whether it was acknowledged: give the provider a processor that does, such as the one of emit/confirm, or make the emitter with emit.Unconfirmed")

// Emitter sends audit events. It is safe for concurrent use.
type Emitter struct {
	logger      log.Logger
	unconfirmed bool
}

// Option is an option of [New].
type Option func(*options)

type options struct {
	scope, version string
	unconfirmed    bool
}

// WithScope sets the instrumentation scope of the events: the name of the package or
// service that emits them, and its version.
func WithScope(name, version string) Option {
	return func(o *options) { o.scope, o.version = name, version }
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
	o := options{scope: scopeName}
	for _, opt := range opts {
		if opt != nil {
			opt(&o)
		}
	}
	return &Emitter{
		logger:      provider.Logger(o.scope, log.WithInstrumentationVersion(o.version)),
		unconfirmed: o.unconfirmed,
	}
}

// Emit sends an event and returns its id. The package comment says what errors mean.
// How long it takes is up to the provider, and to ctx if the provider heeds it.
func (e *Emitter) Emit(ctx context.Context, ev Event) (id string, err error) {
	if ev.ID == "" {
		ev.ID = uuid.NewString()
	}
	record, err := ev.record()
	if err != nil {
		return ev.ID, fmt.Errorf("audit event %q: %w", ev.Name, err)
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
