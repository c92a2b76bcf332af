// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package emit

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// Event is an audit event. Name has to be set; what else is empty is not sent, but
// for what is said at each field.
type Event struct {
	// ID identifies the event for good: the same for each attempt to send it. If it is
	// empty, Emit makes a new one. It has to be UTF-8.
	ID string
	// Name says what kind of event this is, in words with dots between them, from
	// the general to the particular: user.login.
	Name string
	// Time is when it happened, between 1970 and 2262; if it is zero, now.
	Time time.Time
	// Level is how grave it is. If it is empty, it is LevelSecurity for failures in
	// CategoryAuthentication and CategoryAuthorization, and LevelInfo in other categories;
	// if there is no Category either, whoever reads the event concludes both.
	Level Level
	// Category is what it belongs to. If it is empty, whoever reads the event
	// concludes it from the name.
	Category Category
	// Action is what was done, a verb; if it is empty, the name stands for it.
	Action Action
	// Outcome is whether it succeeded.
	Outcome Outcome
	// Actor is who did it.
	Actor Actor
	// Target is what it was done to.
	Target Target
	// Source is where it was done from: an IP address or a host's name.
	Source string
	// Session is the id of the session it was done in.
	Session string
	// AgentID and AgentName are of the AI agent that acted on behalf of the actor, or
	// that the event is about.
	AgentID, AgentName string
	// UserAgent is what the client said it is.
	UserAgent string
	// Error is why it failed.
	Error string
	// Message is for people to read.
	Message string
	// Attributes are anything else. A key must not be one that the fields above are
	// sent under, nor occur twice. Those that readers know tell them what the fields leave
	// open: error.type, for one, that an event without an Outcome failed. So let no
	// stranger choose keys.
	Attributes []attribute.KeyValue
}

// Actor is who did something.
type Actor struct {
	Type ActorType
	// ID is the actor's id; if it is empty, it is sent as "unknown".
	ID string
}

// User is a person.
func User(id string) Actor { return Actor{ActorUser, id} }

// Service is a program that acts of its own accord.
func Service(id string) Actor { return Actor{ActorService, id} }

// System is the operating system or a privileged part of it.
func System(id string) Actor { return Actor{ActorSystem, id} }

// Anonymous is a person whom nobody knows.
func Anonymous() Actor { return Actor{ActorUser, "anonymous"} }

// Target is what something was done to.
type Target struct {
	// Type is of what kind it is: file, db_collection, role and so on.
	Type string
	// ID names it among those of its type; if it is empty and Type is not, it is sent
	// as "unknown".
	ID string
}

// File is the file at a path.
func File(path string) Target { return Target{"file", path} }

// ActorType is what kind of actor there is.
type ActorType string

// The types of actors, as the draft Audit Logging signal has them.
const (
	ActorUser    ActorType = "user"
	ActorService ActorType = "service"
	ActorSystem  ActorType = "system"
)

// Outcome is whether what the event tells of succeeded.
type Outcome string

// The outcomes, as the draft Audit Logging signal has them. The zero value is sent as
// Unknown.
const (
	Success Outcome = "success"
	Failure Outcome = "failure"
	Unknown Outcome = "unknown"
)

// SuccessIf is Success if err is nil, and Failure otherwise.
func SuccessIf(err error) Outcome {
	if err == nil {
		return Success
	}
	return Failure
}

// Action is what was done: a verb, in capitals so that none takes it for an event's
// name.
type Action string

// Actions that methods of Emitter take or send. Any other will do, too.
const (
	Authenticate Action = "AUTHENTICATE"
	Login        Action = "LOGIN"
	Logout       Action = "LOGOUT"
	Create       Action = "CREATE"
	Read         Action = "READ"
	Write        Action = "WRITE"
	Update       Action = "UPDATE"
	Rename       Action = "RENAME"
	Delete       Action = "DELETE"
	Execute      Action = "EXECUTE"
	Export       Action = "EXPORT"
	Import       Action = "IMPORT"
	Grant        Action = "GRANT"
	Revoke       Action = "REVOKE"
	Sign         Action = "SIGN"
	Verify       Action = "VERIFY"
	Encrypt      Action = "ENCRYPT"
	Decrypt      Action = "DECRYPT"
)

// Level is how grave an event is.
type Level string

// The levels of an audit event, in the order of the model.
const (
	LevelDebug    Level = "debug"
	LevelInfo     Level = "info"
	LevelWarning  Level = "warning"
	LevelSecurity Level = "security"
	LevelError    Level = "error"
	LevelCritical Level = "critical"
)

// Category is what part of a system's life an event belongs to.
type Category string

// The categories of an audit event.
const (
	CategoryAgentLifecycle    Category = "agent_lifecycle"
	CategorySessionManagement Category = "session_management"
	CategoryAuthentication    Category = "authentication"
	CategoryAuthorization     Category = "authorization"
	CategoryCryptographic     Category = "cryptographic"
	CategoryFileSystem        Category = "file_system"
	CategoryCommunication     Category = "communication"
	CategorySystemHealth      Category = "system_health"
	CategoryErrorHandling     Category = "error_handling"
	CategoryPerformance       Category = "performance"
)
