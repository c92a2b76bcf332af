// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/eventtest"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
)

func mapOne(t testing.TB, m mapping.Config, logs plog.Logs) *event.Event {
	t.Helper()
	enc, err := mapping.NewEncoder(m)
	require.NoError(t, err)
	b := eventtest.Encode(t, enc, logs)
	e, err := event.Parse(b)
	require.NoError(t, err)
	again, err := mapping.Logs(e)
	require.NoError(t, err)
	assert.Equal(t, eventtest.Dump(again), eventtest.Dump(logs), "the record does not come back:\n")
	return e
}

// The table of the members and the attributes they are taken from.
func TestDefaultMapping(t *testing.T) {
	type attrs = map[string]any
	for _, tt := range []struct {
		name      string
		eventName string
		in        attrs
		// want lists members as "member=value", and "metadata.KEY" or "-metadata.KEY" for
		// attributes that stay or do not stay in the metadata.
		want string
	}{
		{"nothing", "", attrs{}, "operation=log resource_type=service resource_id=billing success=null level=info category=system_health"},
		{"id", "", attrs{"audit.record.id": "r1", "log.record.uid": "u1"}, "event_id=r1 -metadata.audit.record.id metadata.log.record.uid"},
		{"second id", "", attrs{"log.record.uid": "u1"}, "event_id=u1 -metadata.log.record.uid"},
		{"an id that is a number", "", attrs{"audit.record.id": 42}, "event_id=42 metadata.audit.record.id"},
		{"an empty id counts as none", "", attrs{"audit.record.id": "", "log.record.uid": "u1"}, "event_id=u1 metadata.audit.record.id"},
		{"level", "", attrs{"audit.level": "security"}, "level=security -metadata.audit.level"},
		{"level in capitals", "", attrs{"audit.level": "CRITICAL"}, "level=critical metadata.audit.level"},
		{"level by another word", "", attrs{"audit.level": "warn"}, "level=warning metadata.audit.level"},
		{"unknown level", "", attrs{"audit.level": "purple"}, "level=info metadata.audit.level"},
		{"category", "", attrs{"audit.category": "cryptographic"}, "category=cryptographic -metadata.audit.category"},
		{"category in capitals", "", attrs{"audit.category": "Cryptographic"}, "category=cryptographic metadata.audit.category"},
		{"category by event name", "file.read", attrs{}, "category=file_system operation=file.read"},
		{"category by whole words only", "filelog.x", attrs{}, "category=system_health"},
		{"category by the longest prefix", "user.session.start", attrs{}, "category=session_management"},
		{"category by deprecated event.name", "", attrs{"event.name": "login.failed"}, "category=authentication operation=login.failed -metadata.event.name"},
		{"operation", "file.read", attrs{"audit.action": "read"}, "operation=read category=file_system -metadata.audit.action"},
		{"second operation", "", attrs{"audit.operation": "read"}, "operation=read"},
		{"target", "", attrs{"audit.target.type": "invoice", "audit.target.id": "i-1"}, "resource_type=invoice resource_id=i-1 -metadata.audit.target.type -metadata.audit.target.id"},
		{"half a target", "", attrs{"audit.target.id": "i-1"}, "resource_type=unknown resource_id=i-1"},
		{"the other half", "", attrs{"audit.target.type": "invoice"}, "resource_type=invoice resource_id=unknown"},
		{"resource", "", attrs{"audit.resource.type": "invoice", "audit.resource.id": "i-1"}, "resource_type=invoice resource_id=i-1"},
		{"target before file", "", attrs{"file.path": "/x", "audit.target.type": "invoice", "audit.target.id": "i-1"}, "resource_type=invoice metadata.file.path"},
		{"file", "", attrs{"file.path": "/x"}, "resource_type=file resource_id=/x -metadata.file.path"},
		{"url", "", attrs{"url.path": "/x"}, "resource_type=url resource_id=/x"},
		{"collection", "", attrs{"db.collection.name": "c"}, "resource_type=db_collection resource_id=c"},
		{"user as actor", "", attrs{"audit.actor.type": "user", "audit.actor.id": "u", "user.id": "other"}, "user_id=u metadata.user.id metadata.audit.actor.type -metadata.audit.actor.id"},
		{"user", "", attrs{"user.id": "u"}, "user_id=u agent_id="},
		{"end user", "", attrs{"enduser.id": "u"}, "user_id=u"},
		{"service as actor", "", attrs{"audit.actor.type": "service", "audit.actor.id": "s"}, "agent_id=s user_id="},
		{"system as actor", "", attrs{"audit.actor.type": "system", "audit.actor.id": "s"}, "agent_id=s"},
		{"actor of no known type", "", attrs{"audit.actor.type": "alien", "audit.actor.id": "s"}, "agent_id= user_id= metadata.audit.actor.id"},
		{"agent", "", attrs{"gen_ai.agent.id": "a", "agent.id": "b"}, "agent_id=a metadata.agent.id"},
		{"session", "", attrs{"session.id": "s"}, "session_id=s"},
		{"outcome success", "", attrs{"audit.outcome": "success"}, "success=true -metadata.audit.outcome"},
		{"outcome failure", "", attrs{"audit.outcome": "failure"}, "success=false -metadata.audit.outcome"},
		{"outcome unknown", "", attrs{"audit.outcome": "unknown", "error.type": "x"}, "success=null -metadata.audit.outcome"},
		{"boolean success", "", attrs{"audit.success": true}, "success=true metadata.audit.success"},
		{"an error means failure", "", attrs{"error.type": "timeout"}, "success=false error_message=timeout"},
		{"an exception means failure", "", attrs{"exception.type": "E", "exception.message": "m"}, "success=false error_message=m metadata.exception.type"},
		{"status 404", "", attrs{"http.response.status_code": 404}, "success=false metadata.http.response.status_code"},
		{"status 204", "", attrs{"http.response.status_code": 204}, "success=true"},
		{"status 99", "", attrs{"http.response.status_code": 99}, "success=null"},
		{"failed login", "user.login", attrs{"audit.outcome": "failure"}, "level=security category=authentication"},
		{"failed access", "access.check", attrs{"audit.outcome": "failure"}, "level=security category=authorization"},
		{"failed file read", "file.read", attrs{"audit.outcome": "failure"}, "level=info"},
		{"address", "", attrs{"client.address": "192.0.2.7"}, "source_ip=192.0.2.7 -metadata.client.address"},
		{"IPv6 with a zone", "", attrs{"client.address": "fe80::1%eth0"}, "source_ip=fe80::1%eth0"},
		{"host name", "", attrs{"client.address": "host.example", "source.address": "2001:db8::1"}, "source_ip=2001:db8::1 metadata.client.address"},
		{"socket", "", attrs{"client.address": "/run/x.sock"}, "source_ip= metadata.client.address"},
		{"user agent", "", attrs{"user_agent.original": "curl/8"}, "user_agent=curl/8"},
		{"other attributes", "", attrs{"x": 1, "y": map[string]any{"z": []any{true}}}, "metadata.x metadata.y"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := mapOne(t, mapping.Default(), eventtest.RecordOf(t, tt.eventName, tt.in))
			members := map[string]string{
				"event_id": e.EventID, "level": string(e.Level), "category": string(e.Category), "operation": e.Operation, "resource_type": e.ResourceType,
				"resource_id": e.ResourceID, "user_id": e.UserID, "agent_id": e.AgentID, "session_id": e.SessionID, "error_message": e.ErrorMessage,
				"source_ip": e.SourceIP, "user_agent": e.UserAgent,
				"success": map[event.Outcome]string{event.OutcomeUnknown: "null", event.OutcomeSuccess: "true", event.OutcomeFailure: "false"}[e.Success],
			}
			for want := range strings.FieldsSeq(tt.want) {
				if key, gone := strings.CutPrefix(want, "-metadata."); gone {
					v, there := e.Metadata.Get(key)
					assert.False(t, there, "metadata has %s = %v", key, v)
				} else if key, stays := strings.CutPrefix(want, "metadata."); stays {
					_, there := e.Metadata.Get(key)
					assert.True(t, there, "metadata has no %s: %v", key, e.Metadata)
				} else if member, value, _ := strings.Cut(want, "="); members[member] != value {
					t.Errorf("%s = %q, want %q", member, members[member], value)
				}
			}
		})
	}
}

func TestLevelOfSeverity(t *testing.T) {
	for severity, want := range map[plog.SeverityNumber]event.Level{
		-1: event.LevelInfo, 0: event.LevelInfo, 1: event.LevelDebug, 8: event.LevelDebug, 9: event.LevelInfo, 12: event.LevelInfo, 13: event.LevelWarning,
		16: event.LevelWarning, 17: event.LevelError, 20: event.LevelError, 21: event.LevelCritical, 24: event.LevelCritical, 25: event.LevelInfo,
	} {
		logs := eventtest.RecordOf(t, "", nil)
		logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).SetSeverityNumber(severity)
		assert.Equal(t, want, mapOne(t, mapping.Default(), logs).Level, "severity %d is level", severity)
	}
}

func TestTimes(t *testing.T) {
	for _, tt := range []struct {
		time, observed pcommon.Timestamp
		from           string
	}{{5, 6, ""}, {5, 0, ""}, {0, 6, "observed_timestamp"}, {0, 0, "clock"}, {1<<64 - 1, 1, ""}} {
		logs := eventtest.RecordOf(t, "", nil)
		r := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
		r.SetTimestamp(tt.time)
		r.SetObservedTimestamp(tt.observed)
		e := mapOne(t, mapping.Default(), logs)
		if e.MappedFrom["timestamp"] != tt.from || e.Timestamp == 0 || tt.time != 0 && e.Timestamp != uint64(tt.time) {
			t.Errorf("time %d, observed %d: timestamp %d from %q", tt.time, tt.observed, e.Timestamp, e.MappedFrom["timestamp"])
		}
	}
}

func TestStrictMapping(t *testing.T) {
	m := mapping.Default()
	m.Strict = true
	enc, err := mapping.NewEncoder(m)
	require.NoError(t, err)
	for _, tt := range []struct {
		attributes map[string]any
		says       string
	}{
		{nil, "operation"},
		{map[string]any{"audit.action": "read"}, "resource_type"},
		{map[string]any{"audit.target.id": "x"}, "operation"},
		{map[string]any{"audit.action": "read", "audit.target.id": "x"}, ""},
	} {
		_, _, err := enc.Append(nil, eventtest.RecordOf(t, "", tt.attributes).ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0))
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%v: %v", tt.attributes, err)
		}
	}
}

func TestConfiguredMapping(t *testing.T) {
	m := mapping.Default()
	m.UserID = []string{"who"}
	m.EventID = nil
	m.Categories = map[string]event.Category{"shop": event.CategoryPerformance}
	e := mapOne(t, m, eventtest.RecordOf(t, "shop.order", map[string]any{"who": "w", "user.id": "u", "audit.record.id": "r"}))
	if e.UserID != "w" || e.EventID == "r" || e.Category != event.CategoryPerformance {
		t.Errorf("%+v", e)
	}
}

func TestMappingValidate(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*mapping.Config)
		says   string
	}{
		"empty name":       {func(m *mapping.Config) { m.UserID = []string{""} }, "user_id[0]"},
		"name twice":       {func(m *mapping.Config) { m.UserID = []string{"a", "a"} }, "user_id[1]"},
		"half a pair":      {func(m *mapping.Config) { m.Resources = []mapping.ResourcePair{{Type: "a"}} }, "resources[0]"},
		"half a target":    {func(m *mapping.Config) { m.Targets = []mapping.Target{{Attribute: "a"}} }, "targets[0]"},
		"unknown category": {func(m *mapping.Config) { m.Categories = map[string]event.Category{"x": "y"} }, "categories[x]"},
		"prefix with dot":  {func(m *mapping.Config) { m.Categories = map[string]event.Category{"x.": event.CategoryPerformance} }, "categories[x.]"},
	} {
		m := mapping.Default()
		tt.change(&m)
		err := m.Validate()
		assert.ErrorContains(t, err, tt.says, name)
	}
	assert.NoError(t, mapping.Default().Validate())
}
