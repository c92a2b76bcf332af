// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping_test

import (
	"fmt"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
)

func Example() {
	record := plog.NewLogRecord()
	record.SetEventName("user.login")
	record.SetTimestamp(1_795_428_900_000_000_000)
	record.Attributes().PutStr("audit.record.id", "r-1")
	record.Attributes().PutStr("user.id", "alice")
	record.Attributes().PutStr("audit.outcome", "failure")
	record.Attributes().PutInt("attempt", 3)

	encoder, err := mapping.NewEncoder(mapping.Default())
	if err != nil {
		panic(err)
	}
	resource := pcommon.NewResource()
	resource.Attributes().PutStr("service.name", "shop")
	encoder.SetResource(resource, "")
	encoder.SetScope(pcommon.NewInstrumentationScope(), "")
	canonical, info, err := encoder.Append(nil, record)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s\n", canonical)
	fmt.Println("defaults stand in:", info.Unmapped)

	decoded, err := event.Parse(canonical)
	if err != nil {
		panic(err)
	}
	fmt.Println(decoded.UserID, decoded.Category, decoded.Level, decoded.Operation)
	// Output:
	// {"category":"authentication","event_id":"r-1","event_name":"user.login","level":"security","mapped_from":{"event_id":"audit.record.id","success":"audit.outcome","user_id":"user.id"},"metadata":{"attempt":3},"operation":"user.login","resource":{"attributes":{"service.name":"shop"}},"resource_id":"shop","resource_type":"service","success":false,"timestamp":"2026-11-23T10:15:00.000000000Z","user_id":"alice"}
	// defaults stand in: true
	// alice authentication security user.login
}
