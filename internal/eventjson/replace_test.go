// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package eventjson_test

import (
	"crypto/sha256"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/eventtest"
	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
	"github.com/otel-auditlog/auditlogexporter/internal/member"
)

// What stands for an event keeps its hash, its ends and what is short, is itself an event like
// any other, and is never longer than it may be.
func TestReplacement(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(m map[string]string)
		limit  int
		keeps  bool // all that is short
	}{
		"as large as it may be": {nil, 32 << 20, true},
		"as tlog-tiles allows":  {nil, 65535, true},
		"small":                 {nil, 2500, true},
		"the smallest":          {nil, 768, false},
		"a long id":             {func(m map[string]string) { m["audit.record.id"] = strings.Repeat("ä", 10_000) }, 65535, false},
		"long texts":            {func(m map[string]string) { m["user_agent.original"] = strings.Repeat("\x01", 10_000) }, 4096, false},
	} {
		t.Run(name, func(t *testing.T) {
			logs := eventtest.RecordOf(t, "user.login", nil)
			r := eventtest.RecordIn(logs)
			attributes := map[string]string{
				"audit.record.id": "id-1", "audit.target.type": "host", "audit.target.id": "web-1", "session.id": "s", "user_agent.original": "curl",
			}
			if tt.change != nil {
				tt.change(attributes)
			}
			for k, v := range attributes {
				r.Attributes().PutStr(k, v)
			}
			r.SetTimestamp(5)
			r.Body().SetStr(strings.Repeat("ä\"\n", 100_000))
			canonical := eventtest.Encode(t, eventtest.NewEncoder(t), logs)
			b, err := eventjson.Replace([]byte("before"), canonical, tt.limit)
			require.NoError(t, err)
			b = b[len("before"):]
			assert.LessOrEqual(t, len(b), tt.limit)
			e, err := event.Parse(b)
			require.NoError(t, err, b)
			got := replacedOf(t, e)
			require.Equal(t, sha256.Sum256(canonical), got.SHA256, "%+v", got)
			require.Equal(t, int64(len(canonical)), got.Length, "%+v", got)
			require.True(t, strings.HasPrefix(string(canonical), got.First), "%+v", got)
			require.True(t, strings.HasSuffix(string(canonical), got.Last), "%+v", got)
			assert.True(t, utf8.ValidString(got.First), "a character is cut")
			assert.True(t, utf8.ValidString(got.Last), "a character is cut")
			if e.Timestamp != 5 || e.Level == "" || e.EventID == "" || e.Operation != "user.login" {
				t.Errorf("%+v", e)
			}
			if tt.keeps && (e.EventID != "id-1" || e.UserAgent != "curl" || e.SessionID != "s" || e.ResourceID != "web-1" || got.First == "") {
				t.Errorf("%+v", e)
			}
			// The record that comes again is known by what stands for it.
			id, ok, err := eventjson.Identify(b)
			if err != nil || ok != (name != "a long id") || ok && id.ID != e.EventID {
				t.Errorf("%+v, %v, %v", id, ok, err)
			}
			back := eventtest.Decode(t, b)
			if body := eventtest.RecordIn(back).Body().AsRaw().(map[string]any); body["length"] != int64(len(canonical)) {
				t.Errorf("decoded: %v", body)
			}
		})
	}
}

func TestReplacementWithoutRoom(t *testing.T) {
	canonical := eventtest.Encode(t, eventtest.NewEncoder(t), eventtest.RecordOf(t, "", nil))
	b, err := eventjson.Replace([]byte("before"), canonical, 200)
	assert.ErrorIs(t, err, eventjson.ErrNoRoom, b)
	assert.Equal(t, "before", string(b), b)
}

// Whatever a record holds, what stands for it fits and parses.
func TestReplacementOfAnything(t *testing.T) {
	enc := eventtest.NewEncoder(t)
	rapid.Check(t, func(t *rapid.T) {
		logs := eventtest.DrawLogs(t)
		canonical := eventtest.Encode(t, enc, logs)
		limit := rapid.IntRange(700, 70_000).Draw(t, "limit")
		b, err := eventjson.Replace(nil, canonical, limit)
		require.NoError(t, err, canonical)
		e, err := event.Parse(b)
		require.NoError(t, err)
		require.LessOrEqual(t, len(b), limit)
		require.Equal(t, sha256.Sum256(canonical), replacedOf(t, e).SHA256, "%+v", e.Replaced)
		_, err = mapping.Logs(e)
		require.NoError(t, err)
	})
}

// An event that claims to stand for another keeps nothing of it.
func TestReplacedWithTheWhole(t *testing.T) {
	replaced := `"replaced":{"first":"","last":"","length":0,"sha256":"` + strings.Repeat("0a", 32) + `"}`
	for _, more := range []string{`"body":"x"`, `"metadata":{"a":1}`, `"resource":{"schema_url":"x"}`, `"scope":{"name":"x"}`, `"log":{"action":"opened"}`} {
		_, err := event.Parse([]byte(eventtest.With(replaced, more)))
		assert.ErrorContains(t, err, "stands for another", more)
	}
}

// Whatever a client sends, wherever it can put a name of its own, is not the member.
func TestForgedReplaced(t *testing.T) {
	logs := eventtest.RecordOf(t, `x","replaced":{},"y":"`, nil)
	eventtest.RecordIn(logs).Attributes().PutEmptyMap("replaced").PutStr("first", "")
	eventtest.RecordIn(logs).Body().SetEmptyMap().PutEmptyMap("replaced")
	b := eventtest.Encode(t, eventtest.NewEncoder(t), logs)
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(b, &members))
	if e, err := event.Parse(b); err != nil || e.Replaced != nil || members["replaced"] != nil {
		t.Errorf("forged: %s, %v", b, err)
	}
}

// replacedOf returns what an event keeps of the one it stands for.
func replacedOf(t interface{ Fatalf(string, ...any) }, e *event.Event) (replaced member.ReplacedEvent) {
	r := jcs.NewReader(e.Replaced)
	if err := replaced.Read(&r); err != nil {
		t.Fatalf("%s: %v", e.Replaced, err)
	}
	return replaced
}
