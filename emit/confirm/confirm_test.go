// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package confirm_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.uber.org/goleak"

	"github.com/otel-auditlog/auditlogexporter/emit"
	"github.com/otel-auditlog/auditlogexporter/emit/confirm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// exporter exports by a function.
type exporter func(ctx context.Context, records []sdklog.Record) error

func (e exporter) Export(ctx context.Context, records []sdklog.Record) error { return e(ctx, records) }
func (exporter) Shutdown(context.Context) error                              { return errShutdown }
func (exporter) ForceFlush(context.Context) error                            { return errFlush }

var (
	errShutdown = errors.New("exporter's shutdown")
	errFlush    = errors.New("exporter's flush")
	errExport   = errors.New("exporter's export")
)

func login(ctx context.Context, p *confirm.Processor) error {
	_, err := emit.New(sdklog.NewLoggerProvider(sdklog.WithProcessor(p), sdklog.WithAttributeCountLimit(20))).Login(ctx, emit.User("alice"), emit.Success)
	return err
}

// Each exporter exports one record at a time, and all of them work at once.
func TestExportersWorkAtOnce(t *testing.T) {
	const exporters, calls = 4, 40
	var exported atomic.Int32
	full := make(chan struct{})
	var exps []sdklog.Exporter
	for range exporters {
		var busy atomic.Bool
		exps = append(exps, exporter(func(_ context.Context, records []sdklog.Record) error {
			if !busy.CompareAndSwap(false, true) || len(records) != 1 {
				t.Error("an exporter got more than one record at a time")
			}
			defer busy.Store(false)
			if exported.Add(1) == exporters {
				close(full)
			}
			<-full // until all are busy
			return nil
		}))
	}
	p := confirm.NewProcessor(exps...)
	var wg sync.WaitGroup
	for range calls {
		wg.Go(func() {
			if err := login(t.Context(), p); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := exported.Load(); n != calls {
		t.Errorf("%d records exported, want %d", n, calls)
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	p := confirm.NewProcessor(exporter(func(context.Context, []sdklog.Record) error {
		close(entered)
		<-leave
		return nil
	}))
	done := make(chan error)
	go func() { done <- login(t.Context(), p) }()
	<-entered
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("the request is gone")
	cancel(cause)
	if err := login(ctx, p); !errors.Is(err, cause) {
		t.Errorf("error %v", err)
	}
	close(leave)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestShutdown(t *testing.T) {
	var p *confirm.Processor
	p = confirm.NewProcessor(exporter(func(ctx context.Context, _ []sdklog.Record) error {
		// An exporter that is shut down while it exports may return nil and have
		// sent nothing.
		if err := p.Shutdown(ctx); !errors.Is(err, errShutdown) {
			t.Errorf("Shutdown: %v", err)
		}
		return nil
	}))
	for range 2 {
		if err := login(t.Context(), p); err == nil || !strings.Contains(err.Error(), "shut down") {
			t.Errorf("error %v", err)
		}
	}
	if err := p.ForceFlush(t.Context()); !errors.Is(err, errFlush) {
		t.Errorf("ForceFlush: %v", err)
	}
}

// An event that the provider has cut is not confirmed.
func TestDroppedAttributes(t *testing.T) {
	p := confirm.NewProcessor(exporter(func(context.Context, []sdklog.Record) error { return nil }))
	e := emit.New(sdklog.NewLoggerProvider(sdklog.WithProcessor(p), sdklog.WithAttributeCountLimit(8)))
	var many []attribute.KeyValue
	for _, key := range strings.Split("a b c d e f", " ") {
		many = append(many, attribute.Bool(key, true))
	}
	if _, err := e.Login(t.Context(), emit.User("alice"), emit.Success, emit.With(many...)); err == nil || !strings.Contains(err.Error(), "dropped") {
		t.Errorf("error %v", err)
	}
}

// An event whose values the provider has shortened is not sent, and the call says which.
func TestShortenedValues(t *testing.T) {
	long := strings.Repeat("é", 50)
	for name, one := range map[string]struct {
		limit  int
		detail emit.Detail
		want   string
	}{
		"a text":        {40, emit.UserAgent(long), `"user_agent.original"`},
		"in a list":     {40, emit.With(attribute.StringSlice("list", []string{"a", long})), `"list"`},
		"in a map":      {40, emit.With(attribute.KeyValue{Key: "map", Value: attribute.MapValue(attribute.String("a", "b"), attribute.String("k", long))}), `"map"`},
		"in a slice":    {40, emit.With(attribute.KeyValue{Key: "slice", Value: attribute.SliceValue(attribute.Int64Value(1), attribute.StringValue(long))}), `"slice"`},
		"the id itself": {35, emit.Message("m"), `"audit.record.id"`},
		"everything":    {0, emit.Message("m"), `"audit.record.id"`},
		"nothing":       {40, emit.With(attribute.Int("n", 1), attribute.ByteSlice("b", []byte(long)[:40]), attribute.Float64("f", 1)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			sent := 0
			p := confirm.NewProcessor(exporter(func(context.Context, []sdklog.Record) error { sent++; return nil }))
			e := emit.New(sdklog.NewLoggerProvider(sdklog.WithProcessor(p), sdklog.WithAttributeValueLengthLimit(one.limit)))
			id, err := e.Login(t.Context(), emit.User("alice"), emit.Success, one.detail)
			if one.want == "" {
				if err != nil || sent != 1 {
					t.Errorf("%d sent, error %v", sent, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), one.want) || !strings.Contains(err.Error(), id) || !strings.Contains(err.Error(), "WithAttributeValueLengthLimit") || sent != 0 {
				t.Errorf("%d sent, error %v", sent, err)
			}
		})
	}
}

// change is a processor that changes records on their way.
type change func(*sdklog.Record)

func (c change) OnEmit(_ context.Context, r *sdklog.Record) error     { c(r); return nil }
func (change) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }
func (change) Shutdown(context.Context) error                         { return nil }
func (change) ForceFlush(context.Context) error                       { return nil }

// What the service's own processors add, redact and take away is its own affair.
func TestProcessorsBefore(t *testing.T) {
	p := confirm.NewProcessor(exporter(func(context.Context, []sdklog.Record) error { return nil }))
	redact := change(func(r *sdklog.Record) {
		var kept []attribute.KeyValue
		r.WalkAttributes(func(kv attribute.KeyValue) bool {
			switch kv.Key {
			case "user_agent.original":
				kv.Value = attribute.StringValue("")
			case "audit.source.id":
				kv.Value = attribute.StringValue("[redacted]")
			case "audit.source.type":
				return true
			}
			kept = append(kept, kv)
			return true
		})
		r.SetAttributes(append(kept, attribute.String("host.name", "h"))...)
	})
	e := emit.New(sdklog.NewLoggerProvider(sdklog.WithProcessor(redact), sdklog.WithProcessor(p)))
	if _, err := e.Login(t.Context(), emit.User("alice"), emit.Success, emit.From("203.0.113.7"), emit.UserAgent("curl/8")); err != nil {
		t.Error(err)
	}
	drop := change(func(r *sdklog.Record) { r.SetAttributes() })
	e = emit.New(sdklog.NewLoggerProvider(sdklog.WithProcessor(drop), sdklog.WithProcessor(p)))
	if _, err := e.Login(t.Context(), emit.User("alice"), emit.Success); !errors.Is(err, emit.ErrUnconfirmed) {
		t.Errorf("without an id: %v", err)
	}
}

// The error for a record that no call waits for goes to the SDK's handler; that of an
// event goes to its call alone.
func TestErrorsOfOtherRecords(t *testing.T) {
	var handled []error
	before := otel.GetErrorHandler()
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { handled = append(handled, err) }))
	defer otel.SetErrorHandler(before)
	p := confirm.NewProcessor(exporter(func(context.Context, []sdklog.Record) error { return errExport }))
	if err := login(t.Context(), p); !errors.Is(err, errExport) || len(handled) != 0 {
		t.Errorf("error %v, handled %v", err, handled)
	}
	var r log.Record
	r.SetEventName("not.audit")
	sdklog.NewLoggerProvider(sdklog.WithProcessor(p)).Logger("x").Emit(t.Context(), r)
	if len(handled) != 1 || !errors.Is(handled[0], errExport) {
		t.Errorf("handled %v", handled)
	}
}

func TestNoExporter(t *testing.T) {
	for _, none := range [][]sdklog.Exporter{{}, {nil}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("a processor without an exporter was made")
				}
			}()
			confirm.NewProcessor(none...)
		}()
	}
}

// What was shut down before is not asked to export.
func TestNothingIsExportedAfterShutdown(t *testing.T) {
	sent := 0
	p := confirm.NewProcessor(exporter(func(context.Context, []sdklog.Record) error { sent++; return nil }))
	if err := p.Shutdown(t.Context()); !errors.Is(err, errShutdown) {
		t.Errorf("Shutdown: %v", err)
	}
	if err := login(t.Context(), p); err == nil || sent != 0 {
		t.Errorf("%d sent, error %v", sent, err)
	}
}
