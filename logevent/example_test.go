// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logevent_test

import (
	"fmt"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/logevent"
)

// An event in which retention announces what it deletes.
const canonical = `{"category":"system_health","event_id":"01JD","event_name":"auditlog.pruned","level":"info",` +
	`"log":{"action":"pruned","before":41873},"metadata":{},"operation":"auditlog.pruned","resource_id":"host.example.com/auditlog",` +
	`"resource_type":"audit_log","success":true,"timestamp":"2026-11-24T10:15:00.000000000Z"}`

// A reader looks whether the log itself speaks in an event, and what it says.
func ExampleParse() {
	e, err := event.Parse([]byte(canonical))
	if err != nil {
		fmt.Println(err)
		return
	}
	if e.Log == nil {
		fmt.Println("an event of a client's")
		return
	}
	said, err := logevent.Parse(e.Log)
	if err != nil {
		fmt.Println(err)
		return
	}
	switch {
	case said.Action == logevent.Pruned:
		fmt.Println("retention deletes everything before leaf", said.Before)
	case !said.Action.Known():
		fmt.Println("a later version of the format says:", said.Action)
	}
	// Output: retention deletes everything before leaf 41873
}
