// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
	"github.com/otel-auditlog/auditlogexporter/internal/member"
	"github.com/otel-auditlog/auditlogexporter/internal/timestamp"
)

// Parse decodes an event. It accepts only canonical form (RFC 8785; docs/format.md, section 6):
// one event has one text, and what the event keeps is not a view of it. The error says at which
// byte something else stands.
func Parse(canonical []byte) (*Event, error) {
	e := &Event{}
	d := decoder{Reader: jcs.NewReader(canonical)}
	if err := d.event(e); err != nil {
		return nil, fmt.Errorf("malformed event: %w", err)
	}
	return e, nil
}

func (d *decoder) event(e *Event) error {
	if err := d.CheckUTF8(); err != nil {
		return err
	}
	has := 0
	err := d.Object(func(key []byte) error {
		m := member.Of(key)
		if m == member.None {
			return d.Fail(fmt.Sprintf("events have no member %.40q", key))
		}
		has |= 1 << m
		return d.member(e, m)
	})
	switch {
	case err != nil:
		return err
	case d.At != len(d.Text):
		return d.Fail("something follows the event")
	case has&member.Everywhere != member.Everywhere:
		return errors.New("a member that every event has is missing")
	}
	if d.shortSources {
		member.Lengthen(e.MappedFrom, e.states)
	}
	if err := errors.Join(e.checkSources(), e.checkReplaced()); err != nil {
		return err
	}
	return sameBytes(d.Text, e.append(make([]byte, 0, len(d.Text))))
}

// sameBytes is the whole of what canonical form means: a value has one form, so
// written again it gives the same bytes.
func sameBytes(b, again []byte) error {
	if bytes.Equal(b, again) {
		return nil
	}
	at := 0
	for at < min(len(b), len(again)) && b[at] == again[at] {
		at++
	}
	return fmt.Errorf("byte %d: not in the form that this value has: %q", at, again[at:min(at+40, len(again))])
}

const (
	unknownMember = "unknown member"
	outOfRange    = "an integer out of range"
)

// decoder decodes an event, or a value. It takes some of what canonical form does not have for
// what it would mean, for [sameBytes] to find.
type decoder struct {
	jcs.Reader
	shortSources bool // mapped_from is in the short form
	whole        bool // nothing may be withheld
}

func (d *decoder) member(e *Event, m member.Member) (err error) {
	switch m {
	case member.EventID:
		e.EventID, err = d.text(m)
	case member.Operation:
		e.Operation, err = d.text(m)
	case member.ResourceType:
		e.ResourceType, err = d.text(m)
	case member.ResourceID:
		e.ResourceID, err = d.text(m)
	case member.UserID:
		e.UserID, err = d.text(m)
	case member.SessionID:
		e.SessionID, err = d.text(m)
	case member.AgentID:
		e.AgentID, err = d.text(m)
	case member.ErrorMessage:
		e.ErrorMessage, err = d.text(m)
	case member.SourceIP:
		e.SourceIP, err = d.text(m)
	case member.UserAgent:
		e.UserAgent, err = d.text(m)
	case member.Level:
		e.Level, err = word(d, m, Levels())
	case member.Category:
		e.Category, err = word(d, m, Categories())
	case member.Success:
		var outcome member.Outcome
		outcome, err = member.ReadOutcome(&d.Reader)
		e.Success = Outcome(outcome)
	case member.Timestamp:
		e.Timestamp, err = d.time()
	case member.ObservedTimestamp:
		e.ObservedTimestamp, err = d.time()
	case member.EventName:
		e.EventName, err = d.string()
	case member.SeverityText:
		e.SeverityText, err = d.string()
	case member.SeverityNumber:
		var n int64
		n, err = d.Integer(math.MinInt32, math.MaxInt32)
		e.SeverityNumber = int32(n)
	case member.Flags:
		e.Flags, err = d.count()
	case member.DroppedAttributesCount:
		e.DroppedAttributesCount, err = d.count()
	case member.TraceID:
		err = d.Hex(e.TraceID[:])
	case member.SpanID:
		err = d.Hex(e.SpanID[:])
	case member.Body:
		e.Body, err = d.decode()
	case member.Metadata:
		e.Metadata, err = d.attributes()
	case member.Replaced:
		e.Replaced, err = d.replaced()
	case member.Resource:
		err = d.resource(&e.Resource)
	case member.Scope:
		err = d.scope(&e.Scope)
	case member.MappedFrom:
		e.MappedFrom, d.shortSources, err = member.ReadSources(&d.Reader)
	case member.Log:
		e.Log, err = d.rawObject()
	case member.Ingress:
		e.Ingress, err = d.rawObject()
	}
	return err
}

// text reads a text that must not be empty.
func (d *decoder) text(m member.Member) (string, error) {
	s, err := d.PlainText()
	if err == nil && s == "" {
		err = d.Fail("the member " + m.Quoted() + " is empty")
	}
	return s, err
}

// word reads a text that must be one of a list.
func word[S ~string](d *decoder, m member.Member, list []S) (S, error) {
	s, err := d.text(m)
	if err == nil && !slices.Contains(list, S(s)) {
		err = d.Fail(fmt.Sprintf("unknown %s %.40q", m, s))
	}
	return S(s), err
}

// rawObject reads an object and returns its text.
func (d *decoder) rawObject() ([]byte, error) {
	if d.Peek() != '{' {
		return nil, d.Fail("an object expected")
	}
	start := d.At
	err := d.Value()
	return bytes.Clone(d.Text[start:d.At]), err
}

// replaced reads what is kept of another event, and returns its text in canonical form.
func (d *decoder) replaced() ([]byte, error) {
	var r member.ReplacedEvent
	err := r.Read(&d.Reader)
	return r.Append(nil), err
}

func (d *decoder) time() (uint64, error) {
	raw, _, err := d.RawString()
	if err != nil {
		return 0, err
	}
	ns, ok := timestamp.Parse(raw)
	if !ok {
		return 0, d.Fail("not a time")
	}
	return ns, nil
}

// string reads a string, tagged or not.
func (d *decoder) string() (string, error) {
	v, err := d.decode()
	if err != nil {
		return "", err
	}
	s, ok := v.(string)
	if !ok {
		return "", d.Fail("a string expected")
	}
	return s, nil
}

func (d *decoder) count() (uint32, error) {
	n, err := d.Integer(0, math.MaxUint32)
	return uint32(n), err
}

// checkSources refuses a mapped_from of what is not there.
func (e *Event) checkSources() error {
	for name, from := range e.MappedFrom {
		switch {
		case name == member.Timestamp.String():
			if from != member.FromClock && (from != member.FromObservedTime || e.ObservedTimestamp != e.Timestamp) {
				return fmt.Errorf("mapped_from.timestamp: %.40q is not where the time is from", from)
			}
		case e.text(member.Of(name)) == "":
			return fmt.Errorf("mapped_from: there is no member %.40q to be taken from an attribute", name)
		}
	}
	return nil
}

// checkReplaced refuses an event that claims to keep what it has replaced: what was too long is
// not there.
func (e *Event) checkReplaced() error {
	if e.Replaced != nil && (e.Body != nil || len(e.Metadata) > 0 || len(e.Resource.append(nil)) > 0 || len(e.Scope.append(nil)) > 0 || e.Log != nil) {
		return errors.New("an event that stands for another has no body, no metadata, no resource and no scope")
	}
	return nil
}
