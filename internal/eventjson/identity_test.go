// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package eventjson_test

import (
	"crypto/sha256"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/gowebpki/jcs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/eventtest"
	"github.com/otel-auditlog/auditlogexporter/internal/ownevent"
)

// identified is a record with an id, changed in some way, and its event's identity.
func identified(t *testing.T, ingress string, changes ...func(plog.LogRecord)) (_ eventjson.Identity, ok bool) {
	t.Helper()
	logs := plog.NewLogs()
	r := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	r.SetTimestamp(1_800_000_000_000_000_000)
	r.Attributes().PutStr("audit.record.id", "id-1")
	r.Attributes().PutStr("audit.action", "login")
	r.Body().SetStr("x")
	for _, change := range changes {
		change(r)
	}
	enc := eventtest.NewEncoder(t)
	enc.SetIngress([]byte(ingress))
	id, ok, err := eventjson.Identify(eventtest.Encode(t, enc, logs))
	require.NoError(t, err)
	return id, ok
}

func TestIdentity(t *testing.T) {
	first, ok := identified(t, "")
	require.True(t, ok, "%+v", first)
	require.Equal(t, "id-1", first.ID, "%+v", first)
	observed := func(ns pcommon.Timestamp) func(plog.LogRecord) {
		return func(r plog.LogRecord) { r.SetObservedTimestamp(ns) }
	}
	untimed := func(r plog.LogRecord) { r.SetTimestamp(0) }
	put := func(key, value string) func(plog.LogRecord) {
		return func(r plog.LogRecord) { r.Attributes().PutStr(key, value) }
	}
	for _, c := range []struct {
		name           string
		ingress        [2]string
		one, two       func(plog.LogRecord)
		same, id, none bool
	}{
		{name: "again", same: true},
		{name: "observed at another time", one: observed(1), two: observed(1 << 60), same: true},
		{name: "observed once", one: observed(1), same: true},
		{name: "timed by the clock", one: untimed, two: untimed, same: true},
		{name: "timed by when it was observed", one: func(r plog.LogRecord) { untimed(r); observed(5)(r) }, two: func(r plog.LogRecord) { untimed(r); observed(6)(r) }, same: true},
		{name: "its proof judged in another way", ingress: [2]string{`{"result":"unsigned"}`, `{"result":"unknown_key"}`}, same: true},
		{name: "its proof not judged", ingress: [2]string{`{"result":"unsigned"}`, ""}, same: true},
		{name: "at another time", two: func(r plog.LogRecord) { r.SetTimestamp(1) }},
		{name: "its time left out", two: untimed},
		{name: "another body", two: func(r plog.LogRecord) { r.Body().SetStr("y") }},
		{name: "another type of body", two: func(r plog.LogRecord) { r.Body().SetEmptyBytes().Append('x') }},
		{name: "more metadata", two: put("more", "")},
		{name: "another member", two: put("user.id", "u")},
		{name: "the id from another attribute", two: func(r plog.LogRecord) {
			r.Attributes().Remove("audit.record.id")
			r.Attributes().PutStr("log.record.uid", "id-1")
		}},
		{name: "an id with escapes", one: put("audit.record.id", "a\n\"\u2028b"), two: put("audit.record.id", "a\n\"\u2028b"), same: true, id: true},
		{name: "another id", two: put("audit.record.id", "id-2"), id: true},
		{name: "no id", one: func(r plog.LogRecord) { r.Attributes().Remove("audit.record.id") }, two: func(r plog.LogRecord) { r.Attributes().Remove("audit.record.id") }, none: true},
		{name: "an id that is no text", one: func(r plog.LogRecord) { r.Attributes().PutEmptyMap("audit.record.id") }, two: func(r plog.LogRecord) { r.Attributes().PutEmptyMap("audit.record.id") }, none: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			changes := func(f func(plog.LogRecord)) (all []func(plog.LogRecord)) {
				if f != nil {
					all = append(all, f)
				}
				return all
			}
			one, ok1 := identified(t, c.ingress[0], changes(c.one)...)
			two, ok2 := identified(t, c.ingress[1], changes(c.two)...)
			require.NotEqual(t, c.none, ok1)
			require.NotEqual(t, c.none, ok2)
			if !c.none && (one == two) != c.same {
				t.Errorf("%+v and %+v", one, two)
			}
			if !c.id && !c.none && one.ID != two.ID {
				t.Errorf("%q and %q", one.ID, two.ID)
			}
		})
	}
}

func TestOwnEventsHaveNoIdentity(t *testing.T) {
	b := ownevent.AppendOwn(nil, ownevent.Own{ID: "i", Time: time.Unix(1, 2), Origin: "o", Level: event.LevelInfo, Action: "opened", Detail: []byte(`{"action":"opened"}`)})
	_, ok, err := eventjson.Identify(b)
	assert.False(t, ok)
	assert.NoError(t, err)
}

// plainIdentity is what Identify should say of an event, found in another way.
func plainIdentity(t require.TestingT, b []byte, e *event.Event) (eventjson.Identity, bool) {
	if e.Log != nil || e.MappedFrom["event_id"] == "" {
		return eventjson.Identity{}, false
	}
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(b, &members))
	delete(members, "ingress")
	delete(members, "observed_timestamp")
	if e.MappedFrom["timestamp"] != "" {
		delete(members, "timestamp")
	}
	rest, err := json.Marshal(members)
	require.NoError(t, err)
	canonical, err := jcs.Transform(rest)
	require.NoError(t, err)
	return eventjson.Identity{ID: e.EventID, Content: sha256.Sum256(canonical)}, true
}

func TestIdentityOfAnyRecord(t *testing.T) {
	enc := eventtest.NewEncoder(t)
	rapid.Check(t, func(t *rapid.T) {
		enc.SetIngress([]byte(rapid.SampledFrom([]string{"", `{"result":"unsigned"}`}).Draw(t, "ingress")))
		logs := eventtest.DrawLogs(t)
		b := eventtest.Encode(t, enc, logs)
		e, err := event.Parse(b)
		require.NoError(t, err)
		got, ok, err := eventjson.Identify(b)
		require.NoError(t, err)
		want, there := plainIdentity(t, b, e)
		require.Equal(t, want, got, "%+v, %t, want %+v, %t: %s", got, ok, want, there, b)
		require.Equal(t, there, ok, "%+v, %t, want %+v, %t: %s", got, ok, want, there, b)
		again, info, err := enc.Append([]byte("x"), logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0))
		if err != nil || !ok {
			return // a new id each time
		}
		same, _, err := eventjson.Identify(again[1:])
		require.NoError(t, err)
		if info.ID != got.ID || info.Content(again[1:]) != same.Content || same != got {
			t.Fatalf("the encoder says %q, %x, but the event %+v: %s", info.ID, info.Content(again[1:]), got, again)
		}
	})
}

func FuzzIdentify(f *testing.F) {
	eventtest.Seed(f)
	f.Add([]byte(strings.Replace(eventtest.Minimal, `"event_id":"`, `"event_id":"\n`, 1)))
	f.Fuzz(func(t *testing.T, in []byte) {
		got, ok, err := eventjson.Identify(in)
		e, invalid := event.Parse(in)
		if invalid != nil {
			return
		}
		if err != nil {
			t.Fatalf("%s parses, but: %v", in, err)
		}
		if want, there := plainIdentity(t, in, e); got != want || ok != there {
			t.Errorf("%+v, %t, want %+v, %t: %s", got, ok, want, there, in)
		}
	})
}

func BenchmarkIdentify(b *testing.B) {
	for _, v := range eventtest.Vectors(b) {
		in := []byte(v.Event)
		if _, ok, err := eventjson.Identify(in); !ok || err != nil {
			continue
		}
		b.Run(v.Name, func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := eventjson.Identify(in); err != nil {
					b.Fatal(err)
				}
			}
		})
		return
	}
}
