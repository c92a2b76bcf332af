// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ownevent

import (
	"time"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
	"github.com/otel-auditlog/auditlogexporter/internal/member"
	"github.com/otel-auditlog/auditlogexporter/internal/timestamp"
)

// prefix begins the names of the log's own events.
const prefix = "auditlog."

// Own is an event in which a log says what it did, or what was done to it, whatever that is.
type Own struct {
	// ID is the event's id.
	ID string
	// Time is when it happened.
	Time time.Time
	// Origin names the log.
	Origin string
	Level  event.Level
	// Category is system_health if it is empty.
	Category event.Category
	// Action is what happened: opened, rotated, pruned and so on.
	Action string
	// Detail is a JSON object in canonical form: the member "log", whose member
	// "action" is Action.
	Detail []byte
}

// AppendOwn appends an event of the log's own in canonical JSON. Only such events have the member
// "log": mapping a record never makes one. Times before 1970 and after 2554 are written as the
// nearest that an event can hold.
func AppendOwn(dst []byte, o Own) []byte {
	if o.Category == "" {
		o.Category = event.CategorySystemHealth
	}
	dst = append(dst, '{')
	dst = appendText(dst, member.Category, string(o.Category))
	dst = appendText(dst, member.EventID, o.ID)
	dst = appendText(dst, member.EventName, prefix+o.Action)
	dst = appendText(dst, member.Level, string(o.Level))
	dst = append(append(append(dst, member.Log.Key()...), o.Detail...), ',')
	dst = append(append(dst, member.Metadata.Key()...), `{},`...)
	dst = appendText(dst, member.Operation, prefix+o.Action)
	dst = appendText(dst, member.ResourceID, o.Origin)
	dst = appendText(dst, member.ResourceType, "audit_log")
	dst = append(append(dst, member.Success.Key()...), `true,`...)
	dst = append(dst, member.Timestamp.Key()...)
	dst = timestamp.Append(dst, timestamp.Nanoseconds(o.Time))
	return append(dst, '}')
}

func appendText(dst []byte, m member.Member, text string) []byte {
	dst = append(dst, m.Key()...)
	dst = jcs.AppendString(dst, text)
	return append(dst, ',')
}
