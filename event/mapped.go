// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// mapped is the members that the mapping gives, and the attributes they came
// from: places in the record, plus one, so that 0 is none.
type mapped struct {
	eventID, operation, resourceType, resourceID        string
	userID, agentID, sessionID                          string
	errorMessage, sourceIP, userAgent                   string
	level                                               Level
	category                                            Category
	success                                             Outcome
	timestamp                                           uint64
	timeFrom                                            string
	noOperation, noResource                             bool
	fromEventID, fromLevel, fromCategory, fromOperation int
	fromResourceType, fromResourceID, fromUserID        int
	fromAgentID, fromSessionID, fromSuccess             int
	fromErrorMessage, fromSourceIP, fromUserAgent       int
}

func (m *mapped) missing() *MissingError {
	e := &MissingError{}
	if m.noOperation {
		e.Members = append(e.Members, "operation")
	}
	if m.noResource {
		e.Members = append(e.Members, "resource_type", "resource_id")
	}
	return e
}

const unknown = "unknown"

func (e *Encoder) mapRecord(m *mapped, s *shape, r plog.LogRecord) (err error) {
	m.eventID, m.fromEventID = e.text(s, mEventID)
	if m.eventID == "" {
		if m.eventID, err = e.newID(); err != nil {
			return err
		}
	}
	e.mapTime(m, r)
	e.mapActor(m, s)
	m.sessionID, m.fromSessionID = e.text(s, mSessionID)
	m.errorMessage, m.fromErrorMessage = e.text(s, mErrorMessage)
	m.userAgent, m.fromUserAgent = e.text(s, mUserAgent)
	e.mapSourceIP(m, s)
	e.mapOperation(m, s, r)
	e.mapResource(m, s)
	e.mapSuccess(m, s)
	e.mapLevel(m, s, r)
	return nil
}

func (e *Encoder) mapTime(m *mapped, r plog.LogRecord) {
	switch {
	case r.Timestamp() != 0:
		m.timestamp = uint64(r.Timestamp())
	case r.ObservedTimestamp() != 0:
		m.timestamp, m.timeFrom = uint64(r.ObservedTimestamp()), "observed_timestamp"
	default:
		m.timestamp, m.timeFrom = now(), "clock"
	}
}

func (e *Encoder) mapActor(m *mapped, s *shape) {
	actor, _ := e.peek(s, mActorType)
	switch strings.ToLower(actor) {
	case "user":
		m.userID, m.fromUserID = e.text(s, mActorID)
	case "service", "system":
		m.agentID, m.fromAgentID = e.text(s, mActorID)
	}
	if m.userID == "" {
		m.userID, m.fromUserID = e.text(s, mUserID)
	}
	if m.agentID == "" {
		m.agentID, m.fromAgentID = e.text(s, mAgentID)
	}
}

func (e *Encoder) mapSourceIP(m *mapped, s *shape) {
	for _, at := range s.feeds[mSourceIP] {
		v := e.values[at]
		if v.Type() != pcommon.ValueTypeStr || !valid(v.Str()) {
			continue
		}
		if _, err := netip.ParseAddr(v.Str()); err == nil {
			m.sourceIP, m.fromSourceIP = e.take(s, at), at+1
			return
		}
	}
}

func (e *Encoder) mapOperation(m *mapped, s *shape, r plog.LogRecord) {
	name := r.EventName()
	attribute := 0
	if name == "" {
		name, attribute = e.peek(s, mEventName)
	}
	if word, at := e.peek(s, mCategory); at > 0 {
		lower := strings.ToLower(word)
		if slices.Contains(Categories(), Category(lower)) {
			m.category, m.fromCategory = Category(lower), at
			if lower == word {
				e.take(s, at-1)
			}
		}
	}
	if m.category == "" {
		m.category = e.mapper.categoryOf(name)
	}
	m.operation, m.fromOperation = e.text(s, mOperation)
	switch {
	case m.operation != "":
	case name == "":
		m.operation, m.noOperation = "log", true
	case attribute > 0:
		m.operation, m.fromOperation = e.take(s, attribute-1), attribute
	default:
		m.operation = strings.ToValidUTF8(name, "\uFFFD")
	}
}

func (e *Encoder) mapResource(m *mapped, s *shape) {
	for i := range s.feeds[mPairType] {
		typeAt, idAt := s.feeds[mPairType][i], s.feeds[mPairID][i]
		m.resourceType, m.fromResourceType = e.textAt(s, typeAt)
		m.resourceID, m.fromResourceID = e.textAt(s, idAt)
		if m.resourceType == "" && m.resourceID == "" {
			continue
		}
		if m.resourceType == "" {
			m.resourceType = unknown
		}
		if m.resourceID == "" {
			m.resourceID = unknown
		}
		return
	}
	for i, at := range s.feeds[mTarget] {
		if m.resourceID, m.fromResourceID = e.textAt(s, at); m.resourceID != "" {
			m.resourceType = e.mapper.targets[i]
			return
		}
	}
	m.noResource = true
	m.resourceType, m.resourceID = "service", e.service
	if m.resourceID == "" {
		m.resourceID = "unknown_service"
	}
}

func (e *Encoder) mapSuccess(m *mapped, s *shape) {
	for _, at := range s.feeds[mSuccess] {
		outcome, exact, ok := outcomeOf(e.values[at])
		if !ok {
			continue
		}
		m.success, m.fromSuccess = outcome, at+1
		if exact {
			e.take(s, at)
		}
		return
	}
	for _, at := range s.feeds[mErrorType] {
		if text, _ := textOf(e.values[at]); text != "" {
			m.success, m.fromSuccess = OutcomeFailure, at+1
			return
		}
	}
	for _, at := range s.feeds[mHTTPStatus] {
		text, _ := textOf(e.values[at])
		code, err := strconv.Atoi(text)
		if err != nil || code < 100 || code > 599 {
			continue
		}
		m.success, m.fromSuccess = OutcomeSuccess, at+1
		if code >= 400 {
			m.success = OutcomeFailure
		}
		return
	}
}

// outcomeOf reads an outcome from a boolean or a word. It is exact if the outcome
// alone gives the value back.
func outcomeOf(v pcommon.Value) (o Outcome, exact, ok bool) {
	switch v.Type() {
	case pcommon.ValueTypeBool:
		if v.Bool() {
			return OutcomeSuccess, false, true
		}
		return OutcomeFailure, false, true
	case pcommon.ValueTypeStr:
		switch strings.ToLower(v.Str()) {
		case "success", "succeeded", "ok", "true", "allowed", "granted":
			o = OutcomeSuccess
		case "failure", "failed", "fail", "error", "false", "denied", "rejected":
			o = OutcomeFailure
		case unknown:
			o = OutcomeUnknown
		default:
			return 0, false, false
		}
		return o, v.Str() == o.word(), true
	default:
		return 0, false, false
	}
}

func (e *Encoder) mapLevel(m *mapped, s *shape, r plog.LogRecord) {
	if word, at := e.peek(s, mLevel); at > 0 {
		if level, ok := levelWords[strings.ToLower(word)]; ok {
			m.level, m.fromLevel = level, at
			if string(level) == word {
				e.take(s, at-1)
			}
			return
		}
	}
	m.level = levelOfSeverity(int32(r.SeverityNumber()))
	if m.level != "" {
		return
	}
	m.level = LevelInfo
	if m.success == OutcomeFailure && (m.category == CategoryAuthentication || m.category == CategoryAuthorization) {
		m.level = LevelSecurity
	}
}

// text returns the text of the first attribute that feeds the member, and its
// place plus one, and takes the attribute out of the metadata if that text alone
// gives it back.
func (e *Encoder) text(s *shape, m member) (string, int) {
	for _, at := range s.feeds[m] {
		if text, from := e.textAt(s, at); text != "" {
			return text, from
		}
	}
	return "", 0
}

func (e *Encoder) textAt(s *shape, at int) (string, int) {
	if at < 0 {
		return "", 0
	}
	if text := e.take(s, at); text != "" {
		return text, at + 1
	}
	return "", 0
}

// peek is text, but leaves the attribute in the metadata.
func (e *Encoder) peek(s *shape, m member) (string, int) {
	for _, at := range s.feeds[m] {
		if text, _ := textOf(e.values[at]); text != "" {
			return text, at + 1
		}
	}
	return "", 0
}

// take returns an attribute's text, and takes the attribute out of the metadata if
// that text alone gives it back.
func (e *Encoder) take(s *shape, at int) string {
	text, exact := textOf(e.values[at])
	if exact && !s.repeated[at] {
		e.used[at] = true
	}
	return text
}

// textOf returns a scalar's text, "" for anything else, and whether the value is
// just that text.
func textOf(v pcommon.Value) (text string, exact bool) {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		s := v.Str()
		if valid(s) {
			return s, s != ""
		}
		return strings.ToValidUTF8(s, "\uFFFD"), false
	case pcommon.ValueTypeInt:
		return strconv.FormatInt(v.Int(), 10), false
	case pcommon.ValueTypeBool:
		return strconv.FormatBool(v.Bool()), false
	case pcommon.ValueTypeDouble:
		return string(appendDoubleText(nil, v.Double())), false
	default:
		return "", false
	}
}

// appendSources appends the member mapped_from, and a comma.
func (m *mapped) appendSources(dst []byte, e *Encoder) []byte {
	start := len(dst)
	dst = append(dst, `"mapped_from":{`...)
	empty := len(dst)
	source := func(name string, from int) {
		if from > 0 {
			dst = append(dst, name...)
			dst = appendText(dst, e.keys[from-1])
			dst = append(dst, ',')
		}
	}
	source(`"agent_id":`, m.fromAgentID)
	source(`"category":`, m.fromCategory)
	source(`"error_message":`, m.fromErrorMessage)
	source(`"event_id":`, m.fromEventID)
	source(`"level":`, m.fromLevel)
	source(`"operation":`, m.fromOperation)
	source(`"resource_id":`, m.fromResourceID)
	source(`"resource_type":`, m.fromResourceType)
	source(`"session_id":`, m.fromSessionID)
	source(`"source_ip":`, m.fromSourceIP)
	source(`"success":`, m.fromSuccess)
	if m.timeFrom != "" {
		dst = append(dst, `"timestamp":"`...)
		dst = append(dst, m.timeFrom...)
		dst = append(dst, `",`...)
	}
	source(`"user_agent":`, m.fromUserAgent)
	source(`"user_id":`, m.fromUserID)
	if len(dst) == empty {
		return dst[:start]
	}
	dst[len(dst)-1] = '}'
	return append(dst, ',')
}
