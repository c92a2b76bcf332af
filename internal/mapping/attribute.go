// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/member"
	"github.com/otel-auditlog/auditlogexporter/internal/tagged"
)

// replacement stands for what is not UTF-8 where a text must be.
const replacement = "\uFFFD"

// feed takes the member's text from the first attribute of a role that has any.
func (e *Encoder) feed(m *mapped, s *shape, to member.Member, r role) bool {
	for _, at := range s.playing[r] {
		if e.take(m, s, to, at) {
			return true
		}
	}
	return false
}

// take makes the text of the attribute at a place a member.Member, if it has any. The
// attribute is left out of the metadata if the member gives it back exactly.
func (e *Encoder) take(m *mapped, s *shape, to member.Member, at int) bool {
	text, exact, plain := textOf(e.values[at])
	if text == "" {
		return false
	}
	m.text[to], m.verbatim[to] = text, plain
	m.origins.attribute[to] = int32(at) + 1
	if exact && !s.repeated[at] {
		e.used[at] = true
	}
	return true
}

// takeWord makes word, which the attribute at a place means, a member.
func (e *Encoder) takeWord(m *mapped, s *shape, to member.Member, at int, word string) {
	m.text[to], m.verbatim[to] = word, true
	m.origins.attribute[to] = int32(at) + 1
	if text, exact, _ := textOf(e.values[at]); exact && text == word && !s.repeated[at] {
		e.used[at] = true
	}
}

// first returns the text of the first attribute of a role that has any, and the
// attribute's place, or -1.
func (e *Encoder) first(s *shape, r role) (string, int) {
	for _, at := range s.playing[r] {
		if text, _, _ := textOf(e.values[at]); text != "" {
			return text, at
		}
	}
	return "", -1
}

// textOf returns a scalar's text, "" for anything else, whether the value is just
// that text, and whether that is known to stand for itself in JSON.
func textOf(v pcommon.Value) (text string, exact, plain bool) {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		s := v.Str()
		if tagged.Verbatim(s) {
			return s, s != "", true
		}
		if utf8.ValidString(s) {
			return s, true, false
		}
		return strings.ToValidUTF8(s, replacement), false, false
	case pcommon.ValueTypeInt:
		return strconv.FormatInt(v.Int(), 10), false, true
	case pcommon.ValueTypeBool:
		return strconv.FormatBool(v.Bool()), false, true
	case pcommon.ValueTypeDouble:
		return string(tagged.AppendDoubleText(nil, v.Double())), false, true
	default:
		return "", false, false
	}
}

// outcomeOf reads an outcome from a boolean or a word.
func outcomeOf(v pcommon.Value) (event.Outcome, bool) {
	switch v.Type() {
	case pcommon.ValueTypeBool:
		if v.Bool() {
			return event.OutcomeSuccess, true
		}
		return event.OutcomeFailure, true
	case pcommon.ValueTypeStr:
		switch word := v.Str(); {
		case foldsTo(word, "success", "succeeded", "ok", "true", "allowed", "granted"):
			return event.OutcomeSuccess, true
		case foldsTo(word, "failure", "failed", "fail", "error", "false", "denied", "rejected"):
			return event.OutcomeFailure, true
		case foldsTo(word, unknown):
			return event.OutcomeUnknown, true
		}
	}
	return event.OutcomeUnknown, false
}

// foldsTo reports whether the word is one of the list but for its case.
func foldsTo(word string, list ...string) bool {
	for _, known := range list {
		if strings.EqualFold(word, known) {
			return true
		}
	}
	return false
}
