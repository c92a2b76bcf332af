// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ownevent

import (
	"bytes"

	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/logevent"
)

// MayBeOn reports whether a line may hold an event of an action. It is a quick test before the
// line is parsed: what a client wrote may look the same.
func MayBeOn(line []byte, a logevent.Action) bool {
	return bytes.Contains(line, []byte(`"action":"`+string(a)+`"`))
}

// In returns what the log says of itself in an event in canonical JSON, and false if the event
// is not the log's own or is malformed. It is for readers that leave what is malformed to the
// verifier.
func In(canonical []byte) (logevent.Event, bool) {
	var sum eventjson.Summary
	if eventjson.Scan(canonical, &sum) != nil || sum.Log == nil {
		return logevent.Event{}, false
	}
	e, err := logevent.Parse(sum.Log)
	return e, err == nil
}
