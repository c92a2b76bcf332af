// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event_test

import (
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/eventtest"
)

// Members that have one form are taken in it and refused in any other.
func TestParseMembers(t *testing.T) {
	for member, forms := range map[string]struct{ good, bad []string }{
		"event_name":               {[]string{`"x"`, `{"$bytes":"/w==","$string":true}`}, []string{`""`, `5`, `null`, `{"$bytes":"/w=="}`, `{"$bytes":"eA==","$string":true}`}},
		"severity_text":            {[]string{`"x"`}, []string{`""`, `true`, `["x"]`}},
		"severity_number":          {[]string{`1`, `-1`, `24`, `2147483647`, `-2147483648`}, []string{`0`, `1.5`, `2147483648`, `-2147483649`, `"9"`, `1e+21`}},
		"flags":                    {[]string{`1`, `4294967295`}, []string{`0`, `-1`, `4294967296`, `0.5`}},
		"dropped_attributes_count": {[]string{`1`, `4294967295`}, []string{`0`, `-1`, `4294967296`}},
		"trace_id":                 {[]string{`"000102030405060708090a0b0c0d0e0f"`}, []string{`""`, `"0001"`, `"000102030405060708090A0B0C0D0E0F"`, `"000102030405060708090a0b0c0d0e0g"`, `"00000000000000000000000000000000"`, `5`}},
		"span_id":                  {[]string{`"0001020304050607"`}, []string{`""`, `"000102030405060708"`, `"000000000000000x"`, `"0000000000000000"`}},
		"observed_timestamp":       {[]string{`"1970-01-01T00:00:00.000000001Z"`}, []string{`"1970-01-01T00:00:00.000000000Z"`, `5`, `"now"`}},
		"body":                     {[]string{`""`, `[]`, `{}`, `0`, `false`, `{"$bytes":""}`}, []string{`null`, `{"$":1}`, `{"$more":[[5,1]]}`, `{"$more":5}`, `{"$more":[5]}`}},
		"metadata":                 {[]string{`{"a":null}`, `{"$more":[["a",1]],"a":2}`, `{"$more":[[{"$bytes":"/w==","$string":true},null]]}`}, []string{`null`, `[]`, `{"$int":"9007199254740992"}`, `{"$bytes":""}`}},
		"resource": {
			[]string{
				`{"attributes":{"a":1}}`, `{"dropped_attributes_count":1}`, `{"entity_refs":[{}]}`, `{"schema_url":"x"}`,
				`{"entity_refs":[{"description_keys":["b","a","a"],"id_keys":[""],"schema_url":"s","type":"t"},{}]}`,
			},
			[]string{
				`{}`, `null`, `[]`, `{"attributes":{}}`, `{"attributes":null}`, `{"attributes":[1]}`, `{"dropped_attributes_count":0}`, `{"entity_refs":[]}`, `{"entity_refs":{}}`,
				`{"entity_refs":[{"id_keys":[]}]}`, `{"entity_refs":[{"id_keys":[1]}]}`, `{"entity_refs":[{"type":""}]}`, `{"entity_refs":[{"x":""}]}`, `{"entity_refs":[1]}`, `{"schema_url":""}`, `{"x":1}`,
			},
		},
		"scope": {
			[]string{`{"attributes":{"a":1}}`, `{"dropped_attributes_count":1}`, `{"name":"n"}`, `{"schema_url":"x"}`, `{"version":"v"}`},
			[]string{`{}`, `null`, `{"attributes":{}}`, `{"name":""}`, `{"name":5}`, `{"version":null}`, `{"x":1}`},
		},
		"ingress": {[]string{`{}`, `{"result":"unsigned"}`, `{"a":1,"b":[]}`}, []string{`null`, `[]`, `"verified"`, `{"b":1,"a":1}`, `{"a": 1}`}},
		"replaced": {
			[]string{`{"first":"","last":"","length":0,"sha256":"` + strings.Repeat("0a", 32) + `"}`, `{"first":"{\"a","last":"}\u001f","length":9007199254740991,"sha256":"` + strings.Repeat("0a", 32) + `"}`},
			[]string{
				`{}`, `null`, `[]`, `{"first":"","last":"","length":-1,"sha256":"` + strings.Repeat("0a", 32) + `"}`, `{"first":"","last":"","length":0,"sha256":"` + strings.Repeat("0A", 32) + `"}`,
				`{"first":"","last":"","length":0,"sha256":"0a"}`, `{"first":"","last":"","length":0}`, `{"first":1,"last":"","length":0,"sha256":"` + strings.Repeat("0a", 32) + `"}`,
				`{"first":"","last":"","length":0,"sha256":"` + strings.Repeat("0a", 32) + `","x":1}`,
			},
		},
		"mapped_from": {
			[]string{`{"event_id":"a"}`, `{"timestamp":"clock"}`, `{"operation":"","success":"a"}`},
			[]string{`{}`, `null`, `"a"`, `{"user_id":"a"}`, `{"x":"a"}`, `{"metadata":"a"}`, `{"event_id":5}`, `{"timestamp":"a"}`, `{"timestamp":"observed_timestamp"}`},
		},
		"user_id": {[]string{`"u"`}, []string{`""`, `5`, `null`, `{"$bytes":"/w==","$string":true}`}},
		"success": {[]string{`true`, `false`, `null`}, []string{`"true"`, `0`, `{}`}},
		"log":     {[]string{`{}`, `{"action":"x"}`}, []string{`null`, `"x"`, `[]`}},
	} {
		for _, value := range forms.good {
			in := eventtest.With(`"` + member + `":` + value)
			_, err := event.Parse([]byte(in))
			assert.NoError(t, err, "%s is refused", in)
		}
		for _, value := range forms.bad {
			assert.False(t, parses(eventtest.With(`"`+member+`":`+value)), "is taken")
		}
	}
	observed := `"observed_timestamp":"2026-11-23T10:15:00.000000000Z"`
	assert.True(t, parses(eventtest.With(observed, `"mapped_from":{"timestamp":"observed_timestamp"}`)), "is refused")
}

func parses(in string) bool {
	_, err := event.Parse([]byte(in))
	return err == nil
}

// Where most members come from their usual attributes, mapped_from names the others
// only, and there is no choice of the form.
func TestSources(t *testing.T) {
	all := map[string]string{
		"event_id": "audit.record.id", "operation": "audit.action", "resource_id": "audit.target.id", "resource_type": "audit.target.type",
		"session_id": "session.id", "source_ip": "client.address", "user_agent": "user_agent.original", "user_id": "audit.actor.id",
		"agent_id": "audit.actor.id", "error_message": "exception.message", "success": "audit.outcome",
	}
	but := func(changes map[string]string) map[string]string {
		m := maps.Clone(all)
		for name, from := range changes {
			if m[name] = from; from == "" {
				delete(m, name)
			}
		}
		return m
	}
	for want, from := range map[string]map[string]string{
		`{"$usual":true}`: all,
		`{"$usual":true,"level":"audit.level","timestamp":"clock","user_id":"enduser.id"}`: but(map[string]string{"level": "audit.level", "timestamp": "clock", "user_id": "enduser.id"}),
		`{"$usual":true,"event_id":"","operation":"event.name"}`:                           but(map[string]string{"event_id": "", "operation": "event.name"}),
		`{"event_id":"audit.record.id"}`:                                                   {"event_id": "audit.record.id"},
		// Six of eleven are more than five, five of ten others are not.
		`{"$usual":true,"agent_id":"","error_message":"","session_id":"","source_ip":"","user_agent":""}`: but(map[string]string{"agent_id": "", "error_message": "", "session_id": "", "source_ip": "", "user_agent": ""}),
		`{"category":"c","event_id":"audit.record.id","level":"l","operation":"audit.action","resource_id":"audit.target.id","resource_type":"audit.target.type","user_id":"audit.actor.id"}`: {
			"category": "c", "event_id": "audit.record.id", "level": "l", "operation": "audit.action", "resource_id": "audit.target.id", "resource_type": "audit.target.type", "user_id": "audit.actor.id",
		},
	} {
		// That it is taken also means that it is how this is written: Parse takes one form alone.
		again, err := event.Parse([]byte(eventtest.With(`"agent_id":"a"`, `"error_message":"e"`, `"session_id":"s"`, `"source_ip":"::1"`,
			`"user_agent":"b"`, `"user_id":"u"`, `"success":false`, `"mapped_from":`+want)))
		if err != nil || !maps.Equal(again.MappedFrom, from) {
			t.Errorf("%s is read as %v, %v", want, again, err)
		}
	}
	for _, bad := range []string{
		`{"$usual":false,"event_id":"audit.record.id"}`, `{"$usual":true,"event_id":"audit.record.id"}`,
		`{"$usual":"x","event_id":"a"}`, `{"$usual":true,"event_id":"","operation":"","resource_id":"","resource_type":""}`,
	} {
		assert.False(t, parses(eventtest.With(`"mapped_from":`+bad)), "is taken")
	}
	// A null outcome is nobody's, unless it is said.
	in := `"mapped_from":{"$usual":true,"success":"audit.outcome"}`
	if e, err := event.Parse([]byte(eventtest.With(in))); err != nil || e.MappedFrom["success"] != "audit.outcome" || e.Success != event.OutcomeUnknown {
		t.Errorf("%s is read as %v, %v", in, e, err)
	}
}

// An event cut short, or with any one byte changed, does not say what it said: it is
// refused, or it is another event.
func TestEveryByteCounts(t *testing.T) {
	for _, v := range eventtest.Vectors(t) {
		if len(v.Event) > 1500 {
			continue
		}
		want, err := event.Parse([]byte(v.Event))
		require.NoError(t, err)
		in := []byte(v.Event)
		for i := range in {
			assert.False(t, parses(string(in[:i])), "%s: the first %d bytes are an event", v.Name, i)
			for _, b := range []byte{in[i] ^ 1, in[i] ^ 0x20, ' ', '"', '\\', '0', 0xff} {
				was := in[i]
				in[i] = b
				if e, err := event.Parse(in); b != was && err == nil && reflect.DeepEqual(e, want) {
					t.Errorf("%s: byte %d may be %q as well", v.Name, i, b)
				}
				in[i] = was
			}
		}
	}
}

// Errors say where, and do not repeat hostile text at length.
func TestErrorsAreShort(t *testing.T) {
	long := strings.Repeat("\x1b[31m", 100_000)
	quoted := strings.Repeat(`\u001b[31m`, 100_000)
	for _, in := range []string{
		eventtest.With(`"level":"` + quoted + `"`), eventtest.With(`"category":"` + quoted + `"`), eventtest.With(`"` + quoted + `":1`), eventtest.With(`"metadata":{"` + quoted + `":1,"` + quoted + `":1}`),
		eventtest.With(`"metadata":{"` + quoted + `":1,"\u0000":1}`), eventtest.With(`"metadata":{"$` + quoted + `":1}`), eventtest.With(`"mapped_from":{"` + quoted + `":"x"}`),
		eventtest.With(`"mapped_from":{"timestamp":"` + quoted + `"}`), eventtest.With(`"body":{"$int":"` + quoted + `"}`), long,
	} {
		_, err := event.Parse([]byte(in))
		if err == nil || len(err.Error()) > 400 || strings.ContainsRune(err.Error(), '\x1b') {
			t.Errorf("%.60s…: %.500v", in, err)
		}
	}
}
