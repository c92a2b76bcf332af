// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"math"
	"time"
)

// ownPrefix begins the names of the log's own events.
const ownPrefix = "auditlog."

// Own is an event in which a log says what it did, or what was done to it.
type Own struct {
	// ID is the event's id.
	ID string
	// Time is when it happened.
	Time time.Time
	// Origin names the log.
	Origin string
	Level  Level
	// Category is system_health if it is empty.
	Category Category
	// Action is what happened: opened, rotated, pruned and so on.
	Action string
	// Detail is a JSON object in canonical form: the member "log", whose member
	// "action" is Action.
	Detail []byte
}

// AppendOwn appends an event of the log's own in canonical JSON. Only such events
// have the member "log": mapping a record never makes one. Times before 1970 and
// after 2554 are written as the nearest that an event can hold.
func AppendOwn(dst []byte, o Own) []byte {
	e := Event{
		EventID:      o.ID,
		EventName:    ownPrefix + o.Action,
		Timestamp:    Nanoseconds(o.Time),
		Level:        o.Level,
		Category:     o.Category,
		Operation:    ownPrefix + o.Action,
		ResourceType: "audit_log",
		ResourceID:   o.Origin,
		Success:      OutcomeSuccess,
		Log:          o.Detail,
	}
	if e.Category == "" {
		e.Category = CategorySystemHealth
	}
	return e.Append(dst)
}

// Nanoseconds returns the time as an event has it: nanoseconds since the Unix epoch,
// within what an event can hold.
func Nanoseconds(t time.Time) uint64 {
	const last = math.MaxUint64 / 1_000_000_000
	second := t.Unix()
	switch {
	case second < 0:
		return 0
	case second >= last:
		return last * 1e9
	default:
		return uint64(second)*1e9 + uint64(t.Nanosecond())
	}
}
