// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package member has the members of an event: their names and order in canonical JSON, which
// of them every event has, and which attributes those that a mapping feeds are from
// (docs/format.md, section 6). It is the one list of them, for those who write events and
// those who read them.
package member

// Member is a member of an event, by its place in canonical order; [None] is before the first.
type Member uint8

// The members in canonical order.
const (
	None Member = iota
	AgentID
	Body
	Category
	DroppedAttributesCount
	ErrorMessage
	EventID
	EventName
	Flags
	Ingress
	Level
	Log
	MappedFrom
	Metadata
	ObservedTimestamp
	Operation
	Replaced
	Resource
	ResourceID
	ResourceType
	Scope
	SessionID
	SeverityNumber
	SeverityText
	SourceIP
	SpanID
	Success
	Timestamp
	TraceID
	UserAgent
	UserID
	// End is one more than the last.
	End
)

// Everywhere are the members that every event has, one bit each.
const Everywhere = 1<<Category | 1<<EventID | 1<<Level | 1<<Metadata | 1<<Operation |
	1<<ResourceID | 1<<ResourceType | 1<<Success | 1<<Timestamp

// keys are the names of the members with what stands around them.
var keys = [End]string{
	AgentID:                `"agent_id":`,
	Body:                   `"body":`,
	Category:               `"category":`,
	DroppedAttributesCount: `"dropped_attributes_count":`,
	ErrorMessage:           `"error_message":`,
	EventID:                `"event_id":`,
	EventName:              `"event_name":`,
	Flags:                  `"flags":`,
	Ingress:                `"ingress":`,
	Level:                  `"level":`,
	Log:                    `"log":`,
	MappedFrom:             `"mapped_from":`,
	Metadata:               `"metadata":`,
	ObservedTimestamp:      `"observed_timestamp":`,
	Operation:              `"operation":`,
	Replaced:               `"replaced":`,
	Resource:               `"resource":`,
	ResourceID:             `"resource_id":`,
	ResourceType:           `"resource_type":`,
	Scope:                  `"scope":`,
	SessionID:              `"session_id":`,
	SeverityNumber:         `"severity_number":`,
	SeverityText:           `"severity_text":`,
	SourceIP:               `"source_ip":`,
	SpanID:                 `"span_id":`,
	Success:                `"success":`,
	Timestamp:              `"timestamp":`,
	TraceID:                `"trace_id":`,
	UserAgent:              `"user_agent":`,
	UserID:                 `"user_id":`,
}

// Of returns the member of a name, or [None] if events have none of that name.
func Of[S string | []byte](name S) Member {
	switch string(name) {
	case "agent_id":
		return AgentID
	case "body":
		return Body
	case "category":
		return Category
	case "dropped_attributes_count":
		return DroppedAttributesCount
	case "error_message":
		return ErrorMessage
	case "event_id":
		return EventID
	case "event_name":
		return EventName
	case "flags":
		return Flags
	case "ingress":
		return Ingress
	case "level":
		return Level
	case "log":
		return Log
	case "mapped_from":
		return MappedFrom
	case "metadata":
		return Metadata
	case "observed_timestamp":
		return ObservedTimestamp
	case "operation":
		return Operation
	case "replaced":
		return Replaced
	case "resource":
		return Resource
	case "resource_id":
		return ResourceID
	case "resource_type":
		return ResourceType
	case "scope":
		return Scope
	case "session_id":
		return SessionID
	case "severity_number":
		return SeverityNumber
	case "severity_text":
		return SeverityText
	case "source_ip":
		return SourceIP
	case "span_id":
		return SpanID
	case "success":
		return Success
	case "timestamp":
		return Timestamp
	case "trace_id":
		return TraceID
	case "user_agent":
		return UserAgent
	case "user_id":
		return UserID
	default:
		return None
	}
}

// Key returns the name in quotes, and the colon.
func (m Member) Key() string { return keys[m] }

// Quoted returns the name in quotes.
func (m Member) Quoted() string { return keys[m][:len(keys[m])-1] }

// String returns the name, which [None] has not.
func (m Member) String() string {
	if m == None {
		return ""
	}
	return keys[m][1 : len(keys[m])-2]
}
