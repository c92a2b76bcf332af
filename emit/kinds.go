// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package emit

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// Detail adds to an event of one of the kinds below. Any function that changes an
// event is one; nil adds nothing.
type Detail func(*Event)

// From says where it was done from: an IP address or a host's name, without a port.
func From(source string) Detail { return func(ev *Event) { ev.Source = source } }

// UserAgent is what the client said it is.
func UserAgent(name string) Detail { return func(ev *Event) { ev.UserAgent = name } }

// Session is the session it was done in.
func Session(id string) Detail { return func(ev *Event) { ev.Session = id } }

// ByAgent is the AI agent that acted on behalf of the actor.
func ByAgent(id, name string) Detail {
	return func(ev *Event) { ev.AgentID, ev.AgentName = id, name }
}

// Because is why it failed; nothing if err is nil.
func Because(err error) Detail {
	return func(ev *Event) {
		if err != nil {
			ev.Error = err.Error()
		}
	}
}

// Message is for people to read.
func Message(text string) Detail { return func(ev *Event) { ev.Message = text } }

// With adds attributes.
func With(attributes ...attribute.KeyValue) Detail {
	return func(ev *Event) { ev.Attributes = append(ev.Attributes, attributes...) }
}

// At is when it happened, if not now. Take it before the first attempt, if the event may be
// sent again.
func At(t time.Time) Detail { return func(ev *Event) { ev.Time = t } }

// WithID is the event's id, of an event that is sent again: with the same [At], or the log
// takes it for another event that has this id.
func WithID(id string) Detail { return func(ev *Event) { ev.ID = id } }

func (e *Emitter) emit(ctx context.Context, ev Event, details []Detail) (id string, err error) {
	for _, d := range details {
		if d != nil {
			d(&ev)
		}
	}
	return e.Emit(ctx, ev)
}

// AgentCreated tells that by made an agent, which is the target: agent.created, in
// CategoryAgentLifecycle. name may be empty.
func (e *Emitter) AgentCreated(ctx context.Context, by Actor, agentID, name string, outcome Outcome, details ...Detail) (id string, err error) {
	return e.emit(ctx, Event{
		Name:      "agent.created",
		Category:  CategoryAgentLifecycle,
		Action:    Create,
		Outcome:   outcome,
		Actor:     by,
		Target:    Target{"agent", agentID},
		AgentID:   agentID,
		AgentName: name,
	}, details)
}

// AuthenticationAttempt tells that somebody tried to prove that he is the actor:
// authentication.attempt, in CategoryAuthentication; a failure is at LevelSecurity.
func (e *Emitter) AuthenticationAttempt(ctx context.Context, as Actor, outcome Outcome, details ...Detail) (id string, err error) {
	return e.emit(ctx, account("authentication.attempt", Authenticate, as, outcome), details)
}

// Login tells that the actor logged in, or failed to: user.login, in
// CategoryAuthentication; a failure is at LevelSecurity.
func (e *Emitter) Login(ctx context.Context, who Actor, outcome Outcome, details ...Detail) (id string, err error) {
	return e.emit(ctx, account("user.login", Login, who, outcome), details)
}

// Logout tells that the actor logged out: user.logout, in CategoryAuthentication.
func (e *Emitter) Logout(ctx context.Context, who Actor, outcome Outcome, details ...Detail) (id string, err error) {
	return e.emit(ctx, account("user.logout", Logout, who, outcome), details)
}

// account is an event about the actor's own account.
func account(name string, action Action, who Actor, outcome Outcome) Event {
	return Event{
		Name:     name,
		Category: CategoryAuthentication,
		Action:   action,
		Outcome:  outcome,
		Actor:    who,
		Target:   Target{string(who.Type), who.ID},
	}
}

// SecurityViolation tells that the actor tried what the rule forbids and was stopped:
// security.violation, in CategoryAuthorization, at LevelCritical, with Failure.
func (e *Emitter) SecurityViolation(ctx context.Context, who Actor, tried Action, target Target, rule string, details ...Detail) (id string, err error) {
	return e.emit(ctx, Event{
		Name:       "security.violation",
		Level:      LevelCritical,
		Category:   CategoryAuthorization,
		Action:     tried,
		Outcome:    Failure,
		Actor:      who,
		Target:     target,
		Attributes: named("security_rule.name", rule),
	}, details)
}

// FileAccess tells that the actor accessed the file at path, or failed to:
// file.access, in CategoryFileSystem.
func (e *Emitter) FileAccess(ctx context.Context, who Actor, did Action, path string, outcome Outcome, details ...Detail) (id string, err error) {
	return e.emit(ctx, Event{
		Name:     "file.access",
		Category: CategoryFileSystem,
		Action:   did,
		Outcome:  outcome,
		Actor:    who,
		Target:   File(path),
	}, details)
}

// DataAccess tells that the actor accessed data, such as the Target
// {"db_collection", "customers"}, or failed to: data.access, in CategoryAuthorization;
// a failure is at LevelSecurity.
func (e *Emitter) DataAccess(ctx context.Context, who Actor, did Action, target Target, outcome Outcome, details ...Detail) (id string, err error) {
	return e.emit(ctx, Event{
		Name:     "data.access",
		Category: CategoryAuthorization,
		Action:   did,
		Outcome:  outcome,
		Actor:    who,
		Target:   target,
	}, details)
}

// PermissionChange tells that the actor granted a permission or a role to the target,
// or revoked it, or failed to: permission.change, in CategoryAuthorization; a failure is
// at LevelSecurity.
func (e *Emitter) PermissionChange(ctx context.Context, who Actor, did Action, permission string, target Target, outcome Outcome, details ...Detail) (id string, err error) {
	return e.emit(ctx, Event{
		Name:       "permission.change",
		Category:   CategoryAuthorization,
		Action:     did,
		Outcome:    outcome,
		Actor:      who,
		Target:     target,
		Attributes: named("permission.name", permission),
	}, details)
}

// ConfigurationChange tells that the actor changed a setting, or failed to:
// configuration.change, in CategorySystemHealth. Values belong in it only if none is a
// secret; add them by [With].
func (e *Emitter) ConfigurationChange(ctx context.Context, who Actor, setting string, outcome Outcome, details ...Detail) (id string, err error) {
	return e.emit(ctx, Event{
		Name:     "configuration.change",
		Category: CategorySystemHealth,
		Action:   Update,
		Outcome:  outcome,
		Actor:    who,
		Target:   Target{"configuration", setting},
	}, details)
}

// KeyUse tells that the actor used a cryptographic key, or failed to: key.use, in
// CategoryCryptographic. keyID names the key; it is not the key.
func (e *Emitter) KeyUse(ctx context.Context, who Actor, did Action, keyID string, outcome Outcome, details ...Detail) (id string, err error) {
	return e.emit(ctx, Event{
		Name:     "key.use",
		Category: CategoryCryptographic,
		Action:   did,
		Outcome:  outcome,
		Actor:    who,
		Target:   Target{"key", keyID},
	}, details)
}

// named is an attribute, unless its value is empty.
func named(key, value string) []attribute.KeyValue {
	if value == "" {
		return nil
	}
	return []attribute.KeyValue{attribute.String(key, value)}
}
