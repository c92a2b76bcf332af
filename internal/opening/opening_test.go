// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package opening_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
	"github.com/otel-auditlog/auditlogexporter/internal/opening"
)

// commitment is a withheld value as it stands in an event.
func commitment(w event.Withheld) string {
	return `{"$commit":"` + base64.StdEncoding.EncodeToString(w[:]) + `"}`
}

// withMembers is an event with members in place of its metadata; before and after come
// before and after it.
func withMembers(before, metadata, after string) []byte {
	return []byte(`{` + before + `"category":"system_health","event_id":"e","level":"info","metadata":` + metadata +
		`,"operation":"o",` + after + `"resource_id":"i","resource_type":"t","success":true,"timestamp":"2026-11-23T10:00:00.000000000Z"}`)
}

func TestWithheldValues(t *testing.T) {
	one, two := event.Withheld{1}, event.Withheld{2}
	at := func(pointer string) opening.Place { return (&opening.Opening{Pointer: pointer}).Place() }
	for name, c := range map[string]struct {
		canonical []byte
		want      []opening.Commitment // nil: malformed
	}{
		"none":            {withMembers("", `{"a":1}`, ""), []opening.Commitment{}},
		"of an attribute": {withMembers("", `{"a":`+commitment(one)+`,"b":1}`, ""), []opening.Commitment{{at("/metadata/a"), one}}},
		"deep":            {withMembers("", `{"a/b~":{"c":[0,`+commitment(one)+`]},"b":`+commitment(two)+`}`, ""), []opening.Commitment{{at("/metadata/a~1b~0/c/1"), one}, {at("/metadata/b"), two}}},
		"the body":        {withMembers(`"body":`+commitment(one)+`,`, `{}`, ""), []opening.Commitment{{at("/body"), one}}},
		"in the body":     {withMembers(`"body":[`+commitment(one)+`],`, `{}`, ""), []opening.Commitment{{at("/body/0"), one}}},
		"of a resource":   {withMembers("", `{}`, `"resource":{"attributes":{"a":`+commitment(one)+`}},`), []opening.Commitment{{at("/resource/attributes/a"), one}}},
		"a key of many":   {withMembers("", `{"$more":[["a",`+commitment(one)+`]],"a":1}`, ""), []opening.Commitment{{at("/metadata/$more/0/1"), one}}},
		"all metadata":    {withMembers("", commitment(one), ""), nil},
		"of event_name":   {withMembers(`"body":1,`, `{}`, `"resource":{"schema_url":`+commitment(one)+`},`), nil},
		"of another size": {withMembers("", `{"a":{"$commit":"AAAA"}}`, ""), nil},
		"no text":         {withMembers("", `{"a":{"$commit":1}}`, ""), nil},
		"with a member":   {withMembers("", `{"a":`+strings.Replace(commitment(one), "}", `,"b":1}`, 1)+`}`, ""), nil},
	} {
		var s eventjson.Summary
		require.NoError(t, eventjson.Scan(c.canonical, &s), name)
		got, err := opening.Commitments(c.canonical)
		e, parseErr := event.Parse(c.canonical)
		if c.want == nil {
			assert.Error(t, err, name)
			assert.Error(t, parseErr, name)
			continue
		}
		require.NoError(t, err, name)
		assert.ElementsMatch(t, c.want, got, name)
		require.NoError(t, parseErr, name)
		logs, err := mapping.Logs(e)
		require.NoError(t, err, name)
		assert.Equal(t, 1, logs.LogRecordCount())
	}
}

// What a client calls "$commit" is no commitment, nor is one that is written again.
func TestNobodyForgesAWithheldValue(t *testing.T) {
	enc, err := mapping.NewEncoder(mapping.Default())
	require.NoError(t, err)
	enc.SetResource(pcommon.NewResource(), "")
	enc.SetScope(pcommon.NewInstrumentationScope(), "")
	r := plog.NewLogRecord()
	r.Attributes().PutStr("$commit", strings.Repeat("A", 43)+"=")
	r.Attributes().PutEmptyMap("a").PutStr("$commit", strings.Repeat("A", 43)+"=")
	r.Attributes().PutStr("b", `{"$commit":"`+strings.Repeat("A", 43)+`="}`)
	r.Body().SetEmptyMap().PutStr("$commit", strings.Repeat("A", 43)+"=")
	canonical, _, err := enc.Append(nil, r)
	require.NoError(t, err)
	got, err := opening.Commitments(canonical)
	assert.NoError(t, err)
	assert.Empty(t, got)

	e, err := event.Parse(withMembers("", `{"a":`+commitment(event.Withheld{1})+`}`, ""))
	require.NoError(t, err)
	logs, err := mapping.Logs(e)
	require.NoError(t, err)
	again, _, err := enc.Append(nil, logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0))
	require.NoError(t, err)
	got, err = opening.Commitments(again)
	assert.NoError(t, err)
	assert.Empty(t, got)
	assert.Contains(t, string(again), `{"$$commit":"`)
}

func TestOpenings(t *testing.T) {
	o := opening.Opening{Leaf: 7, Pointer: "/metadata/user.name", Salt: [32]byte{9}, Value: []byte(`"alice"`)}
	line := opening.Append(nil, &o)
	assert.Equal(t, `{"leaf":7,"pointer":"/metadata/user.name","salt":"CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","value":"alice"}`, string(line))
	assert.Equal(t, event.Withheld(sha256.Sum256(append(append([]byte("auditlog value v1\n"), o.Salt[:]...), `"alice"`...))), o.Commitment())
	got, err := opening.Parse(line)
	require.NoError(t, err)
	assert.Equal(t, &o, got)
	with := func(old, new string) string { return strings.Replace(string(line), old, new, 1) }
	for _, good := range []string{with(`"alice"`, `{"a":[1,null,true,{"$int":"9007199254740993"}]}`), with(`"alice"`, `null`), with("/metadata/user.name", "/body"), with("user.name", "~0~1")} {
		_, err := opening.Parse([]byte(good))
		assert.NoError(t, err, good)
	}
	for _, bad := range []string{
		"", "{}", string(line[:len(line)-1]), string(line) + " ", with(`"leaf":7`, `"leaf":07`), with(`"leaf":7`, `"leaf":-7`), with(`"leaf":7`, `"leaf":9007199254740992`),
		with("/metadata", "metadata"), with("user.name", "~"), with("user.name", "~2"), with("/metadata/user.name", strings.Repeat("/a", 200)), with("CQAA", "CQA"), with("AAAA=", "AAAB="),
		with(`"alice"`, ` "alice"`), with(`"alice"`, `"alice`), with(`"alice"`, `5.0`), with(`"alice"`, `{"b":1,"a":1}`), with(`"alice"`, commitment(event.Withheld{})), with(`"alice"`, `{"$x":1}`), with(`"alice"`, "\"\xff\""),
		with(`"pointer"`, `"Pointer"`), with(`}`, `,"x":1}`),
	} {
		_, err := opening.Parse([]byte(bad))
		assert.Error(t, err, bad)
	}
}

func FuzzParseOpening(f *testing.F) {
	o := opening.Opening{Leaf: 7, Pointer: "/metadata/user.name", Salt: [32]byte{9}, Value: []byte(`{"a":[1,"x"]}`)}
	f.Add(opening.Append(nil, &o))
	o.Pointer, o.Value = "/body/~0~1/3", []byte(`{"$bytes":"AAAA"}`)
	f.Add(opening.Append(nil, &o))
	f.Fuzz(func(t *testing.T, line []byte) {
		o, err := opening.Parse(line)
		if err != nil {
			return
		}
		if again := opening.Append(nil, o); !bytes.Equal(again, line) {
			t.Errorf("%q has another form, %q", line, again)
		}
		o.Place()
		o.Commitment()
	})
}

func FuzzCommitments(f *testing.F) {
	f.Add(withMembers("", `{"a/b~":{"c":[0,`+commitment(event.Withheld{1})+`]},"b":`+commitment(event.Withheld{2})+`}`, ""))
	f.Add(withMembers(`"body":`+commitment(event.Withheld{1})+`,`, `{}`, `"resource":{"attributes":{"a":`+commitment(event.Withheld{3})+`}},`))
	f.Fuzz(func(t *testing.T, canonical []byte) {
		if _, err := event.Parse(canonical); err != nil {
			return
		}
		if _, err := opening.Commitments(canonical); err != nil {
			t.Errorf("%q is good, and %v", canonical, err)
		}
	})
}
