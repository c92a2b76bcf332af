// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.yaml.in/yaml/v3"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/eventtest"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
)

// Each document of testdata/event/mapping.yaml is a mapping as a user would write
// it over the defaults, with what becomes of a record of user.login and some
// attributes, or with the error it is refused with.
func TestMappingFromYAML(t *testing.T) {
	f, err := os.Open(filepath.Join("..", "..", "testdata", "event", "mapping.yaml"))
	require.NoError(t, err)
	defer f.Close()
	d := yaml.NewDecoder(f)
	cases := 0
	for {
		var c struct {
			Name    string
			Mapping map[string]any
			Want    map[string]string
			Refused string
		}
		if d.Decode(&c) != nil {
			break
		}
		cases++
		t.Run(c.Name, func(t *testing.T) {
			m := mapping.Default()
			require.NoError(t, confmap.NewFromStringMap(c.Mapping).Unmarshal(&m))
			if err := m.Validate(); c.Refused != "" || err != nil {
				if err == nil || c.Refused == "" || !strings.Contains(err.Error(), c.Refused) {
					t.Errorf("%v, want %q", err, c.Refused)
				}
				return
			}
			e := mapOne(t, m, eventtest.RecordOf(t, "user.login", map[string]any{
				"user.id": "alice", "who": "bob", "audit.outcome": "failure", "file.path": "/etc/passwd", "ticket": "T-1", "client.address": "192.0.2.1",
			}))
			got := map[string]string{
				"user_id": e.UserID, "category": string(e.Category), "level": string(e.Level), "operation": e.Operation, "resource_type": e.ResourceType,
				"resource_id": e.ResourceID, "source_ip": e.SourceIP,
			}
			for member, want := range c.Want {
				assert.Equal(t, want, got[member], member)
			}
		})
	}
	assert.GreaterOrEqual(t, cases, 10, "cases were read")
}

// Every attribute that the default mapping knows feeds its member.
func TestDefaultMappingIsComplete(t *testing.T) {
	m := mapping.Default()
	for member, names := range map[string][]string{
		"event_id": m.EventID, "operation": m.Operation, "user_id": m.UserID, "agent_id": m.AgentID, "session_id": m.SessionID,
		"error_message": m.ErrorMessage, "user_agent": m.UserAgent, "source_ip": m.SourceIP,
	} {
		for _, name := range names {
			e := mapOne(t, m, eventtest.RecordOf(t, "", map[string]any{name: "192.0.2.1"}))
			assert.Equal(t, name, e.MappedFrom[member], "%s is not taken from %s: %v", member, name, e.MappedFrom)
		}
	}
	for _, target := range m.Targets {
		e := mapOne(t, m, eventtest.RecordOf(t, "", map[string]any{target.Attribute: "x"}))
		if e.ResourceType != target.Type || e.ResourceID != "x" || e.MappedFrom["resource_id"] != target.Attribute {
			t.Errorf("%s gives %s %s", target.Attribute, e.ResourceType, e.ResourceID)
		}
	}
	for prefix, category := range m.Categories {
		names := map[string]event.Category{prefix: category, prefix + ".x-y.z": category}
		if !strings.Contains(prefix, ".") {
			names[prefix+"xyz"] = event.CategorySystemHealth
		}
		for name, want := range names {
			assert.Equal(t, want, mapOne(t, m, eventtest.RecordOf(t, name, nil)).Category, "an event %s is of category", name)
		}
	}
}

// Attributes that stay in the metadata because a member does not give them back.
func TestWhatMembersDoNotGiveBack(t *testing.T) {
	for name, tt := range map[string]struct {
		record []byte
		want   int // entries of metadata
		userID string
	}{
		"a text":             {eventtest.Attribute(nil, "user.id", eventtest.TextValue("u")), 0, "u"},
		"a number":           {eventtest.Attribute(nil, "user.id", eventtest.IntValue(42)), 1, "42"},
		"a number text":      {eventtest.Attribute(nil, "user.id", eventtest.TextValue("42")), 0, "42"},
		"not UTF-8":          {eventtest.Attribute(nil, "user.id", eventtest.TextValue("u\xff")), 1, "u\uFFFD"},
		"bytes":              {eventtest.Attribute(nil, "user.id", eventtest.BytesField(nil, 7, []byte("u"))), 1, ""},
		"nothing":            {eventtest.Attribute(nil, "user.id", nil), 1, ""},
		"an empty text":      {eventtest.Attribute(nil, "user.id", eventtest.TextValue("")), 1, ""},
		"twice":              {eventtest.Attribute(eventtest.Attribute(nil, "user.id", eventtest.TextValue("u")), "user.id", eventtest.TextValue("v")), 2, "u"},
		"twice the same":     {eventtest.Attribute(eventtest.Attribute(nil, "user.id", eventtest.TextValue("u")), "user.id", eventtest.TextValue("u")), 2, "u"},
		"first one is empty": {eventtest.Attribute(eventtest.Attribute(nil, "user.id", eventtest.TextValue("")), "user.id", eventtest.TextValue("u")), 2, ""},
	} {
		e := mapOne(t, mapping.Default(), eventtest.Unmarshal(t, append(tt.record, 9, 1, 0, 0, 0, 0, 0, 0, 0)))
		if e.UserID != tt.userID || len(e.Metadata) != tt.want {
			t.Errorf("%s: user_id %q, metadata %v", name, e.UserID, e.Metadata)
		}
	}
}

// The names of services that are not texts, or not there.
func TestServiceName(t *testing.T) {
	for name, want := range map[any]string{"shop": "shop", "": "unknown_service", "a\xffb": "a\uFFFDb", 7: "unknown_service"} {
		logs := eventtest.RecordOf(t, "", nil)
		require.NoError(t, logs.ResourceLogs().At(0).Resource().Attributes().FromRaw(map[string]any{"service.name": name}))
		if e := mapOne(t, mapping.Default(), logs); e.ResourceType != "service" || e.ResourceID != want {
			t.Errorf("service %q gives %s %q", name, e.ResourceType, e.ResourceID)
		}
	}
}
