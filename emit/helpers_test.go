// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package emit_test

import (
	"context"
	"sync"
	"testing"

	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otel-auditlog/auditlogexporter/emit"
	"github.com/otel-auditlog/auditlogexporter/emit/confirm"
)

// memory is an exporter that keeps what it gets.
type memory struct {
	mu      sync.Mutex
	records []sdklog.Record
	err     error
}

func (m *memory) Export(_ context.Context, records []sdklog.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
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
	return emit.New(sdklog.NewLoggerProvider(sdklog.WithProcessor(confirm.NewProcessor(m)))), m
}

// newest returns the record that arrived last.
func (m *memory) newest(t *testing.T) sdklog.Record {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.records) == 0 {
		t.Fatal("no record arrived")
	}
	return m.records[len(m.records)-1]
}
