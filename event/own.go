// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import "time"

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
// have the member "log": mapping a record never makes one.
func AppendOwn(dst []byte, o Own) []byte {
	category := o.Category
	if category == "" {
		category = CategorySystemHealth
	}
	name := ownPrefix + o.Action
	dst = append(dst, `{"category":"`...)
	dst = append(dst, category...)
	dst = append(dst, `","event_id":`...)
	dst = appendText(dst, o.ID)
	dst = append(dst, `,"event_name":`...)
	dst = appendText(dst, name)
	dst = append(dst, `,"level":"`...)
	dst = append(dst, o.Level...)
	dst = append(dst, `","log":`...)
	dst = append(dst, o.Detail...)
	dst = append(dst, `,"metadata":{},"operation":`...)
	dst = appendText(dst, name)
	dst = append(dst, `,"resource_id":`...)
	dst = appendText(dst, o.Origin)
	dst = append(dst, `,"resource_type":"audit_log","success":true,"timestamp":`...)
	dst = appendTime(dst, uint64(max(0, o.Time.UnixNano())))
	return append(dst, '}')
}
