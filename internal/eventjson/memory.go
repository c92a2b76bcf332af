// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package eventjson

import (
	"bytes"
	"time"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
	"github.com/otel-auditlog/auditlogexporter/internal/member"
	"github.com/otel-auditlog/auditlogexporter/internal/timestamp"
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
	members [member.End]remembered
	// next is the member that came behind another.
	next [member.End]member.Member
	// second is the latest time, to the second, in nanoseconds since the Unix epoch,
	// and its text.
	second     uint64
	secondText [len(timestamp.WholeSecond)]byte
}

// maxRemembered bounds the bytes of a member that is remembered.
const maxRemembered = 1 << 10

// remembered is a member and what it says.
type remembered struct {
	raw   []byte // name and value
	value int    // where the text of the value begins
	// One of these is what it says.
	level    event.Level
	category event.Category
	time     time.Time
	success  event.Outcome
}

// recall takes the member at hand from the memory, if that has it.
func (m *memory) recall(sc *scanner, last member.Member, s *Summary) (member.Member, bool) {
	if m == nil {
		return 0, false
	}
	at := m.next[last]
	known := &m.members[at]
	n := len(known.raw)
	rest := sc.Text[sc.At:]
	// What ends the member now need not be what ended it then.
	if n == 0 || len(rest) <= n || string(rest[:n]) != string(known.raw) || rest[n] != ',' && rest[n] != '}' {
		return 0, false
	}
	sc.At += n
	text := rest[known.value : n-1 : n-1]
	switch at {
	case member.Operation:
		s.Operation = text
	case member.UserID:
		s.UserID = text
	case member.AgentID:
		s.AgentID = text
	case member.SessionID:
		s.SessionID = text
	case member.Level:
		s.Level = known.level
	case member.Category:
		s.Category = known.category
	case member.Timestamp:
		s.Time = known.time
	case member.Success:
		s.Success = known.success
	case member.Ingress:
		s.Ingress = rest[len(member.Ingress.Key()):n:n]
	}
	return at, true
}

// expect skips the name of the member at hand, if it is the one that came behind the
// last before.
func (m *memory) expect(sc *scanner, last member.Member) member.Member {
	if m == nil {
		return member.None
	}
	at := m.next[last]
	name := at.Key()
	if rest := sc.Text[sc.At:]; name == "" || len(rest) < len(name) || string(rest[:len(name)]) != name {
		return member.None
	}
	sc.At += len(name)
	return at
}

// learn remembers the member that begins at start.
func (m *memory) learn(sc *scanner, last, at member.Member, start int, s *Summary) {
	if m == nil {
		return
	}
	m.next[last] = at
	known, raw := &m.members[at], sc.Text[start:sc.At]
	known.raw = known.raw[:0]
	switch at {
	case member.EventID, member.Log: // never the same again
		return
	case member.Operation, member.UserID, member.AgentID, member.SessionID:
		known.value = bytes.IndexByte(raw, ':') + len(`:"`)
		if text := raw[known.value:]; jcs.Plain(text) != len(text)-1 {
			return // it holds escapes
		}
	case member.Level, member.Category, member.Timestamp, member.Success:
		known.level, known.category, known.time, known.success = s.Level, s.Category, s.Time, s.Success
	}
	if len(raw) <= maxRemembered {
		known.raw = append(known.raw, raw...)
	}
}

// time is timestamp.Parse for times that often share their second with the one before.
func (m *memory) time(b []byte) (ns uint64, ok bool) {
	const whole = len(timestamp.WholeSecond)
	if m == nil {
		return timestamp.Parse(b)
	}
	if len(b) != len(timestamp.Layout) || string(b[:whole]) != string(m.secondText[:]) {
		if ns, ok = timestamp.Parse(b); ok {
			m.second = ns - ns%1e9
			copy(m.secondText[:], b)
		}
		return ns, ok
	}
	fraction := uint64(0)
	for _, c := range b[whole : len(b)-1] {
		if c < '0' || c > '9' {
			return 0, false
		}
		fraction = fraction*10 + uint64(c-'0')
	}
	ns = m.second + fraction
	return ns, b[len(b)-1] == 'Z' && ns >= m.second // The last second of all is not whole.
}
