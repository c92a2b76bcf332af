// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"go.opentelemetry.io/collector/pdata/plog"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/event"
)

// The example of RFC 8785, section 3.2.2, with its keys in the order of section
// 3.2.3: literals, the escapes that strings have, and numbers.
func TestRFC8785Example(t *testing.T) {
	logs := recordOf(t, "", nil)
	m := recordIn(logs).Body().SetEmptyMap()
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
	if b := encode(t, newEncoder(t), logs); !strings.HasPrefix(string(b), want) {
		t.Errorf("%s\nwant %s", b, want)
	}
}

// The example of RFC 8785, section 3.2.3: keys are in order of their UTF-16 code
// units, which is neither that of their characters nor that of their bytes.
func TestRFC8785Sorting(t *testing.T) {
	logs := recordOf(t, "", nil)
	m := recordIn(logs).Body().SetEmptyMap()
	for key, value := range map[string]string{
		"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
		"\U0001f600": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis",
	} {
		m.PutStr(key, value)
	}
	var order []string
	b := encode(t, newEncoder(t), logs)
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
	enc := newEncoder(t)
	rapid.Check(t, func(t *rapid.T) {
		logs := plog.NewLogs()
		logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		m := recordIn(logs).Body().SetEmptyMap()
		for range rapid.IntRange(2, 5).Draw(t, "keys") {
			key := rapid.StringOfN(rapid.RuneFrom([]rune("a$%\u007f\u0080\ud7ff\ue000\ufffd\uffff\U00010000\U0010ffff")), 0, 3, -1).Draw(t, "key")
			m.PutBool(key, true)
			recordIn(logs).Attributes().PutBool(key, true)
		}
		b := encode(t, enc, logs)
		for _, object := range []string{"body", "metadata"} {
			keys := keysOf(t, b, object)
			if !slices.IsSortedFunc(keys, func(a, b string) int { return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b))) }) {
				t.Fatalf("%q in %s", keys, b)
			}
		}
	})
}

// keysOf returns the keys of one of an event's objects in the order they stand.
func keysOf(t *rapid.T, b []byte, object string) (keys []string) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(members[object]))
	for d.More() {
		token, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		if key, ok := token.(string); ok {
			keys = append(keys, key)
		}
	}
	return keys
}

// A JSON text that says the same in another way is refused.
func TestScanRefusesVariations(t *testing.T) {
	enc := newEncoder(t)
	rapid.Check(t, func(t *rapid.T) {
		b := encode(t, enc, drawLogs(t))
		v := variation{rand: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)), odds: rapid.SampledFrom([]int{2, 20, 200}).Draw(t, "odds")}
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		other := v.value(nil, d)
		var s event.Summary
		if err := event.Scan(other, &s); err == nil && !bytes.Equal(other, b) {
			t.Fatalf("%s is taken, which is %s", other, b)
		}
	})
}

// variation writes JSON down again, and differently now and then.
type variation struct {
	rand *rand.Rand
	odds int
}

func (v *variation) now() bool { return v.rand.IntN(v.odds) == 0 }

func (v *variation) space(dst []byte) []byte {
	if v.now() {
		return append(dst, " \t\r\n"[v.rand.IntN(4)])
	}
	return dst
}

func (v *variation) value(dst []byte, d *json.Decoder) []byte {
	token, err := d.Token()
	if err != nil {
		panic(err)
	}
	dst = v.space(dst)
	switch token := token.(type) {
	case json.Delim:
		var members [][]byte
		for d.More() {
			var member []byte
			if token == '{' {
				key, _ := d.Token()
				member = append(v.space(v.text(v.space(nil), key.(string))), ':')
			}
			members = append(members, v.value(member, d))
		}
		d.Token()
		if len(members) > 1 && token == '{' && v.now() {
			i := v.rand.IntN(len(members) - 1)
			members[i], members[i+1] = members[i+1], members[i]
		}
		if len(members) > 0 && token == '{' && v.now() {
			members = append(members, members[len(members)-1])
		}
		dst = append(dst, byte(token))
		dst = append(dst, bytes.Join(members, []byte{','})...)
		dst = append(dst, byte(token)+2)
	case string:
		dst = v.text(dst, token)
	case json.Number:
		dst = v.number(dst, string(token))
	case bool:
		dst = strconv.AppendBool(dst, token)
	default:
		dst = append(dst, "null"...)
	}
	return v.space(dst)
}

func (v *variation) text(dst []byte, s string) []byte {
	plain, _ := json.Marshal(s)
	plain = bytes.ReplaceAll(plain, []byte(`\u003c`), []byte("<"))
	plain = bytes.ReplaceAll(plain, []byte(`\u003e`), []byte(">"))
	plain = bytes.ReplaceAll(plain, []byte(`\u0026`), []byte("&"))
	plain = bytes.ReplaceAll(plain, []byte(`\u2028`), []byte("\u2028"))
	plain = bytes.ReplaceAll(plain, []byte(`\u2029`), []byte("\u2029"))
	if s == "" || !v.now() {
		return append(dst, plain...)
	}
	dst = append(dst, '"')
	for _, unit := range utf16.Encode([]rune(s)) {
		dst = fmt.Appendf(dst, [...]string{`\u%04x`, `\u%04X`}[v.rand.IntN(2)], unit)
	}
	return append(dst, '"')
}

func (v *variation) number(dst []byte, s string) []byte {
	if !v.now() {
		return append(dst, s...)
	}
	switch v.rand.IntN(5) {
	case 0:
		return append(append(dst, s...), "e0"...)
	case 1:
		return append(append(dst, s...), ".0"...)
	case 2:
		return append(append(dst, '+'), s...)
	case 3:
		return append(append(dst, '0'), s...)
	default:
		f, _ := strconv.ParseFloat(s, 64)
		return strconv.AppendFloat(dst, f, 'e', 20, 64)
	}
}
