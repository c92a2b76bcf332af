// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"

	"github.com/otel-auditlog/auditlogexporter/emit"
	"github.com/otel-auditlog/auditlogexporter/event"
)

// Every kind of event comes out of the default mapping with the members that its
// documentation says, and no attribute that feeds a member is kept twice.
func TestKinds(t *testing.T) {
	alice := emit.User("alice")
	for name, c := range map[string]struct {
		emit func(context.Context, *emit.Emitter) (string, error)
		want event.Event
	}{
		"agent created": {
			func(ctx context.Context, e *emit.Emitter) (string, error) {
				return e.AgentCreated(ctx, alice, "agent-7", "helper", emit.Success)
			},
			event.Event{EventName: "agent.created", Category: event.CategoryAgentLifecycle, Level: event.LevelInfo, Operation: "CREATE", ResourceType: "agent", ResourceID: "agent-7",
				Success: event.OutcomeSuccess, UserID: "alice", AgentID: "agent-7",
				Metadata: event.Map{{Key: "audit.actor.type", Value: "user"}, {Key: "gen_ai.agent.name", Value: "helper"}}},
		},
		"authentication succeeds": {
			func(ctx context.Context, e *emit.Emitter) (string, error) {
				return e.AuthenticationAttempt(ctx, alice, emit.Success, emit.Session("s-1"), emit.UserAgent("curl/8"))
			},
			event.Event{EventName: "authentication.attempt", Category: event.CategoryAuthentication, Level: event.LevelInfo, Operation: "AUTHENTICATE", ResourceType: "user", ResourceID: "alice",
				Success: event.OutcomeSuccess, UserID: "alice", SessionID: "s-1", UserAgent: "curl/8",
				Metadata: event.Map{{Key: "audit.actor.type", Value: "user"}}},
		},
		"authentication fails": {
			func(ctx context.Context, e *emit.Emitter) (string, error) {
				return e.AuthenticationAttempt(ctx, emit.Service("backup"), emit.Failure, emit.From("203.0.113.7"), emit.Because(errors.New("wrong password")))
			},
			event.Event{EventName: "authentication.attempt", Category: event.CategoryAuthentication, Level: event.LevelSecurity, Operation: "AUTHENTICATE", ResourceType: "service", ResourceID: "backup",
				Success: event.OutcomeFailure, AgentID: "backup", SourceIP: "203.0.113.7", ErrorMessage: "wrong password",
				Metadata: event.Map{{Key: "audit.actor.type", Value: "service"}, {Key: "audit.source.type", Value: "ipv4"}}},
		},
		"login by nobody known": {
			func(ctx context.Context, e *emit.Emitter) (string, error) {
				return e.Login(ctx, emit.User("unknown"), emit.Failure, emit.From("client.example"))
			},
			event.Event{EventName: "user.login", Category: event.CategoryAuthentication, Level: event.LevelSecurity, Operation: "LOGIN", ResourceType: "user", ResourceID: "unknown",
				Success: event.OutcomeFailure, UserID: "unknown",
				Metadata: event.Map{{Key: "audit.actor.type", Value: "user"}, {Key: "audit.source.id", Value: "client.example"}, {Key: "audit.source.type", Value: "hostname"}}},
		},
		"logout": {
			func(ctx context.Context, e *emit.Emitter) (string, error) {
				return e.Logout(ctx, alice, "", emit.From("2001:db8::7"))
			},
			event.Event{EventName: "user.logout", Category: event.CategoryAuthentication, Level: event.LevelInfo, Operation: "LOGOUT", ResourceType: "user", ResourceID: "alice",
				Success: event.OutcomeUnknown, UserID: "alice", SourceIP: "2001:db8::7",
				Metadata: event.Map{{Key: "audit.actor.type", Value: "user"}, {Key: "audit.source.type", Value: "ipv6"}}},
		},
		"security violation": {
			func(ctx context.Context, e *emit.Emitter) (string, error) {
				return e.SecurityViolation(ctx, alice, emit.Delete, emit.Target{Type: "db_collection", ID: "customers"}, "no-deletion", emit.ByAgent("agent-7", ""))
			},
			event.Event{EventName: "security.violation", Category: event.CategoryAuthorization, Level: event.LevelCritical, Operation: "DELETE", ResourceType: "db_collection", ResourceID: "customers",
				Success: event.OutcomeFailure, UserID: "alice", AgentID: "agent-7",
				Metadata: event.Map{{Key: "audit.actor.type", Value: "user"}, {Key: "security_rule.name", Value: "no-deletion"}}},
		},
		"file access": {
			func(ctx context.Context, e *emit.Emitter) (string, error) {
				return e.FileAccess(ctx, emit.System("init"), emit.Read, "/etc/shadow", emit.SuccessIf(nil), emit.With(attribute.Int("file.size", 1024)))
			},
			event.Event{EventName: "file.access", Category: event.CategoryFileSystem, Level: event.LevelInfo, Operation: "READ", ResourceType: "file", ResourceID: "/etc/shadow",
				Success: event.OutcomeSuccess, AgentID: "init",
				Metadata: event.Map{{Key: "audit.actor.type", Value: "system"}, {Key: "file.size", Value: int64(1024)}}},
		},
		"data access": {
			func(ctx context.Context, e *emit.Emitter) (string, error) {
				return e.DataAccess(ctx, emit.Anonymous(), emit.Export, emit.Target{Type: "db_collection", ID: "customers"}, emit.SuccessIf(errors.New("no")))
			},
			event.Event{EventName: "data.access", Category: event.CategoryAuthorization, Level: event.LevelSecurity, Operation: "EXPORT", ResourceType: "db_collection", ResourceID: "customers",
				Success: event.OutcomeFailure, UserID: "anonymous",
				Metadata: event.Map{{Key: "audit.actor.type", Value: "user"}}},
		},
		"permission change": {
			func(ctx context.Context, e *emit.Emitter) (string, error) {
				return e.PermissionChange(ctx, alice, emit.Grant, "admin", emit.Target{Type: "user", ID: "bob"}, emit.Success)
			},
			event.Event{EventName: "permission.change", Category: event.CategoryAuthorization, Level: event.LevelInfo, Operation: "GRANT", ResourceType: "user", ResourceID: "bob",
				Success: event.OutcomeSuccess, UserID: "alice",
				Metadata: event.Map{{Key: "audit.actor.type", Value: "user"}, {Key: "permission.name", Value: "admin"}}},
		},
		"configuration change": {
			func(ctx context.Context, e *emit.Emitter) (string, error) {
				return e.ConfigurationChange(ctx, alice, "tls.min_version", emit.Success, emit.Message("raised to 1.3"))
			},
			event.Event{EventName: "configuration.change", Category: event.CategorySystemHealth, Level: event.LevelInfo, Operation: "UPDATE", ResourceType: "configuration", ResourceID: "tls.min_version",
				Success: event.OutcomeSuccess, UserID: "alice", Body: "raised to 1.3",
				Metadata: event.Map{{Key: "audit.actor.type", Value: "user"}}},
		},
		"key use": {
			func(ctx context.Context, e *emit.Emitter) (string, error) {
				return e.KeyUse(ctx, emit.Service("signer"), emit.Sign, "kms/7", emit.Success)
			},
			event.Event{EventName: "key.use", Category: event.CategoryCryptographic, Level: event.LevelInfo, Operation: "SIGN", ResourceType: "key", ResourceID: "kms/7",
				Success: event.OutcomeSuccess, AgentID: "signer",
				Metadata: event.Map{{Key: "audit.actor.type", Value: "service"}}},
		},
		"any event": {
			func(ctx context.Context, e *emit.Emitter) (string, error) {
				return e.Emit(ctx, emit.Event{Name: "payment.refund", Level: emit.LevelWarning, Category: emit.CategoryCommunication, Target: emit.Target{ID: "o-1"}})
			},
			event.Event{EventName: "payment.refund", Category: event.CategoryCommunication, Level: event.LevelWarning, Operation: "payment.refund", ResourceType: "unknown", ResourceID: "o-1",
				Metadata: event.Map{{Key: "audit.actor.id", Value: "unknown"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, m := newEmitter(t)
			before := time.Now()
			id, err := c.emit(t.Context(), e)
			require.NoError(t, err)
			got := m.mapped(t)
			if id == "" || got.EventID != id {
				t.Errorf("event_id %q, returned %q", got.EventID, id)
			}
			at := time.Unix(0, int64(got.Timestamp))
			assert.False(t, at.Before(before), "timestamp %v", at)
			assert.False(t, at.After(time.Now()), "timestamp %v", at)
			byKey := func(m event.Map) event.Map {
				slices.SortFunc(m, func(a, b event.KeyValue) int { return strings.Compare(a.Key, b.Key) })
				return m
			}
			for _, one := range []struct {
				member    string
				got, want any
			}{
				{"event_name", got.EventName, c.want.EventName},
				{"category", got.Category, c.want.Category},
				{"level", got.Level, c.want.Level},
				{"operation", got.Operation, c.want.Operation},
				{"resource_type", got.ResourceType, c.want.ResourceType},
				{"resource_id", got.ResourceID, c.want.ResourceID},
				{"success", got.Success, c.want.Success},
				{"user_id", got.UserID, c.want.UserID},
				{"agent_id", got.AgentID, c.want.AgentID},
				{"session_id", got.SessionID, c.want.SessionID},
				{"source_ip", got.SourceIP, c.want.SourceIP},
				{"user_agent", got.UserAgent, c.want.UserAgent},
				{"error_message", got.ErrorMessage, c.want.ErrorMessage},
				{"body", got.Body, c.want.Body},
			} {
				if one.got != one.want {
					t.Errorf("%s: %v, want %v", one.member, one.got, one.want)
				}
			}
			assert.True(t, slices.Equal(byKey(got.Metadata), byKey(c.want.Metadata)), "metadata: %v, want %v", got.Metadata, c.want.Metadata)
		})
	}
}

// What is left open is concluded as from any record: a failed login is of
// LevelSecurity, whoever says so.
func TestLevelThatIsLeftOpen(t *testing.T) {
	for name, one := range map[string]struct {
		ev       emit.Event
		level    event.Level
		category event.Category
	}{
		"a failed login":                 {emit.Event{Name: "user.login", Outcome: emit.Failure}, event.LevelSecurity, event.CategoryAuthentication},
		"a login":                        {emit.Event{Name: "user.login", Outcome: emit.Success}, event.LevelInfo, event.CategoryAuthentication},
		"a failure of another kind":      {emit.Event{Name: "file.access", Outcome: emit.Failure}, event.LevelInfo, event.CategoryFileSystem},
		"a failed login of its category": {emit.Event{Name: "x", Category: emit.CategoryAuthentication, Outcome: emit.Failure}, event.LevelSecurity, event.CategoryAuthentication},
		"a failed login with a level":    {emit.Event{Name: "user.login", Level: emit.LevelDebug, Outcome: emit.Failure}, event.LevelDebug, event.CategoryAuthentication},
	} {
		e, m := newEmitter(t)
		one.ev.Target = emit.File("f")
		_, err := e.Emit(t.Context(), one.ev)
		require.NoError(t, err)
		if got := m.mapped(t); got.Level != one.level || got.Category != one.category {
			t.Errorf("%s: %s, %s", name, got.Level, got.Category)
		}
	}
}

// The words of emit, which does not import package event, are that package's.
func TestWords(t *testing.T) {
	for _, level := range event.Levels() {
		e, m := newEmitter(t)
		_, err := e.Emit(t.Context(), emit.Event{Name: "x", Target: emit.File("f"), Level: emit.Level(level)})
		require.NoError(t, err)
		assert.Equal(t, level, m.mapped(t).Level, "level")
	}
	var all []emit.Category
	for _, category := range event.Categories() {
		all = append(all, emit.Category(category))
	}
	assert.Equal(t, []emit.Category{
		emit.CategoryAgentLifecycle, emit.CategorySessionManagement, emit.CategoryAuthentication, emit.CategoryAuthorization, emit.CategoryCryptographic,
		emit.CategoryFileSystem, emit.CategoryCommunication, emit.CategorySystemHealth, emit.CategoryErrorHandling, emit.CategoryPerformance,
	}, all, "categories")
}
