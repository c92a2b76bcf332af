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

// Event is a decoded event. Times are nanoseconds since the Unix epoch, 0 if not
// set; of other members the zero value means that they are not set.
type Event struct {
	EventID      string
	Timestamp    uint64
	Level        Level
	Category     Category
	Operation    string
	ResourceType string
	ResourceID   string
	UserID       string
	SessionID    string
	AgentID      string
	Success      Outcome
	ErrorMessage string
	Metadata     Map
	SourceIP     string
	UserAgent    string

	ObservedTimestamp      uint64
	EventName              string
	SeverityNumber         int32
	SeverityText           string
	Body                   any
	TraceID                [16]byte
	SpanID                 [8]byte
	Flags                  uint32
	DroppedAttributesCount uint32
	Resource               Resource
	Scope                  Scope

	// MappedFrom names, for members, the attributes they were taken from.
	MappedFrom map[string]string
	// Log is what the log says of itself, in canonical JSON, in events of its own.
	Log []byte
}

// Resource is what a record came from.
type Resource struct {
	Attributes             Map
	DroppedAttributesCount uint32
	EntityRefs             []EntityRef
	SchemaURL              string
}

// EntityRef says which attributes of a resource make up an entity.
type EntityRef struct {
	SchemaURL       string
	Type            string
	IDKeys          []string
	DescriptionKeys []string
}

// Scope is the instrumentation scope a record came from.
type Scope struct {
	Name                   string
	Version                string
	Attributes             Map
	DroppedAttributesCount uint32
	SchemaURL              string
}

// Map is a map of OTLP: keys may occur more than once and need not be UTF-8. A
// value is nil, bool, int64, float64, string, []byte, []any or Map.
type Map []KeyValue

// KeyValue is one entry of a Map.
type KeyValue struct {
	Key   string
	Value any
}

// Get returns the first value of a key.
func (m Map) Get(key string) (any, bool) {
	for _, kv := range m {
		if kv.Key == key {
			return kv.Value, true
		}
	}
	return nil, false
}

// Parse decodes an event. It accepts only what [Encoder.Append] and [AppendOwn]
// write.
func Parse(canonical []byte) (*Event, error) {
	var s Summary
	if err := Scan(canonical, &s); err != nil {
		return nil, err
	}
	e := &Event{Level: s.Level, Category: s.Category, Success: s.Success, Log: bytes.Clone(s.Log)}
	d := decoder{scanner{b: canonical}}
	if err := d.object(func(key []byte) error { return d.member(e, string(key)) }); err != nil {
		return nil, fmt.Errorf("malformed event: %w", err)
	}
	return e, nil
}

// decoder decodes what a scanner has found to be canonical JSON.
type decoder struct{ scanner }

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
		e.ObservedTimestamp, err = d.setTime()
	case "event_name":
		e.EventName, err = d.setString()
	case "severity_text":
		e.SeverityText, err = d.setString()
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
		e.Body, err = d.decode(0)
		if err == nil && e.Body == nil {
			err = d.fail("an empty body is left out")
		}
	case "metadata":
		e.Metadata, err = d.mapping()
	case "resource":
		err = d.resource(&e.Resource)
	case "scope":
		err = d.scope(&e.Scope)
	case "mapped_from":
		e.MappedFrom = make(map[string]string)
		err = d.filled(func(key []byte) error {
			name := string(key)
			var err error
			e.MappedFrom[name], err = d.plainText()
			return err
		})
	default:
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

func (d *decoder) setTime() (uint64, error) {
	ns, err := d.time()
	if err == nil && ns == 0 {
		err = d.fail("a time that is not set is left out")
	}
	return ns, err
}

// stringValue reads a string, tagged or not.
func (d *decoder) stringValue() (string, error) {
	v, err := d.decode(0)
	if err != nil {
		return "", err
	}
	s, ok := v.(string)
	if !ok {
		return "", d.fail("a string expected")
	}
	return s, nil
}

func (d *decoder) setString() (string, error) {
	s, err := d.stringValue()
	if err == nil && s == "" {
		err = d.fail("an empty string is left out")
	}
	return s, err
}

func (d *decoder) integer(low, high int64) (int64, error) {
	text, err := d.number()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || n < low || n > high {
		return 0, d.fail("an integer out of range")
	}
	if n == 0 {
		return 0, d.fail("a zero is left out")
	}
	return n, nil
}

func (d *decoder) count() (uint32, error) {
	n, err := d.integer(1, math.MaxUint32)
	return uint32(n), err
}

func (d *decoder) id(dst []byte) error {
	raw, _, err := d.text()
	if err != nil {
		return err
	}
	if len(raw) != 2*len(dst) || bytes.ContainsAny(raw, "ABCDEF") {
		return d.fail(fmt.Sprintf("an id of %d lower-case hex digits expected", 2*len(dst)))
	}
	if _, err := hex.Decode(dst, raw); err != nil {
		return d.fail("an id that is not hex")
	}
	if len(bytes.Trim(dst, "\x00")) == 0 {
		return d.fail("an id of zeros is left out")
	}
	return nil
}

func (d *decoder) mapping() (Map, error) {
	v, err := d.decode(0)
	if err != nil {
		return nil, err
	}
	m, ok := v.(Map)
	if !ok {
		return nil, d.fail("a map expected")
	}
	return m, nil
}

// filled reads an object that is left out if it is empty.
func (d *decoder) filled(member func(key []byte) error) error {
	n := 0
	err := d.object(func(key []byte) error { n++; return member(key) })
	if err == nil && n == 0 {
		err = d.fail("an empty object is left out")
	}
	return err
}

func (d *decoder) setMapping() (Map, error) {
	m, err := d.mapping()
	if err == nil && len(m) == 0 {
		err = d.fail("an empty map is left out")
	}
	return m, err
}

var errMember = errors.New("unknown member")

func (d *decoder) resource(r *Resource) error {
	return d.filled(func(key []byte) (err error) {
		switch string(key) {
		case "attributes":
			r.Attributes, err = d.setMapping()
		case "dropped_attributes_count":
			r.DroppedAttributesCount, err = d.count()
		case "entity_refs":
			err = d.array(func() error { return d.entityRef(r) })
			if err == nil && len(r.EntityRefs) == 0 {
				err = d.fail("an empty array is left out")
			}
		case "schema_url":
			r.SchemaURL, err = d.setString()
		default:
			err = d.fail(errMember.Error())
		}
		return err
	})
}

func (d *decoder) entityRef(r *Resource) error {
	var ref EntityRef
	err := d.object(func(key []byte) (err error) {
		switch string(key) {
		case "description_keys":
			ref.DescriptionKeys, err = d.strings()
		case "id_keys":
			ref.IDKeys, err = d.strings()
		case "schema_url":
			ref.SchemaURL, err = d.setString()
		case "type":
			ref.Type, err = d.setString()
		default:
			err = d.fail(errMember.Error())
		}
		return err
	})
	r.EntityRefs = append(r.EntityRefs, ref)
	return err
}

func (d *decoder) strings() (all []string, err error) {
	err = d.array(func() error {
		s, err := d.stringValue()
		all = append(all, s)
		return err
	})
	if err == nil && len(all) == 0 {
		err = d.fail("an empty array is left out")
	}
	return all, err
}

func (d *decoder) scope(s *Scope) error {
	return d.filled(func(key []byte) (err error) {
		switch string(key) {
		case "attributes":
			s.Attributes, err = d.setMapping()
		case "dropped_attributes_count":
			s.DroppedAttributesCount, err = d.count()
		case "name":
			s.Name, err = d.setString()
		case "schema_url":
			s.SchemaURL, err = d.setString()
		case "version":
			s.Version, err = d.setString()
		default:
			err = d.fail(errMember.Error())
		}
		return err
	})
}
