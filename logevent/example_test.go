// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logevent_test

import (
	"fmt"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/logevent"
)

// A reader takes an event's line apart with segment.ParseEvent, and looks whether the log
// itself speaks.
func Example() {
	pruned := logevent.Event{Action: logevent.Pruned, Before: 41873}
	canonical := pruned.Append(nil, "01JD", time.Date(2026, 11, 24, 10, 15, 0, 0, time.UTC), "host.example.com/auditlog")

	var sum eventjson.Summary
	if err := eventjson.Scan(canonical, &sum); err != nil {
		fmt.Println(err)
		return
	}
	if sum.Log == nil {
		fmt.Println("an event of a client's")
		return
	}
	said, err := logevent.Parse(sum.Log)
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
