// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package eventjson_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/eventtest"
)

// A JSON text that says the same in another way is refused.
func TestScanRefusesVariations(t *testing.T) {
	enc := eventtest.NewEncoder(t)
	rapid.Check(t, func(t *rapid.T) {
		b := eventtest.Encode(t, enc, eventtest.DrawLogs(t))
		v := variation{rand: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)), odds: rapid.SampledFrom([]int{2, 20, 200}).Draw(t, "odds")}
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		other := v.value(nil, d)
		var s eventjson.Summary
		if err := eventjson.Scan(other, &s); err == nil && !bytes.Equal(other, b) {
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
