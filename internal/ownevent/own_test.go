// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ownevent_test

import (
	"strings"
	"testing"
	"time"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/ownevent"
)

// Events of the log's own bear times that clocks should not show, as well as may be.
func TestOwnEventTimes(t *testing.T) {
	for at, want := range map[time.Time]string{
		{}:                                  "1970-01-01T00:00:00.000000000Z",
		time.Unix(-1, 0):                    "1970-01-01T00:00:00.000000000Z",
		time.Unix(1, 5):                     "1970-01-01T00:00:01.000000005Z",
		time.Unix(9_300_000_000, 7).Local(): "2264-09-14T21:20:00.000000007Z",
		time.Unix(1<<40, 0):                 "2554-07-21T23:34:33.000000000Z",
	} {
		b := ownevent.AppendOwn(nil, ownevent.Own{ID: "i", Time: at, Origin: "o", Level: event.LevelInfo, Category: event.CategoryCryptographic, Action: "opened", Detail: []byte(`{"action":"opened"}`)})
		e, err := event.Parse(b)
		if err != nil || !strings.Contains(string(b), want) || e.Category != event.CategoryCryptographic || e.ResourceType != "audit_log" || e.ResourceID != "o" ||
			e.Operation != "auditlog.opened" || e.EventName != "auditlog.opened" || e.Success != event.OutcomeSuccess {
			t.Errorf("%s: %s, %v", at, b, err)
		}
	}
}
