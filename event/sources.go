// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"fmt"

	"github.com/otel-auditlog/auditlogexporter/internal/jsontext"
)

// usual is, for members, the attribute that an audit record states them with. It is
// part of the format: where most members come from these, mapped_from names the
// others only.
var usual = [members]string{
	mAgentID:      "audit.actor.id",
	mErrorMessage: "exception.message",
	mEventID:      "audit.record.id",
	mOperation:    "audit.action",
	mResourceID:   "audit.target.id",
	mResourceType: "audit.target.type",
	mSessionID:    "session.id",
	mSourceIP:     "client.address",
	mSuccess:      "audit.outcome",
	mUserAgent:    "user_agent.original",
	mUserID:       "audit.actor.id",
}

// usualTag is the member of mapped_from that says that it is in the short form.
const usualTag = "$usual"

// sources is where the members of an event are from.
type sources struct {
	from [members]string // attributes; of members that have has
	has  [members]bool   // whether the member is from an attribute
	set  [members]bool   // whether it has a value; of success, one other than null
	time string          // where the time is from, if not from the record's
}

// short reports whether the short form is the one to write: if more members come from
// their usual attribute than it would have to deny.
func (s *sources) short() bool {
	balance := 0
	for m, name := range usual {
		switch {
		case s.has[m] && s.from[m] == "":
			return false // The short form has another meaning for it.
		case name == "" || !s.set[m]:
		case !s.has[m]:
			balance--
		case s.from[m] == name:
			balance++
		}
	}
	return balance > 0
}

// append appends the member mapped_from and a comma, or nothing if there is nothing to
// say.
func (s *sources) append(dst []byte) []byte {
	const name = `"mapped_from":{`
	dst = append(dst, name...)
	start := len(dst)
	short := s.short()
	if short {
		dst = append(dst, `"`+usualTag+`":true,`...)
	}
	for m := range members {
		if m == mUserAgent && s.time != "" {
			dst = append(append(append(dst, `"timestamp":"`...), s.time...), `",`...)
		}
		implied := short && usual[m] != "" && s.set[m]
		if implied && s.has[m] && s.from[m] == usual[m] || !implied && !s.has[m] {
			continue
		}
		dst = append(append(append(dst, '"'), memberNames[m]...), `":`...)
		dst = append(jsontext.Append(dst, s.from[m]), ',')
	}
	return closeOptional(dst, start, name)
}

// sources returns where the event's members are from, for what it has.
func (e *Event) sources() (s sources) {
	s.time = e.MappedFrom["timestamp"]
	for m, name := range memberNames {
		s.from[m], s.has[m] = e.MappedFrom[name]
		s.set[m] = e.states(member(m))
	}
	return s
}

// states reports whether the event has a member, and success one other than null.
func (e *Event) states(m member) bool {
	if m == mSuccess {
		return e.Success != OutcomeUnknown
	}
	return e.text(m) != ""
}

// lengthen makes what mapped_from says in the short form what it says in the long one.
func (e *Event) lengthen() {
	for m, name := range memberNames {
		if usual[m] == "" || !e.states(member(m)) {
			continue
		}
		if from, listed := e.MappedFrom[name]; !listed {
			e.MappedFrom[name] = usual[m]
		} else if from == "" {
			delete(e.MappedFrom, name)
		}
	}
}

// checkSources refuses a mapped_from of what is not there.
func (e *Event) checkSources() error {
	for name, from := range e.MappedFrom {
		m := memberOf(name)
		switch {
		case name == "timestamp":
			if from != fromClock && (from != fromObservedTime || e.ObservedTimestamp != e.Timestamp) {
				return fmt.Errorf("mapped_from.timestamp: %.40q is not where the time is from", from)
			}
		case m == members || e.text(m) == "":
			return fmt.Errorf("mapped_from: there is no member %.40q to be taken from an attribute", name)
		}
	}
	return nil
}

// sources reads the member mapped_from, and whether it is in the short form.
func (d *decoder) sources(e *Event) (short bool, err error) {
	e.MappedFrom = make(map[string]string)
	err = d.object(func(key []byte) (err error) {
		name := string(key)
		if name == usualTag {
			short = true
			return d.literal("true")
		}
		e.MappedFrom[name], err = d.plainText()
		return err
	})
	return short, err
}
