// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ownevent_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/otel-auditlog/auditlogexporter/internal/ownevent"
	"github.com/otel-auditlog/auditlogexporter/logevent"
)

// now is when the events were said.
var now = time.Date(2026, 11, 24, 10, 15, 0, 123456789, time.UTC)

// In reads only events of the log's own.
func TestIn(t *testing.T) {
	e := logevent.Event{Action: logevent.Pruned, Before: 7}
	canonical := ownevent.Append(nil, &e, "id", now, "o")
	got, ok := ownevent.In(canonical)
	assert.True(t, ok)
	assert.Equal(t, e, got)
	for name, canonical := range map[string]string{
		"a client's":   strings.Replace(string(canonical), `"log":`, `"mapped_from":`, 1),
		"malformed":    strings.Replace(string(canonical), `"before":7`, `"before":"7"`, 1),
		"not an event": string(canonical[1:]),
	} {
		_, ok := ownevent.In([]byte(canonical))
		assert.False(t, ok, name)
	}
}

func TestMayBeOn(t *testing.T) {
	e := logevent.Event{Action: logevent.Refused, Refused: &logevent.Refusal{Reason: "pruned"}}
	line := ownevent.Append(nil, &e, "id", now, "o")
	assert.True(t, ownevent.MayBeOn(line, logevent.Refused))
	assert.False(t, ownevent.MayBeOn(line, logevent.Pruned))
	assert.False(t, ownevent.MayBeOn(line, logevent.RefusedSuppressed))
}
