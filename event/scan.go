// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"errors"
	"fmt"
	"slices"
	"strings"
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
	// Ingress is the member "ingress" in canonical JSON; nil if there is none.
	Ingress []byte
}

// place is an event's member, by its place in canonical order; 0 is before the first.
type place uint8

const (
	atStart place = iota
	atAgentID
	atBody
	atCategory
	atDroppedAttributesCount
	atErrorMessage
	atEventID
	atEventName
	atFlags
	atIngress
	atLevel
	atLog
	atMappedFrom
	atMetadata
	atObservedTimestamp
	atOperation
	atReplaced
	atResource
	atResourceID
	atResourceType
	atScope
	atSessionID
	atSeverityNumber
	atSeverityText
	atSourceIP
	atSpanID
	atSuccess
	atTimestamp
	atTraceID
	atUserAgent
	atUserID
	places
)

// everywhere are the members that every event has, one bit each.
const everywhere = 1<<atCategory | 1<<atEventID | 1<<atLevel | 1<<atMetadata | 1<<atOperation |
	1<<atResourceID | 1<<atResourceType | 1<<atSuccess | 1<<atTimestamp

// placeNames are the names of the members with what stands around them.
var placeNames = [places]string{
	atAgentID:                `"agent_id":`,
	atBody:                   `"body":`,
	atCategory:               `"category":`,
	atDroppedAttributesCount: `"dropped_attributes_count":`,
	atErrorMessage:           `"error_message":`,
	atEventID:                `"event_id":`,
	atEventName:              `"event_name":`,
	atFlags:                  `"flags":`,
	atIngress:                `"ingress":`,
	atLevel:                  `"level":`,
	atLog:                    `"log":`,
	atMappedFrom:             `"mapped_from":`,
	atMetadata:               `"metadata":`,
	atObservedTimestamp:      `"observed_timestamp":`,
	atOperation:              `"operation":`,
	atReplaced:               `"replaced":`,
	atResource:               `"resource":`,
	atResourceID:             `"resource_id":`,
	atResourceType:           `"resource_type":`,
	atScope:                  `"scope":`,
	atSessionID:              `"session_id":`,
	atSeverityNumber:         `"severity_number":`,
	atSeverityText:           `"severity_text":`,
	atSourceIP:               `"source_ip":`,
	atSpanID:                 `"span_id":`,
	atSuccess:                `"success":`,
	atTimestamp:              `"timestamp":`,
	atTraceID:                `"trace_id":`,
	atUserAgent:              `"user_agent":`,
	atUserID:                 `"user_id":`,
}

// placeOf returns the place of a member, or atStart if events have none of that name.
func placeOf(key []byte) place {
	switch string(key) {
	case "agent_id":
		return atAgentID
	case "body":
		return atBody
	case "category":
		return atCategory
	case "dropped_attributes_count":
		return atDroppedAttributesCount
	case "error_message":
		return atErrorMessage
	case "event_id":
		return atEventID
	case "event_name":
		return atEventName
	case "flags":
		return atFlags
	case "ingress":
		return atIngress
	case "level":
		return atLevel
	case "log":
		return atLog
	case "mapped_from":
		return atMappedFrom
	case "metadata":
		return atMetadata
	case "observed_timestamp":
		return atObservedTimestamp
	case "operation":
		return atOperation
	case "replaced":
		return atReplaced
	case "resource":
		return atResource
	case "resource_id":
		return atResourceID
	case "resource_type":
		return atResourceType
	case "scope":
		return atScope
	case "session_id":
		return atSessionID
	case "severity_number":
		return atSeverityNumber
	case "severity_text":
		return atSeverityText
	case "source_ip":
		return atSourceIP
	case "span_id":
		return atSpanID
	case "success":
		return atSuccess
	case "timestamp":
		return atTimestamp
	case "trace_id":
		return atTraceID
	case "user_agent":
		return atUserAgent
	case "user_id":
		return atUserID
	default:
		return atStart
	}
}

// quoted is the name in quotes.
func (p place) quoted() string { return strings.TrimSuffix(placeNames[p], ":") }

// Scan checks that b is one event in canonical JSON with the members that every
// event has, each of its type, and fills in s. It allocates nothing unless a
// string in s holds escapes. It does not check the tags of values; [Parse] does.
// For many events in a row, [Scanner.Scan] is faster.
func Scan(b []byte, s *Summary) error { return scanEvent(b, s, nil) }

func scanEvent(b []byte, s *Summary, known *memory) error {
	*s = Summary{}
	sc := scanner{b: b, room: maxScanDepth, known: known}
	if err := sc.event(s); err != nil {
		return fmt.Errorf("malformed event: %w", err)
	}
	return nil
}

func (sc *scanner) event(s *Summary) error {
	if err := sc.checkUTF8(); err != nil {
		return err
	}
	if err := sc.enter(); err != nil {
		return err
	}
	if err := sc.expect('{'); err != nil {
		return err
	}
	has, last := 0, atStart
	for sc.peek() != '}' || last != atStart {
		at, again := sc.known.recall(sc, last, s)
		if !again {
			start := sc.i
			var err error
			if at, err = sc.member(last, s); err != nil {
				return err
			}
			sc.known.learn(sc, last, at, start, s)
		}
		has |= 1 << at
		last = at
		if sc.peek() != ',' {
			break
		}
		sc.i++
	}
	if sc.peek() != '}' {
		return sc.fail("',' or '}' expected")
	}
	sc.i++
	if sc.i != len(sc.b) {
		return sc.fail("something follows the event")
	}
	if has&everywhere != everywhere {
		return errors.New("a member that every event has is missing")
	}
	return nil
}

// member reads a member behind another.
func (sc *scanner) member(last place, s *Summary) (place, error) {
	if at := sc.known.expect(sc, last); at != atStart {
		return at, sc.memberValue(at, s)
	}
	key, escaped, err := sc.text()
	if err != nil {
		return 0, err
	}
	at := placeOf(key)
	switch {
	case at == atStart || escaped: // no name of a member has escapes
		return 0, sc.fail(fmt.Sprintf("events have no member %.40q", key))
	case at == last:
		return 0, sc.fail(fmt.Sprintf("the member %.40q occurs twice", key))
	case at < last:
		return 0, sc.fail(fmt.Sprintf("the member %.40q is out of order", key))
	}
	if err := sc.expect(':'); err != nil {
		return 0, err
	}
	return at, sc.memberValue(at, s)
}

func (sc *scanner) memberValue(at place, s *Summary) (err error) {
	switch at {
	case atEventID:
		s.ID, err = sc.memberText(at)
	case atOperation:
		s.Operation, err = sc.memberText(at)
	case atUserID:
		s.UserID, err = sc.memberText(at)
	case atAgentID:
		s.AgentID, err = sc.memberText(at)
	case atSessionID:
		s.SessionID, err = sc.memberText(at)
	case atResourceID, atResourceType, atErrorMessage, atSourceIP, atUserAgent, atTraceID, atSpanID:
		_, _, err = sc.rawText(at)
	case atLevel:
		var word []byte
		word, err = sc.memberText(at)
		s.Level = oneOf(levels, word)
		if err == nil && s.Level == "" {
			err = sc.fail(fmt.Sprintf("unknown level %.40q", word))
		}
	case atCategory:
		var word []byte
		word, err = sc.memberText(at)
		s.Category = oneOf(categories, word)
		if err == nil && s.Category == "" {
			err = sc.fail(fmt.Sprintf("unknown category %.40q", word))
		}
	case atTimestamp:
		s.Time, err = sc.memberTime(at)
	case atObservedTimestamp:
		_, err = sc.memberTime(at)
	case atSuccess:
		s.Success, err = sc.memberOutcome()
	case atMetadata, atReplaced, atResource, atScope, atMappedFrom:
		err = sc.memberObject()
	case atLog:
		start := sc.i
		err = sc.memberObject()
		s.Log = sc.b[start:sc.i]
	case atIngress:
		start := sc.i
		err = sc.memberObject()
		s.Ingress = sc.b[start:sc.i]
	case atSeverityNumber, atFlags, atDroppedAttributesCount:
		_, err = sc.number()
	default: // body, event_name, severity_text
		err = sc.value()
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

func (sc *scanner) memberText(at place) ([]byte, error) {
	raw, escaped, err := sc.rawText(at)
	if err != nil {
		return nil, err
	}
	if escaped { // what it stands for is shorter
		return appendUnescaped(make([]byte, 0, len(raw)), raw), nil
	}
	return raw, nil
}

// rawText reads a text that must not be empty, and says whether it holds escapes.
func (sc *scanner) rawText(at place) (raw []byte, escaped bool, err error) {
	raw, escaped, err = sc.text()
	if err == nil && len(raw) == 0 {
		err = sc.fail("the member " + at.quoted() + " is empty")
	}
	return raw, escaped, err
}

func (sc *scanner) memberTime(at place) (time.Time, error) {
	raw, _, err := sc.text()
	if err != nil {
		return time.Time{}, err
	}
	ns, ok := sc.known.time(raw)
	if !ok {
		return time.Time{}, sc.fail("the member " + at.quoted() + " is not a time with nine digits of fraction")
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
