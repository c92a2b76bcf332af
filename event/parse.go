// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Parse decodes an event. It accepts only canonical form: the bytes that
// [Event.Append] gives for the event it returns.
func Parse(canonical []byte) (*Event, error) {
	var s Summary
	if err := Scan(canonical, &s); err != nil {
		return nil, err
	}
	e := &Event{Level: s.Level, Category: s.Category, Success: s.Success, Log: bytes.Clone(s.Log), Ingress: bytes.Clone(s.Ingress)}
	d := decoder{scanner: scanner{b: canonical, room: maxScanDepth}}
	err := d.object(func(key []byte) error { return d.member(e, string(key)) })
	if err == nil {
		if d.shortSources {
			e.lengthen()
		}
		err = errors.Join(e.checkSources(), e.checkReplaced())
	}
	if err == nil {
		err = sameBytes(canonical, e.Append(make([]byte, 0, len(canonical))))
	}
	if err != nil {
		return nil, fmt.Errorf("malformed event: %w", err)
	}
	return e, nil
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

var (
	errMember = errors.New("unknown member")
	errRange  = errors.New("an integer out of range")
)

// decoder decodes what [Scan] has found good. It takes what canonical form does
// not have for what it would mean, for [Parse] to refuse.
type decoder struct {
	scanner
	shortSources bool // mapped_from is in the short form
	whole        bool // nothing may be withheld
}

func (d *decoder) member(e *Event, key string) (err error) {
	switch key {
	case "event_id":
		e.EventID, err = d.plainText()
	case "operation":
		e.Operation, err = d.plainText()
	case "resource_type":
		e.ResourceType, err = d.plainText()
	case "resource_id":
		e.ResourceID, err = d.plainText()
	case "user_id":
		e.UserID, err = d.plainText()
	case "session_id":
		e.SessionID, err = d.plainText()
	case "agent_id":
		e.AgentID, err = d.plainText()
	case "error_message":
		e.ErrorMessage, err = d.plainText()
	case "source_ip":
		e.SourceIP, err = d.plainText()
	case "user_agent":
		e.UserAgent, err = d.plainText()
	case "timestamp":
		e.Timestamp, err = d.time()
	case "observed_timestamp":
		e.ObservedTimestamp, err = d.time()
	case "event_name":
		e.EventName, err = d.string()
	case "severity_text":
		e.SeverityText, err = d.string()
	case "severity_number":
		var n int64
		n, err = d.integer(math.MinInt32, math.MaxInt32)
		e.SeverityNumber = int32(n)
	case "flags":
		e.Flags, err = d.count()
	case "dropped_attributes_count":
		e.DroppedAttributesCount, err = d.count()
	case "trace_id":
		err = d.id(e.TraceID[:])
	case "span_id":
		err = d.id(e.SpanID[:])
	case "body":
		e.Body, err = d.decode()
	case "metadata":
		e.Metadata, err = d.attributes()
	case "replaced":
		e.Replaced, err = d.replaced()
	case "resource":
		err = d.resource(&e.Resource)
	case "scope":
		err = d.scope(&e.Scope)
	case "mapped_from":
		d.shortSources, err = d.sources(e)
	default: // level, category, success, log and ingress, which Scan has read
		err = d.value()
	}
	return err
}

// plainText reads a string that is not tagged.
func (d *decoder) plainText() (string, error) {
	raw, escaped, err := d.text()
	if err != nil {
		return "", err
	}
	if escaped {
		return string(appendUnescaped(nil, raw)), nil
	}
	return string(raw), nil
}

func (d *decoder) time() (uint64, error) {
	raw, _, err := d.text()
	if err != nil {
		return 0, err
	}
	ns, ok := parseTime(raw)
	if !ok {
		return 0, d.fail("not a time")
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
		return "", d.fail("a string expected")
	}
	return s, nil
}

func (d *decoder) integer(low, high int64) (int64, error) {
	text, err := d.number()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || n < low || n > high {
		return 0, d.fail(errRange.Error())
	}
	return n, nil
}

func (d *decoder) count() (uint32, error) {
	n, err := d.integer(0, math.MaxUint32)
	return uint32(n), err
}

func (d *decoder) id(dst []byte) error {
	raw, _, err := d.text()
	if err != nil {
		return err
	}
	if len(raw) != 2*len(dst) {
		return d.fail(fmt.Sprintf("an id of %d hex digits expected", 2*len(dst)))
	}
	if _, err := hex.Decode(dst, raw); err != nil {
		return d.fail("an id that is not hex")
	}
	return nil
}
