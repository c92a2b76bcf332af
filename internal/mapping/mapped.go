// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/member"
)

// mapped is the members that the mapping gives.
type mapped struct {
	// text are the members that are strings; an empty event_id stands for a new
	// one.
	text [member.End]string
	// verbatim says that a text is known to stand for itself in JSON.
	verbatim  [member.End]bool
	success   event.Outcome
	timestamp uint64
	origins   origins
	// noOperation and noResource say that defaults stand in.
	noOperation, noResource bool
}

// origins says where members come from.
type origins struct {
	// attribute is, for each member.Member, an attribute's place in the record plus one,
	// so that 0 is none.
	attribute [member.End]int32
	time      string
}

const unknown = "unknown"

// mapRecord applies the mapping to the attributes that have been loaded.
func (e *Encoder) mapRecord(m *mapped, s *shape, r plog.LogRecord) {
	e.feed(m, s, member.EventID, roleEventID)
	e.feed(m, s, member.SessionID, roleSessionID)
	e.feed(m, s, member.ErrorMessage, roleErrorMessage)
	e.feed(m, s, member.UserAgent, roleUserAgent)
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
		m.timestamp, m.origins.time = uint64(r.ObservedTimestamp()), member.FromObservedTime
	default:
		m.timestamp, m.origins.time = uint64(time.Now().UnixNano()), member.FromClock
	}
}

func (e *Encoder) mapActor(m *mapped, s *shape) {
	actor, _ := e.first(s, roleActorType)
	switch {
	case strings.EqualFold(actor, "user"):
		e.feed(m, s, member.UserID, roleActorID)
	case strings.EqualFold(actor, "service"), strings.EqualFold(actor, "system"):
		e.feed(m, s, member.AgentID, roleActorID)
	}
	if m.text[member.UserID] == "" {
		e.feed(m, s, member.UserID, roleUserID)
	}
	if m.text[member.AgentID] == "" {
		e.feed(m, s, member.AgentID, roleAgentID)
	}
}

func (e *Encoder) mapSourceIP(m *mapped, s *shape) {
	for _, at := range s.playing[roleSourceIP] {
		text, exact, _ := textOf(e.values[at])
		if !exact {
			continue
		}
		if _, err := netip.ParseAddr(text); err == nil {
			e.take(m, s, member.SourceIP, at)
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
	if e.feed(m, s, member.Operation, roleOperation) {
		return
	}
	switch {
	case name == "":
		m.text[member.Operation], m.noOperation = "log", true
	case at >= 0:
		e.take(m, s, member.Operation, at)
	default:
		m.text[member.Operation] = strings.ToValidUTF8(name, replacement)
	}
}

// categories is the list that is searched.
var categories = event.Categories()

func (e *Encoder) mapCategory(m *mapped, s *shape, eventName string) {
	for _, at := range s.playing[roleCategory] {
		word, _, _ := textOf(e.values[at])
		i := slices.IndexFunc(categories, func(c event.Category) bool { return strings.EqualFold(string(c), word) })
		if i >= 0 {
			e.takeWord(m, s, member.Category, at, string(categories[i]))
			return
		}
	}
	m.text[member.Category], m.verbatim[member.Category] = string(e.mapper.categoryOf(eventName)), true
}

func (e *Encoder) mapResource(m *mapped, s *shape) {
	for i, typeAt := range s.playing[rolePairType] {
		hasType := typeAt >= 0 && e.take(m, s, member.ResourceType, typeAt)
		idAt := s.playing[rolePairID][i]
		hasID := idAt >= 0 && e.take(m, s, member.ResourceID, idAt)
		if !hasType && !hasID {
			continue
		}
		if !hasType {
			m.text[member.ResourceType] = unknown
		}
		if !hasID {
			m.text[member.ResourceID] = unknown
		}
		return
	}
	for i, at := range s.playing[roleTarget] {
		if at >= 0 && e.take(m, s, member.ResourceID, at) {
			m.text[member.ResourceType] = e.mapper.targets[i]
			return
		}
	}
	m.noResource = true
	m.text[member.ResourceType], m.text[member.ResourceID] = "service", e.service
	if e.service == "" {
		m.text[member.ResourceID] = "unknown_service"
	}
}

func (e *Encoder) mapSuccess(m *mapped, s *shape) {
	for _, at := range s.playing[roleSuccess] {
		if outcome, ok := outcomeOf(e.values[at]); ok {
			m.success = outcome
			e.takeWord(m, s, member.Success, at, member.Outcome(outcome).Word())
			return
		}
	}
	for _, at := range s.playing[roleErrorType] {
		if text, _, _ := textOf(e.values[at]); text != "" {
			m.success = event.OutcomeFailure
			m.origins.attribute[member.Success] = int32(at) + 1
			return
		}
	}
	for _, at := range s.playing[roleHTTPStatus] {
		text, _, _ := textOf(e.values[at])
		code, err := strconv.Atoi(text)
		if err != nil || code < 100 || code > 599 {
			continue
		}
		m.success = event.OutcomeSuccess
		if code >= 400 {
			m.success = event.OutcomeFailure
		}
		m.origins.attribute[member.Success] = int32(at) + 1
		return
	}
}

func (e *Encoder) mapLevel(m *mapped, s *shape, r plog.LogRecord) {
	for _, at := range s.playing[roleLevel] {
		word, _, _ := textOf(e.values[at])
		if level, ok := levelOf(word); ok {
			e.takeWord(m, s, member.Level, at, string(level))
			return
		}
	}
	level := levelOfSeverity(int32(r.SeverityNumber()))
	if level == "" {
		level = event.LevelInfo
		category := event.Category(m.text[member.Category])
		if m.success == event.OutcomeFailure && (category == event.CategoryAuthentication || category == event.CategoryAuthorization) {
			level = event.LevelSecurity
		}
	}
	m.text[member.Level], m.verbatim[member.Level] = string(level), true
}
