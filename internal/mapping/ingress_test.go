// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
	require.NoError(t, err)
	const object = `{"result":"unsigned"}`
	enc.SetIngress([]byte(object))
	with, _, err := enc.Append(nil, r)
	require.NoError(t, err)
	assert.Equal(t, string(without), strings.Replace(string(with), `"ingress":`+object+`,`, "", 1), "with the member: %s", with)
	e, err := event.Parse(with)
	require.NoError(t, err)
	assert.Equal(t, object, string(e.Ingress), "decoded: %s", e.Ingress)
	assert.Equal(t, eventtest.Dump(eventtest.Decode(t, without)), eventtest.Dump(eventtest.Decode(t, with)), "the member changes the record")
	enc.SetIngress(nil)
	again, _, _ := enc.Append(nil, r)
	assert.Equal(t, string(without), string(again), "the member is left: %s", again)
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
	require.NoError(t, err)
	assert.Nil(t, e.Ingress, "forged: %s in %s", e.Ingress, b)
	assert.Equal(t, eventtest.Dump(logs), eventtest.Dump(eventtest.Decode(t, b)), "the record is not kept as it came")
}

// Info says which records stand in a sequence.
func TestSequenced(t *testing.T) {
	enc := eventtest.NewEncoder(t)
	for key, want := range map[string]bool{"audit.sequence.number": true, "audit.sequence.": true, "audit.sequence": false, "sequence.number": false, "AUDIT.SEQUENCE.number": false} {
		r := plog.NewLogRecord()
		r.Attributes().PutInt(key, 1)
		for range 2 { // its shape is new, and known
			_, info, err := enc.Append(nil, r)
			assert.NoError(t, err, key)
			assert.Equal(t, want, info.Sequenced, key)
		}
	}
}
