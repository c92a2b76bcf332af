// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
	"github.com/otel-auditlog/auditlogexporter/internal/tagged"
)

// usual is, for members, the attribute that an audit record states them with. It is
// part of the format: where most members come from these, mapped_from names the
// others only.
var usual = [End]string{
	AgentID:      "audit.actor.id",
	ErrorMessage: "exception.message",
	EventID:      "audit.record.id",
	Operation:    "audit.action",
	ResourceID:   "audit.target.id",
	ResourceType: "audit.target.type",
	SessionID:    "session.id",
	SourceIP:     "client.address",
	Success:      "audit.outcome",
	UserAgent:    "user_agent.original",
	UserID:       "audit.actor.id",
}

// UsualTag is the member of mapped_from that says that it is in the short form.
const UsualTag = "$usual"

// What mapped_from says of a time that the record does not bear.
const (
	FromObservedTime = "observed_timestamp"
	FromClock        = "clock"
)

// Sources says where the members of an event are from: what mapped_from says.
type Sources struct {
	// From are attributes, of members that have one (Has); of the timestamp, it is
	// [FromObservedTime] or [FromClock].
	From [End]string
	Has  [End]bool
	// Set says whether a member has a value; of success, one other than null.
	Set [End]bool
}

// short reports whether the short form is the one to write: if more members come from
// their usual attribute than it would have to deny.
func (s *Sources) short() bool {
	balance := 0
	for m, name := range usual {
		switch {
		case s.Has[m] && s.From[m] == "":
			return false // The short form has another meaning for it.
		case name == "" || !s.Set[m]:
		case !s.Has[m]:
			balance--
		case s.From[m] == name:
			balance++
		}
	}
	return balance > 0
}

// Append appends the member mapped_from and a comma, or nothing if there is nothing to
// say.
func (s *Sources) Append(dst []byte) []byte {
	name := MappedFrom.Key()
	start := len(dst)
	dst = append(dst, name...)
	value := s.AppendValue(dst)
	if len(value) == len(dst) {
		return dst[:start]
	}
	return append(value, ',')
}

// AppendValue appends the value of mapped_from, or nothing if there is nothing to say.
func (s *Sources) AppendValue(dst []byte) []byte {
	dst = append(dst, '{')
	start := len(dst)
	short := s.short()
	if short {
		dst = append(dst, `"`+UsualTag+`":true,`...)
	}
	for m := range End {
		implied := short && usual[m] != "" && s.Set[m]
		if implied && s.Has[m] && s.From[m] == usual[m] || !implied && !s.Has[m] {
			continue
		}
		dst = append(dst, m.Key()...)
		dst = append(jcs.AppendString(dst, s.From[m]), ',')
	}
	if len(dst) == start {
		return dst[:start-1]
	}
	return tagged.CloseObject(dst, start)
}

// ReadSources reads the value of mapped_from, and whether it is in the short form.
func ReadSources(r *jcs.Reader) (from map[string]string, short bool, err error) {
	from = make(map[string]string)
	err = r.Object(func(key []byte) (err error) {
		name := string(key)
		if name == UsualTag {
			short = true
			return r.Literal("true")
		}
		from[name], err = r.PlainText()
		return err
	})
	return from, short, err
}

// Lengthen makes what mapped_from says in the short form what it says in the long one, for the
// members that are set.
func Lengthen(from map[string]string, set func(Member) bool) {
	for m := range End {
		if usual[m] == "" || !set(m) {
			continue
		}
		if attribute, listed := from[m.String()]; !listed {
			from[m.String()] = usual[m]
		} else if attribute == "" {
			delete(from, m.String())
		}
	}
}
