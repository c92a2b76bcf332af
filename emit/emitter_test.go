// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package emit_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log/noop"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/otel-auditlog/auditlogexporter/emit"
	"github.com/otel-auditlog/auditlogexporter/emit/confirm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var someEvent = emit.Event{Name: "user.login", Target: emit.File("f")}

func TestDeliveryErrorReachesTheCaller(t *testing.T) {
	e, m := newEmitter(t)
	m.err = errors.New("no space left on device")
	at := time.Now()
	id, err := e.Login(t.Context(), emit.User("alice"), emit.Success, emit.At(at))
	if !errors.Is(err, m.err) || !strings.Contains(err.Error(), "user.login") || !strings.Contains(err.Error(), id) {
		t.Errorf("error %v", err)
	}
	if _, err := uuid.Parse(id); err != nil {
		t.Errorf("id %q: %v", id, err)
	}

	// It can be sent again with its id and time.
	m.err = nil
	again, err := e.Login(t.Context(), emit.User("alice"), emit.Success, emit.WithID(id), emit.At(at))
	if err != nil || again != id || recordID(m.newest(t)) != id {
		t.Errorf("sent again: %q, %v, want %q", again, err, id)
	}
}

// recordID returns the event id that a record carries.
func recordID(r sdklog.Record) (id string) {
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		if kv.Key == emit.RecordIDKey {
			id = kv.Value.AsString()
		}
		return true
	})
	return id
}

// An event that nobody confirms is an error, unless the service says otherwise.
func TestUnconfirmed(t *testing.T) {
	batch := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(new(memory))))
	defer func() {
		if err := batch.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	if id, err := emit.New(batch).Emit(t.Context(), someEvent); !errors.Is(err, emit.ErrUnconfirmed) || id == "" {
		t.Errorf("batch processor: %q, %v", id, err)
	}
	if id, err := emit.New(batch, emit.Unconfirmed()).Emit(t.Context(), someEvent); err != nil || id == "" {
		t.Errorf("unconfirmed: %q, %v", id, err)
	}
}

// A provider that takes nothing is an error also for those that ask for no confirmation:
// nothing is delivered in the background either.
func TestNotTaken(t *testing.T) {
	before := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewSimpleProcessor(new(memory))))
	made := emit.New(before, emit.Unconfirmed())
	if err := before.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]*emit.Emitter{
		"no provider at all":                 emit.New(noop.NewLoggerProvider()),
		"no processor":                       emit.New(sdklog.NewLoggerProvider()),
		"provider is shut down":              emit.New(before),
		"provider is shut down, unconfirmed": emit.New(before, emit.Unconfirmed()),
		"shut down later, unconfirmed":       made,
	} {
		id, err := e.Emit(t.Context(), someEvent)
		if !errors.Is(err, emit.ErrNotTaken) || id == "" || !strings.Contains(err.Error(), "shut down") {
			t.Errorf("%s: %q, %v", name, id, err)
		}
	}
}

// stuck is an exporter that tries until its context ends, as those of OTLP do.
type stuck struct{ memory }

func (*stuck) Export(ctx context.Context, _ []sdklog.Record) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// A call is bounded with all its retries, whatever the exporter does.
func TestTimeout(t *testing.T) {
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(confirm.NewProcessor(new(stuck))))
	e := emit.New(provider, emit.WithTimeout(time.Millisecond))
	if id, err := e.Emit(context.Background(), someEvent); err == nil || !strings.Contains(err.Error(), "the emitter's timeout is over") || id == "" {
		t.Errorf("%q, %v", id, err)
	}
	// The caller's own context counts, too.
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("the request is gone")
	cancel(gone)
	if _, err := emit.New(provider, emit.WithTimeout(0)).Emit(ctx, someEvent); !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
}

func TestRefused(t *testing.T) {
	e, m := newEmitter(t)
	for name, c := range map[string]struct {
		ev   emit.Event
		want string
	}{
		"no name":               {emit.Event{}, "no name"},
		"actor without an id":   {emit.Event{Name: "x", Actor: emit.User("")}, "no id"},
		"attribute is a field":  {emit.Event{Name: "x", Attributes: []attribute.KeyValue{attribute.String("audit.outcome", "success")}}, `"audit.outcome" is there twice`},
		"attribute twice":       {emit.Event{Name: "x", Attributes: []attribute.KeyValue{attribute.Int("n", 1), attribute.Int("n", 2)}}, `"n" is there twice`},
		"attribute without key": {emit.Event{Name: "x", Attributes: []attribute.KeyValue{{}}}, "no key"},
		"key twice in a map": {emit.Event{Name: "x", Attributes: []attribute.KeyValue{{Key: "m", Value: attribute.SliceValue(
			attribute.MapValue(attribute.Int("n", 1), attribute.Int("n", 2)))}}}, `"m": the attribute "n" is there twice`},
		// OTLP could not carry them, so the log would have another id, or another time.
		"id is not UTF-8":  {emit.Event{Name: "x", ID: "a\xff"}, "not UTF-8"},
		"before 1970":      {emit.Event{Name: "x", Time: time.Unix(0, 0)}, "Event.Time"},
		"after 2262":       {emit.Event{Name: "x", Time: time.Date(2262, 4, 12, 0, 0, 0, 0, time.UTC)}, "Event.Time"},
		"long before 1970": {emit.Event{Name: "x", Time: time.Date(-3000, 1, 1, 0, 0, 0, 0, time.UTC)}, "Event.Time"},
	} {
		if id, err := e.Emit(t.Context(), c.ev); err == nil || !strings.Contains(err.Error(), c.want) || id == "" {
			t.Errorf("%s: %q, %v, want %q", name, id, err, c.want)
		}
	}
	if len(m.records) > 0 {
		t.Errorf("%d records were sent", len(m.records))
	}
}

// What is nil among optional arguments is as if it were not there. Without a provider
// there is no emitter, and that is said where it was forgotten.
func TestNil(t *testing.T) {
	m := new(memory)
	e := emit.New(sdklog.NewLoggerProvider(sdklog.WithProcessor(confirm.NewProcessor(m))), nil, emit.WithScope("example.com/shop", ""))
	if _, err := e.Login(t.Context(), emit.User("alice"), emit.Success, nil, emit.Because(nil), emit.With()); err != nil {
		t.Error(err)
	}
	if name := m.records[0].InstrumentationScope().Name; name != "example.com/shop" {
		t.Errorf("scope %q", name)
	}
	defer func() {
		if said, _ := recover().(string); !strings.HasPrefix(said, "emit: ") {
			t.Errorf("panic %q", said)
		}
	}()
	emit.New(nil)
}

// Ids are random: 122 bits, none twice, whoever asks for them at once.
func TestIDs(t *testing.T) {
	const callers, calls = 8, 200
	e, _ := newEmitter(t)
	all := make([][]string, callers)
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			for range calls {
				id, err := e.Emit(t.Context(), someEvent)
				if err != nil {
					t.Error(err)
				}
				all[i] = append(all[i], id)
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, id := range slices.Concat(all...) {
		parsed, err := uuid.Parse(id)
		if err != nil || parsed.Version() != 4 || seen[id] {
			t.Fatalf("id %q: version %d, %v", id, parsed.Version(), err)
		}
		seen[id] = true
	}
}

// A record that is emitted on the way, with the context of the call, is not taken for
// the event, even if it is an event itself.
func TestReportsAreOfTheEventItself(t *testing.T) {
	inner := errors.New("inner")
	emit.Report(t.Context(), "id", inner) // nobody waits: no effect
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(onEmit(func(ctx context.Context, id string) {
		if emit.Report(ctx, "another", inner) {
			t.Error("the report of another event was taken for this one's")
		}
		if !emit.Report(ctx, id, nil) {
			t.Error("the event's own report was refused")
		}
	})))
	if _, err := emit.New(provider).Emit(t.Context(), someEvent); err != nil {
		t.Error(err)
	}
	// All who report must agree.
	var late context.Context
	provider = sdklog.NewLoggerProvider(
		sdklog.WithProcessor(onEmit(func(ctx context.Context, id string) { late = ctx; emit.Report(ctx, id, nil) })),
		sdklog.WithProcessor(onEmit(func(ctx context.Context, id string) { emit.Report(ctx, id, inner) })),
		sdklog.WithProcessor(onEmit(func(ctx context.Context, id string) { emit.Report(ctx, id, nil) })),
	)
	id, err := emit.New(provider).Emit(t.Context(), someEvent)
	if !errors.Is(err, inner) {
		t.Error(err)
	}
	if emit.Report(late, id, nil) {
		t.Error("a report was taken after the call had returned")
	}
}

// onEmit is a processor that hands over contexts and event ids.
type onEmit func(ctx context.Context, id string)

func (f onEmit) OnEmit(ctx context.Context, r *sdklog.Record) error {
	f(ctx, recordID(*r))
	return nil
}

func (onEmit) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }
func (onEmit) Shutdown(context.Context) error                         { return nil }
func (onEmit) ForceFlush(context.Context) error                       { return nil }

func TestTimeScopeAndTrace(t *testing.T) {
	m := new(memory)
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewSimpleProcessor(m)))
	e := emit.New(provider, emit.WithScope("example.com/shop", "1.2.3"), emit.Unconfirmed())
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	at := time.Date(2026, 11, 23, 10, 15, 0, 42, time.UTC)
	if _, err := e.Login(trace.ContextWithSpanContext(t.Context(), span), emit.User("alice"), emit.Success, emit.At(at)); err != nil {
		t.Fatal(err)
	}
	got := m.newest(t)
	if scope := got.InstrumentationScope(); scope.Name != "example.com/shop" || scope.Version != "1.2.3" {
		t.Errorf("scope %+v", scope)
	}
	if !got.Timestamp().Equal(at) || got.TraceID() != (trace.TraceID{1}) || got.SpanID() != (trace.SpanID{2}) {
		t.Errorf("time %v, trace %v, span %v", got.Timestamp(), got.TraceID(), got.SpanID())
	}
	if got.Severity() == 0 || got.SeverityText() != "INFO" {
		t.Errorf("severity %v %q", got.Severity(), got.SeverityText())
	}
}
