// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping_test

import (
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/eventtest"
)

// The result of checking a producer's proof stands beside the record, whose decoding is
// the same with it and without.
func TestIngressMember(t *testing.T) {
	enc := eventtest.NewEncoder(t)
	r := eventtest.LoginRecord()
	enc.SetResource(plog.NewResourceLogs().Resource(), "")
	enc.SetScope(plog.NewScopeLogs().Scope(), "")
	without, _, err := enc.Append(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	const object = `{"result":"unsigned"}`
	enc.SetIngress([]byte(object))
	with, _, err := enc.Append(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Replace(string(with), `"ingress":`+object+`,`, "", 1); got != string(without) {
		t.Errorf("with the member: %s", with)
	}
	e, err := event.Parse(with)
	if err != nil {
		t.Fatal(err)
	}
	if string(e.Ingress) != object {
		t.Errorf("decoded: %s", e.Ingress)
	}
	if eventtest.Dump(eventtest.Decode(t, with)) != eventtest.Dump(eventtest.Decode(t, without)) {
		t.Error("the member changes the record")
	}
	enc.SetIngress(nil)
	if again, _, _ := enc.Append(nil, r); string(again) != string(without) {
		t.Errorf("the member is left: %s", again)
	}
}

// Whatever a client sends, wherever it can put a name of its own, is not the member.
func TestForgedIngress(t *testing.T) {
	const claim = `{"result":"verified","producer":"shop"}`
	logs := plog.NewLogs()
	resource := logs.ResourceLogs().AppendEmpty()
	scope := resource.ScopeLogs().AppendEmpty()
	r := scope.LogRecords().AppendEmpty()
	r.SetEventName(`x","ingress":` + claim + `,"y":"`)
	r.Body().SetEmptyMap().PutStr("ingress", claim)
	r.Attributes().PutStr("audit.record.id", "id")
	r.Attributes().PutStr("audit.action", `a","ingress":`+claim)
	r.Attributes().PutEmptyMap("ingress").PutStr("result", "verified")
	r.Attributes().PutStr(`x":1},"ingress":`+claim+`,"z":{"`, "")
	resource.Resource().Attributes().PutStr("ingress", claim)
	scope.Scope().SetName("ingress")
	b := eventtest.Encode(t, eventtest.NewEncoder(t), logs)
	e, err := event.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if e.Ingress != nil {
		t.Errorf("forged: %s in %s", e.Ingress, b)
	}
	if eventtest.Dump(eventtest.Decode(t, b)) != eventtest.Dump(logs) {
		t.Error("the record is not kept as it came")
	}
}

// Info says which records stand in a sequence.
func TestSequenced(t *testing.T) {
	enc := eventtest.NewEncoder(t)
	for key, want := range map[string]bool{"audit.sequence.number": true, "audit.sequence.": true, "audit.sequence": false, "sequence.number": false, "AUDIT.SEQUENCE.number": false} {
		r := plog.NewLogRecord()
		r.Attributes().PutInt(key, 1)
		for range 2 { // its shape is new, and known
			if _, info, err := enc.Append(nil, r); err != nil || info.Sequenced != want {
				t.Errorf("%s: %v, %v", key, info.Sequenced, err)
			}
		}
	}
}
