// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Summary is what a verifier or a filter needs of an event. Its byte slices are
// views of what was scanned, or, where a string holds escapes, copies.
type Summary struct {
	ID        []byte
	Time      time.Time
	Level     Level
	Category  Category
	Operation []byte
	UserID    []byte
	AgentID   []byte
	SessionID []byte
	Success   Outcome
	// Log is the member "log" in canonical JSON, of an event of the log's own; nil
	// of all others.
	Log []byte
}

// The members that every event has, one bit each.
const (
	hasCategory = 1 << iota
	hasID
	hasLevel
	hasMetadata
	hasOperation
	hasResourceID
	hasResourceType
	hasSuccess
	hasTime
	hasAll = 1<<iota - 1
)

// Scan checks that b is one event in canonical JSON with the members that every
// event has, each of its type, and fills in s. It allocates nothing unless a
// string in s holds escapes. It does not check the tags of values; [Parse] does.
func Scan(b []byte, s *Summary) error {
	*s = Summary{}
	if err := scan(b, s); err != nil {
		return fmt.Errorf("malformed event: %w", err)
	}
	return nil
}

func scan(b []byte, s *Summary) error {
	sc := scanner{b: b, room: maxScanDepth}
	if err := sc.checkUTF8(); err != nil {
		return err
	}
	has := 0
	if err := sc.object(func(key []byte) error { return sc.member(key, s, &has) }); err != nil {
		return err
	}
	if sc.i != len(b) {
		return sc.fail("something follows the event")
	}
	if has != hasAll {
		return errors.New("a member that every event has is missing")
	}
	return nil
}

// member reads the value of one of an event's members.
func (sc *scanner) member(key []byte, s *Summary, has *int) (err error) {
	switch string(key) {
	case "event_id":
		*has |= hasID
		s.ID, err = sc.memberText(key)
	case "operation":
		*has |= hasOperation
		s.Operation, err = sc.memberText(key)
	case "resource_id":
		*has |= hasResourceID
		_, err = sc.memberText(key)
	case "resource_type":
		*has |= hasResourceType
		_, err = sc.memberText(key)
	case "user_id":
		s.UserID, err = sc.memberText(key)
	case "agent_id":
		s.AgentID, err = sc.memberText(key)
	case "session_id":
		s.SessionID, err = sc.memberText(key)
	case "error_message", "source_ip", "user_agent", "trace_id", "span_id":
		_, err = sc.memberText(key)
	case "level":
		*has |= hasLevel
		var word []byte
		word, err = sc.memberText(key)
		s.Level = oneOf(levels, word)
		if err == nil && s.Level == "" {
			err = sc.fail(fmt.Sprintf("unknown level %.40q", word))
		}
	case "category":
		*has |= hasCategory
		var word []byte
		word, err = sc.memberText(key)
		s.Category = oneOf(categories, word)
		if err == nil && s.Category == "" {
			err = sc.fail(fmt.Sprintf("unknown category %.40q", word))
		}
	case "timestamp":
		*has |= hasTime
		s.Time, err = sc.memberTime(key)
	case "observed_timestamp":
		_, err = sc.memberTime(key)
	case "success":
		*has |= hasSuccess
		s.Success, err = sc.memberOutcome()
	case "metadata":
		*has |= hasMetadata
		err = sc.memberObject()
	case "resource", "scope", "mapped_from":
		err = sc.memberObject()
	case "log":
		start := sc.i
		err = sc.memberObject()
		s.Log = sc.b[start:sc.i]
	case "body", "event_name", "severity_text":
		err = sc.value()
	case "severity_number", "flags", "dropped_attributes_count":
		_, err = sc.number()
	default:
		err = sc.fail(fmt.Sprintf("events have no member %.40q", key))
	}
	return err
}

// oneOf returns the word if it is one of the list, without allocating, or "".
func oneOf[S ~string](list []S, word []byte) S {
	i := slices.IndexFunc(list, func(s S) bool { return string(s) == string(word) })
	if i < 0 {
		return ""
	}
	return list[i]
}

func (sc *scanner) memberText(key []byte) ([]byte, error) {
	raw, escaped, err := sc.text()
	if err != nil {
		return nil, err
	}
	if len(raw) == 0 {
		return nil, sc.fail(fmt.Sprintf("the member %q is empty", key))
	}
	if escaped {
		return appendUnescaped(nil, raw), nil
	}
	return raw, nil
}

func (sc *scanner) memberTime(key []byte) (time.Time, error) {
	raw, _, err := sc.text()
	if err != nil {
		return time.Time{}, err
	}
	ns, ok := parseTime(raw)
	if !ok {
		return time.Time{}, sc.fail(fmt.Sprintf("the member %q is not a time with nine digits of fraction", key))
	}
	return time.Unix(int64(ns/1e9), int64(ns%1e9)).UTC(), nil
}

func (sc *scanner) memberOutcome() (Outcome, error) {
	switch sc.peek() {
	case 't':
		return OutcomeSuccess, sc.literal("true")
	case 'f':
		return OutcomeFailure, sc.literal("false")
	default:
		return OutcomeUnknown, sc.literal("null")
	}
}

func (sc *scanner) memberObject() error {
	if sc.peek() != '{' {
		return sc.fail("an object expected")
	}
	return sc.value()
}
