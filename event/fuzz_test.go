// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event_test

import (
	"testing"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/eventtest"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
)

// What Parse takes, Scan takes; and the record it gives, mapped again, gives an event of the same
// record.
func FuzzParse(f *testing.F) {
	eventtest.Seed(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		e, err := event.Parse(in)
		if err != nil {
			return
		}
		var s eventjson.Summary
		if err := eventjson.Scan(in, &s); err != nil {
			t.Errorf("%s parses, but does not scan: %v", in, err)
		}
		logs, err := mapping.Logs(e)
		if err != nil {
			t.Fatalf("%s has no log record: %v", in, err)
		}
		if got, want := eventtest.Dump(eventtest.Decode(t, eventtest.Encode(t, eventtest.NewEncoder(t), logs))), eventtest.Dump(logs); got != want {
			t.Errorf("went in:\n%s\ncame out:\n%s", want, got)
		}
	})
}
