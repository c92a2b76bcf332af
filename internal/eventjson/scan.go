// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package eventjson

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
	"github.com/otel-auditlog/auditlogexporter/internal/member"
)

// Summary is what a verifier or a filter needs of an event. Its byte slices are
// views of what was scanned, or, where a string holds escapes, copies.
type Summary struct {
	ID        []byte
	Time      time.Time
	Level     event.Level
	Category  event.Category
	Operation []byte
	UserID    []byte
	AgentID   []byte
	SessionID []byte
	Success   event.Outcome
	// Log is the member "log" in canonical JSON, of an event of the log's own; nil
	// of all others.
	Log []byte
	// Ingress is the member "ingress" in canonical JSON; nil if there is none.
	Ingress []byte
}

// levels and categories are the words that are looked for.
var (
	levels     = event.Levels()
	categories = event.Categories()
)

// Scan checks that b is one event in canonical JSON with the members that every
// event has, each of its type, and fills in s. It allocates nothing unless a
// string in s holds escapes. It does not check the tags of values; [event.Parse] does.
// For many events in a row, [Scanner.Scan] is faster.
func Scan(b []byte, s *Summary) error { return scanEvent(b, s, nil) }

func scanEvent(b []byte, s *Summary, known *memory) error {
	*s = Summary{}
	sc := scanner{Reader: jcs.NewReader(b), known: known}
	if err := sc.event(s); err != nil {
		return fmt.Errorf("malformed event: %w", err)
	}
	return nil
}

// scanner scans an event.
type scanner struct {
	jcs.Reader
	// known is what is known of the events before, or nil.
	known *memory
}

func (sc *scanner) event(s *Summary) error {
	if err := sc.CheckUTF8(); err != nil {
		return err
	}
	if err := sc.Enter(); err != nil {
		return err
	}
	if err := sc.Expect('{'); err != nil {
		return err
	}
	has, last := 0, member.None
	for sc.Peek() != '}' || last != member.None {
		at, again := sc.known.recall(sc, last, s)
		if !again {
			start := sc.At
			var err error
			if at, err = sc.member(last, s); err != nil {
				return err
			}
			sc.known.learn(sc, last, at, start, s)
		}
		has |= 1 << at
		last = at
		if sc.Peek() != ',' {
			break
		}
		sc.At++
	}
	if sc.Peek() != '}' {
		return sc.Fail("',' or '}' expected")
	}
	sc.At++
	if sc.At != len(sc.Text) {
		return sc.Fail("something follows the event")
	}
	if has&member.Everywhere != member.Everywhere {
		return errors.New("a member that every event has is missing")
	}
	return nil
}

// member reads a member behind another.
func (sc *scanner) member(last member.Member, s *Summary) (member.Member, error) {
	if at := sc.known.expect(sc, last); at != member.None {
		return at, sc.memberValue(at, s)
	}
	key, escaped, err := sc.RawString()
	if err != nil {
		return 0, err
	}
	at := member.Of(key)
	switch {
	case at == member.None || escaped: // no name of a member has escapes
		return 0, sc.Fail(fmt.Sprintf("events have no member %.40q", key))
	case at == last:
		return 0, sc.Fail(fmt.Sprintf("the member %.40q occurs twice", key))
	case at < last:
		return 0, sc.Fail(fmt.Sprintf("the member %.40q is out of order", key))
	}
	if err := sc.Expect(':'); err != nil {
		return 0, err
	}
	return at, sc.memberValue(at, s)
}

func (sc *scanner) memberValue(at member.Member, s *Summary) (err error) {
	switch at {
	case member.EventID:
		s.ID, err = sc.memberText(at)
	case member.Operation:
		s.Operation, err = sc.memberText(at)
	case member.UserID:
		s.UserID, err = sc.memberText(at)
	case member.AgentID:
		s.AgentID, err = sc.memberText(at)
	case member.SessionID:
		s.SessionID, err = sc.memberText(at)
	case member.ResourceID, member.ResourceType, member.ErrorMessage, member.SourceIP, member.UserAgent, member.TraceID, member.SpanID:
		_, _, err = sc.rawText(at)
	case member.Level:
		var word []byte
		word, err = sc.memberText(at)
		s.Level = oneOf(levels, word)
		if err == nil && s.Level == "" {
			err = sc.Fail(fmt.Sprintf("unknown level %.40q", word))
		}
	case member.Category:
		var word []byte
		word, err = sc.memberText(at)
		s.Category = oneOf(categories, word)
		if err == nil && s.Category == "" {
			err = sc.Fail(fmt.Sprintf("unknown category %.40q", word))
		}
	case member.Timestamp:
		s.Time, err = sc.memberTime(at)
	case member.ObservedTimestamp:
		_, err = sc.memberTime(at)
	case member.Success:
		var outcome member.Outcome
		outcome, err = member.ReadOutcome(&sc.Reader)
		s.Success = event.Outcome(outcome)
	case member.Metadata, member.Replaced, member.Resource, member.Scope, member.MappedFrom:
		err = sc.memberObject()
	case member.Log:
		start := sc.At
		err = sc.memberObject()
		s.Log = sc.Text[start:sc.At]
	case member.Ingress:
		start := sc.At
		err = sc.memberObject()
		s.Ingress = sc.Text[start:sc.At]
	case member.SeverityNumber, member.Flags, member.DroppedAttributesCount:
		_, err = sc.Number()
	default: // body, event_name, severity_text
		err = sc.Value()
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

func (sc *scanner) memberText(at member.Member) ([]byte, error) {
	raw, escaped, err := sc.rawText(at)
	if err != nil {
		return nil, err
	}
	if escaped { // what it stands for is shorter
		return jcs.AppendUnescaped(make([]byte, 0, len(raw)), raw), nil
	}
	return raw, nil
}

// rawText reads a text that must not be empty, and says whether it holds escapes.
func (sc *scanner) rawText(at member.Member) (raw []byte, escaped bool, err error) {
	raw, escaped, err = sc.RawString()
	if err == nil && len(raw) == 0 {
		err = sc.Fail("the member " + at.Quoted() + " is empty")
	}
	return raw, escaped, err
}

func (sc *scanner) memberTime(at member.Member) (time.Time, error) {
	raw, _, err := sc.RawString()
	if err != nil {
		return time.Time{}, err
	}
	ns, ok := sc.known.time(raw)
	if !ok {
		return time.Time{}, sc.Fail("the member " + at.Quoted() + " is not a time with nine digits of fraction")
	}
	return time.Unix(int64(ns/1e9), int64(ns%1e9)).UTC(), nil
}

func (sc *scanner) memberObject() error {
	if sc.Peek() != '{' {
		return sc.Fail("an object expected")
	}
	return sc.Value()
}
