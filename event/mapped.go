// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
)

// mapped is the members that the mapping gives.
type mapped struct {
	// text are the members that are strings; an empty event_id stands for a new
	// one.
	text [members]string
	// verbatim says that a text is known to stand for itself in JSON.
	verbatim  [members]bool
	success   Outcome
	timestamp uint64
	origins   origins
	// noOperation and noResource say that defaults stand in.
	noOperation, noResource bool
}

// origins says where members come from.
type origins struct {
	// attribute is, for each member, an attribute's place in the record plus one,
	// so that 0 is none.
	attribute [members]int32
	time      string
}

// What origins.time and mapped_from.timestamp may be, but for nothing.
const (
	fromObservedTime = "observed_timestamp"
	fromClock        = "clock"
)

const unknown = "unknown"

// mapRecord applies the mapping to the attributes that have been loaded.
func (e *Encoder) mapRecord(m *mapped, s *shape, r plog.LogRecord) {
	e.feed(m, s, mEventID, roleEventID)
	e.feed(m, s, mSessionID, roleSessionID)
	e.feed(m, s, mErrorMessage, roleErrorMessage)
	e.feed(m, s, mUserAgent, roleUserAgent)
	e.mapTime(m, r)
	e.mapActor(m, s)
	e.mapSourceIP(m, s)
	e.mapOperation(m, s, r)
	e.mapResource(m, s)
	e.mapSuccess(m, s)
	e.mapLevel(m, s, r)
}

func (e *Encoder) mapTime(m *mapped, r plog.LogRecord) {
	switch {
	case r.Timestamp() != 0:
		m.timestamp = uint64(r.Timestamp())
	case r.ObservedTimestamp() != 0:
		m.timestamp, m.origins.time = uint64(r.ObservedTimestamp()), fromObservedTime
	default:
		m.timestamp, m.origins.time = uint64(time.Now().UnixNano()), fromClock
	}
}

func (e *Encoder) mapActor(m *mapped, s *shape) {
	actor, _ := e.first(s, roleActorType)
	switch {
	case strings.EqualFold(actor, "user"):
		e.feed(m, s, mUserID, roleActorID)
	case strings.EqualFold(actor, "service"), strings.EqualFold(actor, "system"):
		e.feed(m, s, mAgentID, roleActorID)
	}
	if m.text[mUserID] == "" {
		e.feed(m, s, mUserID, roleUserID)
	}
	if m.text[mAgentID] == "" {
		e.feed(m, s, mAgentID, roleAgentID)
	}
}

func (e *Encoder) mapSourceIP(m *mapped, s *shape) {
	for _, at := range s.playing[roleSourceIP] {
		text, exact, _ := textOf(e.values[at])
		if !exact {
			continue
		}
		if _, err := netip.ParseAddr(text); err == nil {
			e.take(m, s, mSourceIP, at)
			return
		}
	}
}

func (e *Encoder) mapOperation(m *mapped, s *shape, r plog.LogRecord) {
	name, at := r.EventName(), -1
	if name == "" {
		name, at = e.first(s, roleEventName)
	}
	e.mapCategory(m, s, name)
	if e.feed(m, s, mOperation, roleOperation) {
		return
	}
	switch {
	case name == "":
		m.text[mOperation], m.noOperation = "log", true
	case at >= 0:
		e.take(m, s, mOperation, at)
	default:
		m.text[mOperation] = strings.ToValidUTF8(name, replacement)
	}
}

func (e *Encoder) mapCategory(m *mapped, s *shape, eventName string) {
	for _, at := range s.playing[roleCategory] {
		word, _, _ := textOf(e.values[at])
		i := slices.IndexFunc(categories, func(c Category) bool { return strings.EqualFold(string(c), word) })
		if i >= 0 {
			e.takeWord(m, s, mCategory, at, string(categories[i]))
			return
		}
	}
	m.text[mCategory], m.verbatim[mCategory] = string(e.mapper.categoryOf(eventName)), true
}

func (e *Encoder) mapResource(m *mapped, s *shape) {
	for i, typeAt := range s.playing[rolePairType] {
		hasType := typeAt >= 0 && e.take(m, s, mResourceType, typeAt)
		idAt := s.playing[rolePairID][i]
		hasID := idAt >= 0 && e.take(m, s, mResourceID, idAt)
		if !hasType && !hasID {
			continue
		}
		if !hasType {
			m.text[mResourceType] = unknown
		}
		if !hasID {
			m.text[mResourceID] = unknown
		}
		return
	}
	for i, at := range s.playing[roleTarget] {
		if at >= 0 && e.take(m, s, mResourceID, at) {
			m.text[mResourceType] = e.mapper.targets[i]
			return
		}
	}
	m.noResource = true
	m.text[mResourceType], m.text[mResourceID] = "service", e.service
	if e.service == "" {
		m.text[mResourceID] = "unknown_service"
	}
}

func (e *Encoder) mapSuccess(m *mapped, s *shape) {
	for _, at := range s.playing[roleSuccess] {
		if outcome, ok := outcomeOf(e.values[at]); ok {
			m.success = outcome
			e.takeWord(m, s, mSuccess, at, outcome.word())
			return
		}
	}
	for _, at := range s.playing[roleErrorType] {
		if text, _, _ := textOf(e.values[at]); text != "" {
			m.success = OutcomeFailure
			m.origins.attribute[mSuccess] = int32(at) + 1
			return
		}
	}
	for _, at := range s.playing[roleHTTPStatus] {
		text, _, _ := textOf(e.values[at])
		code, err := strconv.Atoi(text)
		if err != nil || code < 100 || code > 599 {
			continue
		}
		m.success = OutcomeSuccess
		if code >= 400 {
			m.success = OutcomeFailure
		}
		m.origins.attribute[mSuccess] = int32(at) + 1
		return
	}
}

func (e *Encoder) mapLevel(m *mapped, s *shape, r plog.LogRecord) {
	for _, at := range s.playing[roleLevel] {
		word, _, _ := textOf(e.values[at])
		if level, ok := levelOf(word); ok {
			e.takeWord(m, s, mLevel, at, string(level))
			return
		}
	}
	level := levelOfSeverity(int32(r.SeverityNumber()))
	if level == "" {
		level = LevelInfo
		category := Category(m.text[mCategory])
		if m.success == OutcomeFailure && (category == CategoryAuthentication || category == CategoryAuthorization) {
			level = LevelSecurity
		}
	}
	m.text[mLevel], m.verbatim[mLevel] = string(level), true
}
