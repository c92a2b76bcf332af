// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/otel-auditlog/auditlogexporter/emit"
	"github.com/otel-auditlog/auditlogexporter/emit/confirm"
	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
)

// memory is an exporter that keeps what it gets.
type memory struct {
	mu      sync.Mutex
	records []sdklog.Record
}

func (m *memory) Export(_ context.Context, records []sdklog.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range records {
		m.records = append(m.records, r.Clone())
	}
	return nil
}

func (*memory) Shutdown(context.Context) error   { return nil }
func (*memory) ForceFlush(context.Context) error { return nil }

// newEmitter returns an emitter on the SDK, and where its records end up.
func newEmitter(t *testing.T) (*emit.Emitter, *memory) {
	t.Helper()
	m := new(memory)
	return emit.New(sdklog.NewLoggerProvider(sdklog.WithProcessor(confirm.NewProcessor(m)),
		sdklog.WithResource(resource.NewSchemaless(attribute.String("service.name", "shop"))))), m
}

// mapped returns the event that a collector with the default mapping makes of the
// newest record. The mapping is strict: it refuses records that state too little.
func (m *memory) mapped(t *testing.T) *event.Event {
	t.Helper()
	parsed, err := event.Parse(m.canonical(t))
	require.NoError(t, err)
	return parsed
}

// identity returns what tells whether the newest record is one that was sent before.
func (m *memory) identity(t *testing.T) eventjson.Identity {
	t.Helper()
	id, ok, err := eventjson.Identify(m.canonical(t))
	require.NoError(t, err, "no identity")
	require.True(t, ok, "no identity")
	return id
}

func (m *memory) canonical(t *testing.T) []byte {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	require.NotEmpty(t, m.records, "no record arrived")
	strict := mapping.Default()
	strict.Strict = true
	mapper, err := mapping.NewMapper(strict)
	require.NoError(t, err)
	encoder := mapper.NewEncoder()
	record := m.records[len(m.records)-1]
	res := pcommon.NewResource()
	for _, kv := range record.Resource().Attributes() {
		setValue(res.Attributes().PutEmpty(string(kv.Key)), kv.Value)
	}
	encoder.SetResource(res, "")
	scope := pcommon.NewInstrumentationScope()
	scope.SetName(record.InstrumentationScope().Name)
	encoder.SetScope(scope, "")
	canonical, _, err := encoder.Append(nil, otlp(t, &record))
	require.NoError(t, err)
	return canonical
}

// otlp is what the record is in OTLP, as go.opentelemetry.io/otel/exporters/otlp has
// it.
func otlp(t *testing.T, r *sdklog.Record) plog.LogRecord {
	t.Helper()
	out := plog.NewLogRecord()
	out.SetTimestamp(pcommon.NewTimestampFromTime(r.Timestamp()))
	out.SetObservedTimestamp(pcommon.NewTimestampFromTime(r.ObservedTimestamp()))
	out.SetEventName(r.EventName())
	out.SetSeverityNumber(plog.SeverityNumber(r.Severity()))
	out.SetSeverityText(r.SeverityText())
	out.SetTraceID(pcommon.TraceID(r.TraceID()))
	out.SetSpanID(pcommon.SpanID(r.SpanID()))
	setValue(out.Body(), r.Body())
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		setValue(out.Attributes().PutEmpty(string(kv.Key)), kv.Value)
		return true
	})
	// What cannot be sent cannot be tested.
	logs := plog.NewLogs()
	out.CopyTo(logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty())
	_, err := new(plog.ProtoMarshaler).MarshalLogs(logs)
	require.NoError(t, err)
	return out
}

func setValue(to pcommon.Value, from attribute.Value) {
	switch from.Type() {
	case attribute.EMPTY:
	case attribute.BOOL:
		to.SetBool(from.AsBool())
	case attribute.INT64:
		to.SetInt(from.AsInt64())
	case attribute.FLOAT64:
		to.SetDouble(from.AsFloat64())
	case attribute.STRING:
		to.SetStr(from.AsString())
	case attribute.BYTESLICE:
		to.SetEmptyBytes().FromRaw(from.AsByteSlice())
	case attribute.STRINGSLICE:
		list := to.SetEmptySlice()
		for _, s := range from.AsStringSlice() {
			list.AppendEmpty().SetStr(s)
		}
	case attribute.SLICE:
		list := to.SetEmptySlice()
		for _, v := range from.AsSlice() {
			setValue(list.AppendEmpty(), v)
		}
	case attribute.MAP:
		entries := to.SetEmptyMap()
		for _, kv := range from.AsMap() {
			setValue(entries.PutEmpty(string(kv.Key)), kv.Value)
		}
	default:
		panic(errors.New("no test sends " + from.Type().String()))
	}
}
