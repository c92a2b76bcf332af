// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package eventtest

import (
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
)

func NewEncoder(t testing.TB) *mapping.Encoder {
	t.Helper()
	enc, err := mapping.NewEncoder(mapping.Default())
	if err != nil {
		t.Fatal(err)
	}
	return enc
}

func Encode(t interface{ Fatal(...any) }, enc *mapping.Encoder, logs plog.Logs) []byte {
	rl := logs.ResourceLogs().At(0)
	sl := rl.ScopeLogs().At(0)
	enc.SetResource(rl.Resource(), rl.SchemaUrl())
	enc.SetScope(sl.Scope(), sl.SchemaUrl())
	b, _, err := enc.Append(nil, sl.LogRecords().At(0))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Decode returns the record an event was made of.
func Decode(t testing.TB, b []byte) plog.Logs {
	t.Helper()
	e, err := event.Parse(b)
	if err != nil {
		t.Fatalf("%v\n%.400s", err, b)
	}
	logs, err := mapping.Logs(e)
	if err != nil {
		t.Fatal(err)
	}
	return logs
}

// ShopEncoder returns an encoder for the records of a shop.
func ShopEncoder(t testing.TB, m mapping.Config) *mapping.Encoder {
	e, err := mapping.NewEncoder(m)
	if err != nil {
		t.Fatal(err)
	}
	res := pcommon.NewResource()
	res.Attributes().PutStr("service.name", "shop")
	e.SetResource(res, "")
	scope := pcommon.NewInstrumentationScope()
	scope.SetName("shop/auth")
	e.SetScope(scope, "")
	return e
}
