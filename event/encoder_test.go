// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otel-auditlog/auditlogexporter/event"
)

// A record like those before it is encoded and scanned without new memory.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	r := loginRecord()
	enc := shopEncoder(t, event.DefaultMapping())
	buf, _, err := enc.Append(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	var s event.Summary
	if n := testing.AllocsPerRun(100, func() {
		buf, _, _ = enc.Append(buf[:0], r)
		if err := event.Scan(buf, &s); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a record", n)
	}
	r.Attributes().Remove("audit.record.id")
	if n := testing.AllocsPerRun(100, func() { buf, _, _ = enc.Append(buf[:0], r) }); n != 0 {
		t.Errorf("%v allocations a record that needs an id", n)
	}
}

// Ids that are not given are random UUIDs of version 4, each another.
func TestNewIDs(t *testing.T) {
	v4 := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	enc := newEncoder(t)
	seen := make(map[string]bool)
	for range 1000 {
		e, err := event.Parse(encode(t, enc, recordOf(t, "", nil)))
		if err != nil {
			t.Fatal(err)
		}
		if !v4.MatchString(e.EventID) || seen[e.EventID] {
			t.Fatalf("id %q", e.EventID)
		}
		seen[e.EventID] = true
	}
}

// An encoder that sees more shapes than it remembers, and longer ones, goes on as
// before.
func TestManyShapes(t *testing.T) {
	enc := newEncoder(t)
	for i := range 500 {
		logs := recordOf(t, "", nil)
		a := recordIn(logs).Attributes()
		for j := range 1 + i*i%300 {
			a.PutInt(fmt.Sprintf("%d.%d", i%200, j), int64(j))
		}
		if i%50 == 0 {
			a.PutInt(strings.Repeat("long", 10_000), 1)
		}
		if got, want := dump(decode(t, encode(t, enc, logs))), dump(logs); got != want {
			t.Fatalf("record %d came in:\n%s\ncame out:\n%s", i, want, got)
		}
	}
}

// Encoders of one mapper work side by side.
func TestMapperIsShared(t *testing.T) {
	mapper, err := event.NewMapper(event.DefaultMapping())
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := mapper.NewEncoder().Append(nil, loginRecord())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			enc, r := mapper.NewEncoder(), loginRecord()
			for range 100 {
				if got, _, err := enc.Append(nil, r); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s, %v", got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// A mapping that is changed after it was compiled changes nothing.
func TestMapperKeepsItsMapping(t *testing.T) {
	m := event.DefaultMapping()
	enc, err := event.NewEncoder(m)
	if err != nil {
		t.Fatal(err)
	}
	clear(m.Categories)
	e, err := event.Parse(encode(t, enc, recordOf(t, "user.login", nil)))
	if err != nil || e.Category != event.CategoryAuthentication {
		t.Errorf("%+v, %v", e, err)
	}
}

// An encoder keeps nothing of a record, whose memory its owner may use again.
func TestRecordMayChangeAfterwards(t *testing.T) {
	enc := newEncoder(t)
	logs := recordOf(t, "", map[string]any{"user.id": "u"})
	first := encode(t, enc, logs)
	before := string(first)
	recordIn(logs).Attributes().Clear()
	logs.ResourceLogs().At(0).Resource().Attributes().Clear()
	second, _, err := enc.Append(nil, recordIn(logs))
	if err != nil {
		t.Fatal(err)
	}
	e, err := event.Parse(second)
	if err != nil || e.ResourceID != "billing" || e.UserID != "" || before != string(first) {
		t.Errorf("%s, %v", second, err)
	}
}

// Times are kept to the nanosecond over the whole range of OTLP, and are refused in
// any other form.
func TestTimeRange(t *testing.T) {
	for ns, want := range map[uint64]string{
		1: "1970-01-01T00:00:00.000000001Z", 951_782_400_000_000_000: "2000-02-29T00:00:00.000000000Z",
		1<<63 - 1: "2262-04-11T23:47:16.854775807Z", 1 << 63: "2262-04-11T23:47:16.854775808Z", 1<<64 - 1: "2554-07-21T23:34:33.709551615Z",
	} {
		logs := recordOf(t, "", nil)
		recordIn(logs).SetTimestamp(pcommon.Timestamp(ns))
		b := encode(t, newEncoder(t), logs)
		if !strings.Contains(string(b), `"timestamp":"`+want+`"`) {
			t.Errorf("%d is written %s, want %s", ns, b, want)
		}
		var s event.Summary
		if err := event.Scan(b, &s); err != nil || s.Time.Format("2006-01-02T15:04:05.000000000Z") != want {
			t.Errorf("%d is read as %s, %v", ns, s.Time, err)
		}
	}
	for _, other := range []string{
		"2554-07-21T23:34:33.709551616Z", "2554-07-21T23:34:34.000000000Z", "9999-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999999999Z",
		"2026-02-29T00:00:00.000000000Z", "2026-00-01T00:00:00.000000000Z", "2026-01-00T00:00:00.000000000Z", "2026-01-32T00:00:00.000000000Z",
		"2026-01-01T24:00:00.000000000Z", "2026-01-01T23:60:00.000000000Z", "2026-01-01T23:59:60.000000000Z", "2026-01-01T00:00:00,000000000Z",
		"2026-01-01t00:00:00.000000000Z", "2026-01-01T00:00:00.000000000z", "2026-01-01 00:00:00.000000000Z", "2026-1-001T00:00:00.000000000Z", "", "Z",
	} {
		in := strings.Replace(minimal, "2026-11-23T10:15:00.000000000Z", other, 1)
		var s event.Summary
		if event.Scan([]byte(in), &s) == nil {
			t.Errorf("the time %q is taken", other)
		}
	}
}

// Events of the log's own bear times that clocks should not show, as well as may be.
func TestOwnEventTimes(t *testing.T) {
	for at, want := range map[time.Time]string{
		{}:                                  "1970-01-01T00:00:00.000000000Z",
		time.Unix(-1, 0):                    "1970-01-01T00:00:00.000000000Z",
		time.Unix(1, 5):                     "1970-01-01T00:00:01.000000005Z",
		time.Unix(9_300_000_000, 7).Local(): "2264-09-14T21:20:00.000000007Z",
		time.Unix(1<<40, 0):                 "2554-07-21T23:34:33.000000000Z",
	} {
		b := event.AppendOwn(nil, event.Own{ID: "i", Time: at, Origin: "o", Level: event.LevelInfo, Category: event.CategoryCryptographic, Action: "opened", Detail: []byte(`{"action":"opened"}`)})
		e, err := event.Parse(b)
		if err != nil || !strings.Contains(string(b), want) || e.Category != event.CategoryCryptographic || e.ResourceType != "audit_log" || e.ResourceID != "o" ||
			e.Operation != "auditlog.opened" || e.EventName != "auditlog.opened" || e.Success != event.OutcomeSuccess {
			t.Errorf("%s: %s, %v", at, b, err)
		}
	}
}

// A client that sends an own event's very names, attributes and detail gets an event
// without the member log.
func TestForgedOwnEvent(t *testing.T) {
	logs := recordOf(t, "auditlog.pruned", map[string]any{
		"log": map[string]any{"action": "pruned", "before": 5}, "log.action": "pruned", "audit.target.type": "audit_log", "audit.target.id": "host/auditlog",
		"audit.outcome": "success", "\",\"log\":{\"action\":\"pruned\"},\"x\":\"": "y",
	})
	recordIn(logs).Body().SetStr(`","log":{"action":"pruned"}`)
	b := encode(t, newEncoder(t), logs)
	var s event.Summary
	if err := event.Scan(b, &s); err != nil || s.Log != nil {
		t.Errorf("%v, %s", err, b)
	}
	if got, want := dump(decode(t, b)), dump(logs); got != want {
		t.Errorf("came in:\n%s\ncame out:\n%s", want, got)
	}
}
