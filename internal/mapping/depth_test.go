// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/eventtest"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
)

// nested returns how many arrays and maps are around the text that nest has put
// into them, and the text.
func nested(v pcommon.Value) (depth int, text string) {
	for {
		switch v.Type() {
		case pcommon.ValueTypeSlice:
			v = v.Slice().At(0)
		case pcommon.ValueTypeMap:
			v, _ = v.Map().Get("k")
		default:
			return depth, v.AsString()
		}
		depth++
	}
}

// levels returns how deeply arrays and objects are nested in JSON.
func levels(b []byte) (deepest int) {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// A value is nested up to 100 levels in JSON wherever it stands, so that common
// parsers can read every event, and is carried whole beyond that.
func TestDepth(t *testing.T) {
	places := map[string]func(plog.Logs) pcommon.Value{
		"body": func(l plog.Logs) pcommon.Value { return eventtest.RecordIn(l).Body() },
		"attribute": func(l plog.Logs) pcommon.Value {
			v, _ := eventtest.RecordIn(l).Attributes().GetOrPutEmpty("a")
			return v
		},
		"resource": func(l plog.Logs) pcommon.Value {
			v, _ := l.ResourceLogs().At(0).Resource().Attributes().GetOrPutEmpty("a")
			return v
		},
		"scope": func(l plog.Logs) pcommon.Value {
			v, _ := l.ResourceLogs().At(0).ScopeLogs().At(0).Scope().Attributes().GetOrPutEmpty("a")
			return v
		},
	}
	for place, value := range places {
		depths := []int{1, 99, 100, 101, 102, 1000}
		if place == "body" {
			depths = append(depths, 200_000)
		}
		for _, depth := range depths {
			t.Run(fmt.Sprintf("%s %d", place, depth), func(t *testing.T) {
				logs := eventtest.RecordOf(t, "", nil)
				eventtest.Nest(value(logs), depth)
				b := eventtest.Encode(t, eventtest.NewEncoder(t), logs)
				assert.LessOrEqual(t, levels(b), 104, "levels of JSON")
				if got, want := strings.Contains(string(b), `{"$json":"`), depth > 100; got != want {
					t.Errorf("carried as text: %t, want %t", got, want)
				}
				got, text := nested(value(eventtest.Decode(t, b)))
				assert.Equal(t, depth, got)
				assert.Equal(t, "bottom", text)
			})
		}
		t.Run(place+" too deep", func(t *testing.T) {
			logs := eventtest.RecordOf(t, "", nil)
			eventtest.Nest(value(logs), 200_001)
			enc := eventtest.NewEncoder(t)
			enc.SetResource(logs.ResourceLogs().At(0).Resource(), "")
			enc.SetScope(logs.ResourceLogs().At(0).ScopeLogs().At(0).Scope(), "")
			b, _, err := enc.Append([]byte("before"), eventtest.RecordIn(logs))
			assert.ErrorIs(t, err, mapping.ErrTooDeep, "appended %.40q", b)
			assert.Equal(t, "before", string(b), "appended %.40q", b)
			// The next is none the worse for it.
			eventtest.Encode(t, enc, eventtest.RecordOf(t, "", nil))
		})
	}
}

// The deepest nesting in JSON that a record can have: each key twice, so that each
// level takes three.
func TestDepthOfRepeatedKeys(t *testing.T) {
	v := eventtest.BytesField(nil, 1, []byte("bottom"))
	for range 1000 {
		empty := eventtest.BytesField(nil, 1, []byte("k"))
		v = eventtest.BytesField(nil, 6, eventtest.BytesField(eventtest.BytesField(nil, 1, empty), 1, eventtest.BytesField(empty, 2, v)))
	}
	logs := eventtest.Unmarshal(t, eventtest.BytesField(nil, 5, v))
	again := eventtest.Decode(t, eventtest.Encode(t, eventtest.NewEncoder(t), logs))
	for _, v := range []pcommon.Value{eventtest.RecordIn(logs).Body(), eventtest.RecordIn(again).Body()} {
		depth := 0
		for ; v.Type() == pcommon.ValueTypeMap; depth++ {
			if v.Map().Len() != 2 {
				t.Fatalf("%d entries at level %d", v.Map().Len(), depth)
			}
			for _, v = range v.Map().All() { // the last
			}
		}
		if depth != 1000 || v.Str() != "bottom" {
			t.Errorf("%d levels around %q", depth, v.AsString())
		}
	}
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// Hostile text carried as $json does not break the reader.
func TestHostileNesting(t *testing.T) {
	enc := eventtest.NewEncoder(t)
	logs := eventtest.RecordOf(t, "", nil)
	eventtest.Nest(eventtest.RecordIn(logs).Body(), 101)
	b := eventtest.Encode(t, enc, logs)
	before, after, _ := strings.Cut(string(b), `"$json":"`)
	_, after, _ = strings.Cut(after, `"`)
	for name, text := range map[string]string{
		"bottomless":       strings.Repeat("[", 1_000_000),
		"not JSON":         "x",
		"empty":            "",
		"a scalar":         "1",
		"not canonical":    "[ ]",
		"two values":       "[][]",
		"a tag within":     `{"$json":"W10="}`,
		"a needless $json": `[{"$json":"W10="}]`,
	} {
		in := before + `"$json":"` + b64(text) + `"` + after
		_, err := event.Parse([]byte(in))
		assert.Error(t, err, "%s: parsed", name)
	}
	_, err := event.Parse([]byte(before + `"$json":"` + b64(`["bottom"]`) + `"` + after))
	assert.NoError(t, err, "the good one")
}
