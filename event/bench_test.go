// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/eventtest"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
)

func BenchmarkParse(b *testing.B) {
	e := eventtest.ShopEncoder(b, mapping.Default())
	canonical, _, err := e.Append(nil, eventtest.LoginRecord())
	require.NoError(b, err)
	b.SetBytes(int64(len(canonical)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.Parse(canonical); err != nil {
			b.Fatal(err)
		}
	}
}
