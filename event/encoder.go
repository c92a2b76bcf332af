// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// Encoder maps log records to events and writes them in canonical JSON. It is for
// one goroutine at a time, and needs no memory for a record like those before it.
type Encoder struct {
	mapper   *Mapper
	resource []byte // the member, or nothing
	scope    []byte
	service  string // service.name of the resource, or ""

	shapes  []*shape
	keys    []string
	values  []pcommon.Value
	used    []bool
	entries []entry
	random  *bufio.Reader
}

// Info is what the writer of an event may want to know of it.
type Info struct {
	// Unmapped says that the record states no operation or no resource, so that
	// defaults stand in for them.
	Unmapped bool
}

// MissingError says what a record does not state that a strict mapping demands.
type MissingError struct {
	// Members are the names of the members.
	Members []string
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("mapping.strict: the record states no %s: send the attributes that the mapping takes them from, or turn mapping.strict off", strings.Join(e.Members, ", no "))
}

// SetResource sets the resource of the records that follow.
func (e *Encoder) SetResource(r pcommon.Resource, schemaURL string) {
	e.resource = e.encodeResource(e.resource[:0], r, schemaURL)
	e.service = ""
	if v, ok := r.Attributes().Get("service.name"); ok && v.Type() == pcommon.ValueTypeStr {
		e.service = strings.ToValidUTF8(v.Str(), "\uFFFD")
	}
}

// SetScope sets the instrumentation scope of the records that follow.
func (e *Encoder) SetScope(s pcommon.InstrumentationScope, schemaURL string) {
	e.scope = e.encodeScope(e.scope[:0], s, schemaURL)
}

// Append appends the event for a record in canonical JSON. With a strict mapping
// it may return a [*MissingError]; otherwise every record has an event, and the
// error says that the system has no randomness for an id.
func (e *Encoder) Append(dst []byte, r plog.LogRecord) ([]byte, Info, error) {
	var m mapped
	s := e.load(r)
	if err := e.mapRecord(&m, s, r); err != nil {
		return dst, Info{}, err
	}
	info := Info{Unmapped: m.noOperation || m.noResource}
	if e.mapper.strict && info.Unmapped {
		return dst, info, m.missing()
	}

	dst = append(dst, '{')
	dst = appendOptional(dst, `"agent_id":`, m.agentID)
	if body := r.Body(); body.Type() != pcommon.ValueTypeEmpty {
		dst = append(dst, `"body":`...)
		dst = e.appendValue(dst, body, 0)
		dst = append(dst, ',')
	}
	dst = append(dst, `"category":"`...)
	dst = append(dst, m.category...)
	dst = append(dst, `",`...)
	if n := r.DroppedAttributesCount(); n != 0 {
		dst = appendCount(dst, `"dropped_attributes_count":`, uint64(n))
	}
	dst = appendOptional(dst, `"error_message":`, m.errorMessage)
	dst = append(dst, `"event_id":`...)
	dst = appendText(dst, m.eventID)
	dst = append(dst, ',')
	if name := r.EventName(); name != "" {
		dst = append(dst, `"event_name":`...)
		dst = appendString(dst, name)
		dst = append(dst, ',')
	}
	if flags := uint32(r.Flags()); flags != 0 {
		dst = appendCount(dst, `"flags":`, uint64(flags))
	}
	dst = append(dst, `"level":"`...)
	dst = append(dst, m.level...)
	dst = append(dst, `",`...)
	dst = m.appendSources(dst, e)
	dst = append(dst, `"metadata":`...)
	dst = e.appendMetadata(dst, s)
	dst = append(dst, ',')
	if ns := r.ObservedTimestamp(); ns != 0 {
		dst = append(dst, `"observed_timestamp":`...)
		dst = appendTime(dst, uint64(ns))
		dst = append(dst, ',')
	}
	dst = append(dst, `"operation":`...)
	dst = appendText(dst, m.operation)
	dst = append(dst, ',')
	dst = append(dst, e.resource...)
	dst = append(dst, `"resource_id":`...)
	dst = appendText(dst, m.resourceID)
	dst = append(dst, `,"resource_type":`...)
	dst = appendText(dst, m.resourceType)
	dst = append(dst, ',')
	dst = append(dst, e.scope...)
	dst = appendOptional(dst, `"session_id":`, m.sessionID)
	if n := r.SeverityNumber(); n != 0 {
		dst = append(dst, `"severity_number":`...)
		dst = strconv.AppendInt(dst, int64(n), 10)
		dst = append(dst, ',')
	}
	if text := r.SeverityText(); text != "" {
		dst = append(dst, `"severity_text":`...)
		dst = appendString(dst, text)
		dst = append(dst, ',')
	}
	dst = appendOptional(dst, `"source_ip":`, m.sourceIP)
	if id := r.SpanID(); !id.IsEmpty() {
		dst = appendID(dst, `"span_id":"`, id[:])
	}
	dst = append(dst, `"success":`...)
	dst = append(dst, m.success.json()...)
	dst = append(dst, `,"timestamp":`...)
	dst = appendTime(dst, m.timestamp)
	dst = append(dst, ',')
	if id := r.TraceID(); !id.IsEmpty() {
		dst = appendID(dst, `"trace_id":"`, id[:])
	}
	dst = appendOptional(dst, `"user_agent":`, m.userAgent)
	dst = appendOptional(dst, `"user_id":`, m.userID)
	dst[len(dst)-1] = '}'
	return dst, info, nil
}

func appendOptional(dst []byte, name, text string) []byte {
	if text == "" {
		return dst
	}
	dst = append(dst, name...)
	dst = appendText(dst, text)
	return append(dst, ',')
}

func appendCount(dst []byte, name string, n uint64) []byte {
	dst = append(dst, name...)
	dst = strconv.AppendUint(dst, n, 10)
	return append(dst, ',')
}

func appendID(dst []byte, name string, id []byte) []byte {
	dst = append(dst, name...)
	for _, b := range id {
		dst = append(dst, hexDigits[b>>4], hexDigits[b&15])
	}
	return append(dst, `",`...)
}

// load takes note of the record's attributes and returns their shape.
func (e *Encoder) load(r plog.LogRecord) *shape {
	e.keys, e.values, e.used = e.keys[:0], e.values[:0], e.used[:0]
	r.Attributes().Range(func(k string, v pcommon.Value) bool {
		e.keys = append(e.keys, k)
		e.values = append(e.values, v)
		e.used = append(e.used, false)
		return true
	})
	return e.shapeOf()
}

// appendMetadata appends the attributes that no member accounts for.
func (e *Encoder) appendMetadata(dst []byte, s *shape) []byte {
	dst = append(dst, '{')
	start := len(dst)
	for i, at := range s.order {
		if i == s.more {
			dst = e.appendRepeated(dst, s)
		}
		if e.used[at] {
			continue
		}
		dst = append(dst, s.names[i]...)
		dst = e.appendValue(dst, e.values[at], 0)
		dst = append(dst, ',')
	}
	if s.more == len(s.order) {
		dst = e.appendRepeated(dst, s)
	}
	if len(dst) > start {
		dst = dst[:len(dst)-1]
	}
	return append(dst, '}')
}

// appendRepeated appends the attributes that the metadata's own members have no
// place for, and a comma.
func (e *Encoder) appendRepeated(dst []byte, s *shape) []byte {
	if len(s.rest) == 0 {
		return dst
	}
	dst = append(dst, `"$more":[`...)
	for i, at := range s.rest {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '[')
		dst = appendString(dst, e.keys[at])
		dst = append(dst, ',')
		dst = e.appendValue(dst, e.values[at], 0)
		dst = append(dst, ']')
	}
	return append(dst, "],"...)
}

// newID returns a random UUID. Randomness is read in advance: a call for each
// record would cost more than the rest of its encoding.
func (e *Encoder) newID() (string, error) {
	if e.random == nil {
		e.random = bufio.NewReaderSize(rand.Reader, 1024)
	}
	id, err := uuid.NewRandomFromReader(e.random)
	if err != nil {
		return "", fmt.Errorf("make an event id: %w", err)
	}
	return id.String(), nil
}

// now is when a record that bears no time is said to have happened.
func now() uint64 { return uint64(time.Now().UnixNano()) }
