// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/otel-auditlog/auditlogexporter/emit"
	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
)

// An event that is sent again with its id and time is the same: the collector writes it once.
func TestSentAgain(t *testing.T) {
	e, m := newEmitter(t)
	at := time.Now()
	send := func(details ...emit.Detail) eventjson.Identity {
		t.Helper()
		id, err := e.Login(t.Context(), emit.User("alice"), emit.Success, append(details, emit.WithID("018f"))...)
		require.NoError(t, err, "sent")
		require.Equal(t, "018f", id, "sent")
		require.Equal(t, id, m.mapped(t).EventID, "sent")
		return m.identity(t)
	}
	first := send(emit.At(at))
	assert.Equal(t, first.Content, send(emit.At(at)).Content, "an event that is sent again with its id and time is another")
	assert.NotEqual(t, first.Content, send(emit.At(at.Add(time.Nanosecond))).Content, "an event with another time is the same")
}

// The event has the time and the span of the record.
func TestTimeAndTrace(t *testing.T) {
	e, m := newEmitter(t)
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	at := time.Date(2026, 11, 23, 10, 15, 0, 42, time.UTC)
	_, err := e.Login(trace.ContextWithSpanContext(t.Context(), span), emit.User("alice"), emit.Success, emit.At(at))
	require.NoError(t, err)
	if got := m.mapped(t); got.Timestamp != uint64(at.UnixNano()) || got.TraceID != [16]byte{1} || got.SpanID != [8]byte{2} {
		t.Errorf("time %d, trace %x, span %x", got.Timestamp, got.TraceID, got.SpanID)
	}
}
