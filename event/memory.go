// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"bytes"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/jsontext"
)

// Scanner does what [Scan] does for many events, and remembers members that it has
// found good: most of an event's members stand in the event before to the letter. It
// takes some 30 kB at the most. The zero value is ready; it is for one goroutine at a time.
type Scanner struct{ memory memory }

// Scan is [Scan].
func (c *Scanner) Scan(b []byte, s *Summary) error { return scanEvent(b, s, &c.memory) }

// memory is what is known of the members of the events before. A member with the same
// bytes in the same place is as good as it was then, and says the same.
type memory struct {
	members [places]remembered
	// next is the member that came behind another.
	next [places]place
	// second is the latest time, to the second, in nanoseconds since the Unix epoch,
	// and its text.
	second     uint64
	secondText [len(wholeSecond)]byte
}

// wholeSecond is the part of timeLayout that times within a second share.
const wholeSecond = "2006-01-02T15:04:05."

// maxRemembered bounds the bytes of a member that is remembered.
const maxRemembered = 1 << 10

// remembered is a member and what it says.
type remembered struct {
	raw   []byte // name and value
	value int    // where the text of the value begins
	// One of these is what it says.
	level    Level
	category Category
	time     time.Time
	success  Outcome
}

// recall takes the member at hand from the memory, if that has it.
func (m *memory) recall(sc *scanner, last place, s *Summary) (place, bool) {
	if m == nil {
		return 0, false
	}
	at := m.next[last]
	known := &m.members[at]
	n := len(known.raw)
	rest := sc.b[sc.i:]
	// What ends the member now need not be what ended it then.
	if n == 0 || len(rest) <= n || string(rest[:n]) != string(known.raw) || rest[n] != ',' && rest[n] != '}' {
		return 0, false
	}
	sc.i += n
	text := rest[known.value : n-1 : n-1]
	switch at {
	case atOperation:
		s.Operation = text
	case atUserID:
		s.UserID = text
	case atAgentID:
		s.AgentID = text
	case atSessionID:
		s.SessionID = text
	case atLevel:
		s.Level = known.level
	case atCategory:
		s.Category = known.category
	case atTimestamp:
		s.Time = known.time
	case atSuccess:
		s.Success = known.success
	case atIngress:
		s.Ingress = rest[len(placeNames[atIngress]):n:n]
	}
	return at, true
}

// expect skips the name of the member at hand, if it is the one that came behind the
// last before.
func (m *memory) expect(sc *scanner, last place) place {
	if m == nil {
		return atStart
	}
	at := m.next[last]
	name := placeNames[at]
	if rest := sc.b[sc.i:]; name == "" || len(rest) < len(name) || string(rest[:len(name)]) != name {
		return atStart
	}
	sc.i += len(name)
	return at
}

// learn remembers the member that begins at start.
func (m *memory) learn(sc *scanner, last, at place, start int, s *Summary) {
	if m == nil {
		return
	}
	m.next[last] = at
	known, raw := &m.members[at], sc.b[start:sc.i]
	known.raw = known.raw[:0]
	switch at {
	case atEventID, atLog: // never the same again
		return
	case atOperation, atUserID, atAgentID, atSessionID:
		known.value = bytes.IndexByte(raw, ':') + len(`:"`)
		if text := raw[known.value:]; jsontext.Plain(text) != len(text)-1 {
			return // it holds escapes
		}
	case atLevel, atCategory, atTimestamp, atSuccess:
		known.level, known.category, known.time, known.success = s.Level, s.Category, s.Time, s.Success
	}
	if len(raw) <= maxRemembered {
		known.raw = append(known.raw, raw...)
	}
}

// time is parseTime for times that often share their second with the one before.
func (m *memory) time(b []byte) (ns uint64, ok bool) {
	const whole = len(wholeSecond)
	if m == nil {
		return parseTime(b)
	}
	if len(b) != len(timeLayout) || string(b[:whole]) != string(m.secondText[:]) {
		if ns, ok = parseTime(b); ok {
			m.second = ns - ns%1e9
			copy(m.secondText[:], b)
		}
		return ns, ok
	}
	fraction := uint64(0)
	for _, c := range b[whole : len(b)-1] {
		if !isDigit(c) {
			return 0, false
		}
		fraction = fraction*10 + uint64(c-'0')
	}
	ns = m.second + fraction
	return ns, b[len(b)-1] == 'Z' && ns >= m.second // The last second of all is not whole.
}
