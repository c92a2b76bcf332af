// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event_test

import (
	"fmt"
	"time"

	"github.com/otel-auditlog/auditlogexporter/event"
)

// An event as a line of a log holds it.
const canonical = `{"category":"authentication","event_id":"r-1","event_name":"user.login","level":"security",` +
	`"mapped_from":{"event_id":"audit.record.id","success":"audit.outcome","user_id":"user.id"},` +
	`"metadata":{"attempt":3,"client.id":{"$int":"9223372036854775807"}},"operation":"user.login",` +
	`"resource":{"attributes":{"service.name":"shop"}},"resource_id":"shop","resource_type":"service","success":false,` +
	`"timestamp":"2026-11-23T10:15:00.000000000Z","user_id":"alice"}`

func ExampleParse() {
	e, err := event.Parse([]byte(canonical))
	if err != nil {
		panic(err)
	}
	fmt.Println(time.Unix(0, int64(e.Timestamp)).UTC())
	fmt.Println(e.Level, e.Category, e.Operation, e.UserID)
	fmt.Println("failed:", e.Success == event.OutcomeFailure)
	for _, kv := range e.Metadata {
		fmt.Printf("%s: %v (%[2]T)\n", kv.Key, kv.Value)
	}
	service, _ := e.Resource.Attributes.Get("service.name")
	fmt.Println("from:", service)

	// Output:
	// 2026-11-23 10:15:00 +0000 UTC
	// security authentication user.login alice
	// failed: true
	// attempt: 3 (int64)
	// client.id: 9223372036854775807 (int64)
	// from: shop
}
