// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package eventjson

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
	"github.com/otel-auditlog/auditlogexporter/internal/member"
)

// What a replacement keeps: so many bytes of the beginning and of the end, and texts up to
// so many bytes; of an id or a word that an event must have, the beginning.
const (
	maxKeptEdge = 1024
	maxKeptText = 256
)

// ErrNoRoom is that there is no room for what an event must have.
var ErrNoRoom = errors.New("there is no room for an event that stands for another")

// Replace appends an event that stands for another one, given in canonical JSON, and has at
// most limit bytes (docs/format.md, section 6.8). It keeps the beginning and the end of the text,
// its length and its hash; of the members the times, level, category and outcome, what came of
// checking its proof, and of the others what is short, if it fits. No record gives such an event:
// the mapping makes no member "replaced".
func Replace(dst, canonical []byte, limit int) ([]byte, error) {
	whole := member.ReplacedEvent{Length: int64(len(canonical)), SHA256: sha256.Sum256(canonical)}
	start := len(dst)
	for text, edge := maxKeptText, maxKeptEdge; ; text, edge = text/2, edge/4 {
		k, err := keep(canonical, text)
		if err != nil {
			return dst[:start], fmt.Errorf("replace an event: %w", err)
		}
		whole.First, whole.Last = cutFirst(canonical, edge), cutLast(canonical, edge)
		k[member.Replaced] = whole.Append(nil)
		if dst = k.append(dst[:start]); len(dst)-start <= limit {
			return dst, nil
		}
		if text < 32 {
			return dst[:start], ErrNoRoom
		}
	}
}

// kept are the members that are kept of an event, in canonical JSON; empty of others.
type kept [member.End][]byte

func (k *kept) append(dst []byte) []byte {
	dst = append(dst, '{')
	for m, value := range k {
		if len(value) > 0 {
			dst = append(append(append(dst, member.Member(m).Key()...), value...), ',')
		}
	}
	dst[len(dst)-1] = '}'
	return dst
}

// keep returns what is kept of an event, with texts up to so many bytes.
func keep(canonical []byte, most int) (*kept, error) {
	sc := scanner{Reader: jcs.NewReader(canonical)}
	if err := sc.Expect('{'); err != nil {
		return nil, err
	}
	k := &kept{member.Metadata: []byte("{}")}
	var sum Summary
	for last := member.None; sc.Peek() != '}'; {
		start := sc.At
		at, err := sc.member(last, &sum)
		if err != nil {
			return nil, err
		}
		value := canonical[start+len(at.Key()) : sc.At]
		if sc.Peek() == ',' {
			sc.At++
		}
		last = at
		switch at {
		case member.Body, member.Metadata, member.Resource, member.Scope, member.EventName, member.SeverityText,
			member.DroppedAttributesCount, member.Log:
			continue
		case member.AgentID, member.ErrorMessage, member.SessionID, member.SourceIP, member.UserAgent, member.UserID:
			if len(value) > most {
				continue
			}
		}
		k[at] = value
	}
	if err := k.keepSources(most, sum.Success != event.OutcomeUnknown); err != nil {
		return nil, err
	}
	return k, nil
}

// keepSources cuts the texts that an event must have, and leaves out where members are from
// that are not there whole.
func (k *kept) keepSources(most int, outcome bool) error {
	s := member.Sources{Set: [member.End]bool{member.Success: outcome}}
	for m, value := range k {
		switch m := member.Member(m); m {
		case member.Success, member.Timestamp:
		default:
			s.Set[m] = value != nil
		}
	}
	from := map[string]string{}
	if k[member.MappedFrom] != nil {
		r := jcs.NewReader(k[member.MappedFrom])
		read, short, err := member.ReadSources(&r)
		if err != nil {
			return err
		}
		if short {
			member.Lengthen(read, func(m member.Member) bool { return s.Set[m] })
		}
		from = read
	}
	for _, m := range []member.Member{member.EventID, member.Operation, member.ResourceID, member.ResourceType} {
		text, err := unquote(k[m])
		if err != nil {
			return err
		}
		if len(text) > most {
			k[m] = jcs.AppendString(nil, cutFirst(text, most)+"…")
			delete(from, m.String())
		}
	}
	for name, attribute := range from {
		if m := member.Of(name); len(attribute) <= most && (s.Set[m] || m == member.Timestamp) {
			s.From[m], s.Has[m] = attribute, true
		}
	}
	k[member.MappedFrom] = s.AppendValue(nil)
	return nil
}

// cutFirst returns the first n bytes, or less, that are whole characters.
func cutFirst[S string | []byte](s S, n int) string {
	if len(s) <= n {
		return string(s)
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return string(s[:n])
}

// cutLast returns the last n bytes, or less, that are whole characters.
func cutLast(b []byte, n int) string {
	at := max(0, len(b)-n)
	for at < len(b) && !utf8.RuneStart(b[at]) {
		at++
	}
	return string(b[at:])
}
