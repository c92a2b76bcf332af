// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"crypto/sha256"

	"github.com/otel-auditlog/auditlogexporter/internal/member"
)

// Event is an audit event: who did what to what, when, from where and with what
// outcome, and all else of the log record it was mapped from. Times are nanoseconds since the Unix epoch, 0 if not
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
	Body                   any // as the values of a Map
	TraceID                [16]byte
	SpanID                 [8]byte
	Flags                  uint32
	DroppedAttributesCount uint32
	Resource               Resource
	Scope                  Scope

	// MappedFrom names, for members, the attributes they were taken from; and for
	// "timestamp", if the record bore no time, "observed_timestamp" or "clock".
	MappedFrom map[string]string
	// Replaced is what is kept of the event that this one stands for, in canonical JSON
	// (docs/format.md, section 6.8); nil of all others.
	Replaced []byte
	// Log is what the log says of itself, in canonical JSON, in events of its own.
	Log []byte
	// Ingress is what came of checking the producer's proof, in canonical JSON, if it was
	// checked.
	Ingress []byte
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
// value is nil, bool, int64, float64, string, []byte, []any, Map or Withheld.
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

// text returns a member that a mapping feeds, as a string, and "" for any other.
func (e *Event) text(m member.Member) string {
	switch m {
	case member.AgentID:
		return e.AgentID
	case member.Category:
		return string(e.Category)
	case member.ErrorMessage:
		return e.ErrorMessage
	case member.EventID:
		return e.EventID
	case member.Level:
		return string(e.Level)
	case member.Operation:
		return e.Operation
	case member.ResourceID:
		return e.ResourceID
	case member.ResourceType:
		return e.ResourceType
	case member.SessionID:
		return e.SessionID
	case member.SourceIP:
		return e.SourceIP
	case member.Success:
		return member.Outcome(e.Success).Word()
	case member.UserAgent:
		return e.UserAgent
	case member.UserID:
		return e.UserID
	default:
		return ""
	}
}

// Withheld stands for a value that is not in the event itself but in a file next to the log,
// which may be deleted: a commitment to it, the SHA-256 of a salt and the value (docs/format.md,
// section 6.7).
type Withheld [sha256.Size]byte
