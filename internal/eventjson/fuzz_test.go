// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package eventjson_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/gowebpki/jcs"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/eventtest"
)

// What Scan takes is canonical by another's judgement too, and Summary says what
// Parse does.
func FuzzScan(f *testing.F) {
	eventtest.Seed(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		var s eventjson.Summary
		if eventjson.Scan(in, &s) != nil {
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
	all := eventtest.Vectors(f)
	for i, v := range all {
		f.Add([]byte(v.Event), []byte(all[(i+1)%len(all)].Event))
	}
	f.Fuzz(func(t *testing.T, before, in []byte) {
		var c eventjson.Scanner
		sameScan(t, &c, before)
		sameScan(t, &c, in)
		sameScan(t, &c, before)
	})
}
