// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
	"github.com/otel-auditlog/auditlogexporter/internal/member"
	"github.com/otel-auditlog/auditlogexporter/internal/tagged"
	"github.com/otel-auditlog/auditlogexporter/internal/timestamp"
)

// Encoder maps log records to events and writes them in canonical JSON. It is for
// one goroutine at a time, and needs no memory for a record like those before it.
type Encoder struct {
	mapper   *Mapper
	resource []byte // the member.Member, with a comma, or nothing
	scope    []byte
	service  string // service.name of the resource, or ""
	ingress  []byte // the member of the record at hand, or nothing

	shapes shapes
	ids    idSource
	second timestamp.Writer

	// The attributes of the record at hand: their keys, their values, and whether
	// a member accounts for them.
	keys   []string
	values []pcommon.Value
	used   []bool
	// stack holds the entries of the maps around the value at hand.
	stack []tagged.Entry[pcommon.Value]
	// tooDeep says that the value at hand is nested too deeply to be written.
	tooDeep, resourceTooDeep, scopeTooDeep bool
}

// Info is what the writer of an event may want to know of it.
type Info struct {
	// Unmapped says that the record states no operation or no resource, so that
	// defaults stand in for them.
	Unmapped bool
	// Time is the event's time, in nanoseconds since the Unix epoch.
	Time uint64
	// Sequenced says that the record has attributes audit.sequence.*.
	Sequenced bool
	// ID is the event's id, if it is the record's own, and "" otherwise. It is good as
	// long as the record is.
	ID string

	left, right [3]int // what Content leaves out
	cuts        int
}

func (i *Info) leaveOut(from, to int) {
	i.left[i.cuts], i.right[i.cuts] = from, to
	i.cuts++
}

// Content returns Identity.Content of the event as it was encoded.
func (i *Info) Content(canonical []byte) [sha256.Size]byte {
	return eventjson.ContentOf(canonical, i.left[:i.cuts], i.right[:i.cuts])
}

// MissingError says what a record does not state that a strict mapping demands.
type MissingError struct {
	// Members are the names of the members.
	Members []string
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("mapping.strict: the record states no %s: send the attributes that the mapping takes them from, or turn mapping.strict off", strings.Join(e.Members, ", no "))
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

// SetResource sets the resource of the records that follow, and the schema URL of
// its ResourceLogs. It keeps nothing of r.
func (e *Encoder) SetResource(r pcommon.Resource, schemaURL string) {
	e.tooDeep = false
	e.resource = e.appendResource(e.resource[:0], r, schemaURL)
	e.resourceTooDeep = e.tooDeep
	e.service = ""
	if v, ok := r.Attributes().Get("service.name"); ok && v.Type() == pcommon.ValueTypeStr {
		e.service = strings.Clone(strings.ToValidUTF8(v.Str(), replacement))
	}
}

// SetScope sets the instrumentation scope of the records that follow, and the
// schema URL of its ScopeLogs. It keeps nothing of s.
func (e *Encoder) SetScope(s pcommon.InstrumentationScope, schemaURL string) {
	e.tooDeep = false
	e.scope = e.appendScope(e.scope[:0], s, schemaURL)
	e.scopeTooDeep = e.tooDeep
}

// Shared returns how many bytes of each event are its resource's and its scope's.
func (e *Encoder) Shared() int { return len(e.resource) + len(e.scope) }

// SetIngress sets the member "ingress" of the events that follow, an object in canonical
// JSON: what came of checking the proof that the record's producer has put on it. Empty
// leaves the member out. The bytes are the caller's, and must stay as they are until the
// next call. No record can bring such a member.
func (e *Encoder) SetIngress(object []byte) { e.ingress = object }

// Append appends the event for a record in canonical JSON and returns the
// extended slice. Every record has an event, but those that a strict mapping refuses
// with a [*MissingError], and those that are nested absurdly deeply ([ErrTooDeep]).
// With an error, dst is returned as it was.
func (e *Encoder) Append(dst []byte, r plog.LogRecord) ([]byte, Info, error) {
	return e.append(dst, r, e.mapper.strict)
}

// AppendAnyway is Append for a mapping that is not strict.
func (e *Encoder) AppendAnyway(dst []byte, r plog.LogRecord) ([]byte, Info, error) {
	return e.append(dst, r, false)
}

func (e *Encoder) append(dst []byte, r plog.LogRecord, strict bool) ([]byte, Info, error) {
	var m mapped
	s := e.load(r)
	defer e.unload()
	e.mapRecord(&m, s, r)
	info := Info{Unmapped: m.noOperation || m.noResource, Time: m.timestamp, Sequenced: s.sequenced, ID: m.text[member.EventID]}
	if strict && info.Unmapped {
		return dst, info, m.missing()
	}

	start := len(dst)
	e.tooDeep = e.resourceTooDeep || e.scopeTooDeep
	dst = append(dst, '{')
	dst = m.appendText(dst, `"agent_id":"`, member.AgentID)
	if body := r.Body(); body.Type() != pcommon.ValueTypeEmpty {
		dst = append(dst, `"body":`...)
		dst = e.appendValue(dst, body, 0)
		dst = append(dst, ',')
	}
	dst = m.appendText(dst, `"category":"`, member.Category)
	dst = member.AppendCount(dst, `"dropped_attributes_count":`, r.DroppedAttributesCount())
	dst = m.appendText(dst, `"error_message":"`, member.ErrorMessage)
	if m.text[member.EventID] == "" {
		dst = append(dst, `"event_id":"`...)
		dst = e.ids.append(dst)
		dst = append(dst, `",`...)
	} else {
		dst = m.appendText(dst, `"event_id":"`, member.EventID)
	}
	dst = member.AppendOptional(dst, `"event_name":`, r.EventName())
	dst = member.AppendCount(dst, `"flags":`, uint32(r.Flags()))
	if len(e.ingress) > 0 {
		from := len(dst) - start
		dst = append(append(append(dst, `"ingress":`...), e.ingress...), ',')
		info.leaveOut(from, len(dst)-start)
	}
	dst = m.appendText(dst, `"level":"`, member.Level)
	dst = s.appendSources(dst, &m)
	dst = append(dst, `"metadata":{`...)
	dst = e.appendMetadata(dst, s)
	dst = append(dst, ',')
	if ns := r.ObservedTimestamp(); ns != 0 {
		from := len(dst) - start
		dst = append(dst, `"observed_timestamp":`...)
		dst = e.second.Append(dst, uint64(ns))
		dst = append(dst, ',')
		info.leaveOut(from, len(dst)-start)
	}
	dst = m.appendText(dst, `"operation":"`, member.Operation)
	dst = append(dst, e.resource...)
	dst = m.appendText(dst, `"resource_id":"`, member.ResourceID)
	dst = m.appendText(dst, `"resource_type":"`, member.ResourceType)
	dst = append(dst, e.scope...)
	dst = m.appendText(dst, `"session_id":"`, member.SessionID)
	if n := r.SeverityNumber(); n != 0 {
		dst = append(dst, `"severity_number":`...)
		dst = strconv.AppendInt(dst, int64(n), 10)
		dst = append(dst, ',')
	}
	dst = member.AppendOptional(dst, `"severity_text":`, r.SeverityText())
	dst = m.appendText(dst, `"source_ip":"`, member.SourceIP)
	if id := r.SpanID(); !id.IsEmpty() {
		dst = member.AppendID(dst, `"span_id":"`, id[:])
	}
	dst = append(dst, `"success":`...)
	dst = append(dst, member.Outcome(m.success).JSON()...)
	time := len(dst) - start
	dst = append(dst, `,"timestamp":`...)
	dst = e.second.Append(dst, m.timestamp)
	if m.origins.time != "" {
		info.leaveOut(time, len(dst)-start)
	}
	dst = append(dst, ',')
	if id := r.TraceID(); !id.IsEmpty() {
		dst = member.AppendID(dst, `"trace_id":"`, id[:])
	}
	dst = m.appendText(dst, `"user_agent":"`, member.UserAgent)
	dst = m.appendText(dst, `"user_id":"`, member.UserID)
	dst[len(dst)-1] = '}'
	if e.tooDeep {
		return dst[:start], info, ErrTooDeep
	}
	return dst, info, nil
}

// appendText appends a member and a comma, or nothing if it is not set. The name comes
// with the quote that begins the value.
func (m *mapped) appendText(dst []byte, name string, from member.Member) []byte {
	text := m.text[from]
	if text == "" {
		return dst
	}
	dst = append(dst, name...)
	if m.verbatim[from] {
		return append(append(dst, text...), '"', ',')
	}
	return append(jcs.AppendString(dst[:len(dst)-1], text), ',')
}
