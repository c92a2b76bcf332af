// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/eventtest"
)

// The example of RFC 8785, section 3.2.2, with its keys in the order of section
// 3.2.3: literals, the escapes that strings have, and numbers.
func TestRFC8785Example(t *testing.T) {
	logs := eventtest.RecordOf(t, "", nil)
	m := eventtest.RecordIn(logs).Body().SetEmptyMap()
	numbers := m.PutEmptySlice("numbers")
	for _, v := range []float64{333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001} {
		numbers.AppendEmpty().SetDouble(v)
	}
	m.PutStr("string", "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"/")
	literals := m.PutEmptySlice("literals")
	literals.AppendEmpty()
	literals.AppendEmpty().SetBool(true)
	literals.AppendEmpty().SetBool(false)
	want := `{"body":{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"},`
	b := eventtest.Encode(t, eventtest.NewEncoder(t), logs)
	assert.True(t, strings.HasPrefix(string(b), want), "%s\n", b)
}

// The example of RFC 8785, section 3.2.3: keys are in order of their UTF-16 code
// units, which is neither that of their characters nor that of their bytes.
func TestRFC8785Sorting(t *testing.T) {
	logs := eventtest.RecordOf(t, "", nil)
	m := eventtest.RecordIn(logs).Body().SetEmptyMap()
	for key, value := range map[string]string{
		"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
		"\U0001f600": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis",
	} {
		m.PutStr(key, value)
	}
	var order []string
	b := eventtest.Encode(t, eventtest.NewEncoder(t), logs)
	for _, value := range []string{
		"Carriage Return", "One", "Control", "Latin Small Letter O With Diaeresis", "Euro Sign", "Emoji: Grinning Face", "Hebrew Letter Dalet With Dagesh",
	} {
		order = append(order, fmt.Sprintf("%09d %s", bytes.Index(b, []byte(value)), value))
	}
	if !slices.IsSorted(order) || strings.HasPrefix(order[0], "-") {
		t.Errorf("%q in %s", order, b)
	}
}

// Keys are sorted as UTF-16 says, in attributes and in maps.
func TestKeysAreSorted(t *testing.T) {
	enc := eventtest.NewEncoder(t)
	rapid.Check(t, func(t *rapid.T) {
		logs := plog.NewLogs()
		logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		m := eventtest.RecordIn(logs).Body().SetEmptyMap()
		for range rapid.IntRange(2, 5).Draw(t, "keys") {
			key := rapid.StringOfN(rapid.RuneFrom([]rune("a$%\u007f\u0080\ud7ff\ue000\ufffd\uffff\U00010000\U0010ffff")), 0, 3, -1).Draw(t, "key")
			m.PutBool(key, true)
			eventtest.RecordIn(logs).Attributes().PutBool(key, true)
		}
		b := eventtest.Encode(t, enc, logs)
		for _, object := range []string{"body", "metadata"} {
			keys := keysOf(t, b, object)
			require.True(t, slices.IsSortedFunc(keys, func(a, b string) int { return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b))) }), "%q in %s", keys, b)
		}
	})
}

// keysOf returns the keys of one of an event's objects in the order they stand.
func keysOf(t *rapid.T, b []byte, object string) (keys []string) {
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(b, &members))
	d := json.NewDecoder(bytes.NewReader(members[object]))
	for d.More() {
		token, err := d.Token()
		require.NoError(t, err)
		if key, ok := token.(string); ok {
			keys = append(keys, key)
		}
	}
	return keys
}
