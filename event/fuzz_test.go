// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/gowebpki/jcs"

	"github.com/otel-auditlog/auditlogexporter/event"
)

// seed adds the vectors, an event of the log's own, and what is nearly an event.
func seed(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add([]byte(v.Event))
	}
	f.Add(event.AppendOwn(nil, event.Own{ID: "i", Time: time.Unix(1, 2), Origin: "o", Level: event.LevelInfo, Action: "opened", Detail: []byte(`{"action":"opened"}`)}))
	f.Add([]byte(with(`"ingress":{"result":"unsigned"}`)))
	f.Add([]byte(with(`"replaced":{"first":"{","last":"}","length":2,"sha256":"` + strings.Repeat("0a", 32) + `"}`)))
	f.Add([]byte(minimal))
	f.Add([]byte(minimal + " "))
	f.Add([]byte(minimal[:len(minimal)-1]))
}

// What Scan takes is canonical by another's judgement too, and Summary says what
// Parse does.
func FuzzScan(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		var s event.Summary
		if event.Scan(in, &s) != nil {
			return
		}
		if canonical, err := jcs.Transform(in); err != nil || !bytes.Equal(canonical, in) {
			t.Errorf("%s is taken for canonical, which is %s (%v)", in, canonical, err)
		}
		e, err := event.Parse(in)
		if err != nil {
			return
		}
		if e.EventID != string(s.ID) || e.Operation != string(s.Operation) || e.UserID != string(s.UserID) || e.AgentID != string(s.AgentID) ||
			e.SessionID != string(s.SessionID) || e.Level != s.Level || e.Category != s.Category || e.Success != s.Success || !bytes.Equal(e.Log, s.Log) || !bytes.Equal(e.Ingress, s.Ingress) ||
			!time.Unix(int64(e.Timestamp/1e9), int64(e.Timestamp%1e9)).Equal(s.Time) {
			t.Errorf("%+v\nis summed up as\n%+v", e, s)
		}
	})
}

// What a scanner has seen does not change what it finds.
func FuzzScanner(f *testing.F) {
	all := vectors(f)
	for i, v := range all {
		f.Add([]byte(v.Event), []byte(all[(i+1)%len(all)].Event))
	}
	f.Fuzz(func(t *testing.T, before, in []byte) {
		var c event.Scanner
		sameScan(t, &c, before)
		sameScan(t, &c, in)
		sameScan(t, &c, before)
	})
}

// What Parse takes is what Append writes; and the record it gives, mapped again,
// gives an event of the same record.
func FuzzParse(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		e, err := event.Parse(in)
		if err != nil {
			return
		}
		if again := e.Append(nil); !bytes.Equal(again, in) {
			t.Errorf("%s\nis written again as\n%s", in, again)
		}
		var s event.Summary
		if err := event.Scan(in, &s); err != nil {
			t.Errorf("%s parses, but does not scan: %v", in, err)
		}
		logs, err := e.Logs()
		if err != nil {
			t.Fatalf("%s has no log record: %v", in, err)
		}
		if got, want := dump(decode(t, encode(t, newEncoder(t), logs))), dump(logs); got != want {
			t.Errorf("went in:\n%s\ncame out:\n%s", want, got)
		}
	})
}
