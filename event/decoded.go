// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

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
	// Replaced is what is kept of the event that this one stands for; nil of all others.
	Replaced *Replaced
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

// text returns a member that the mapping feeds, as a string.
func (e *Event) text(m member) string {
	switch m {
	case mAgentID:
		return e.AgentID
	case mCategory:
		return string(e.Category)
	case mErrorMessage:
		return e.ErrorMessage
	case mEventID:
		return e.EventID
	case mLevel:
		return string(e.Level)
	case mOperation:
		return e.Operation
	case mResourceID:
		return e.ResourceID
	case mResourceType:
		return e.ResourceType
	case mSessionID:
		return e.SessionID
	case mSourceIP:
		return e.SourceIP
	case mSuccess:
		return e.Success.word()
	case mUserAgent:
		return e.UserAgent
	default:
		return e.UserID
	}
}
