// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"cmp"
	"encoding/base64"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendText appends s as a JSON string (RFC 8785, section 3.2.2.2). s is valid
// UTF-8.
func appendText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// appendString appends a string value, tagged if it is not UTF-8.
func appendString(dst []byte, s string) []byte {
	if utf8.ValidString(s) {
		return appendText(dst, s)
	}
	dst = append(dst, `{"$bytes":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, []byte(s))
	return append(dst, `","$string":true}`...)
}

// appendBytes appends a byte string value.
func appendBytes(dst, b []byte) []byte {
	dst = append(dst, `{"$bytes":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, `"}`...)
}

// maxSafeInteger is the largest integer below which all can be told apart in an
// IEEE 754 double (RFC 8785, section 3.2.2.3).
const maxSafeInteger = 1<<53 - 1

func appendInt(dst []byte, v int64) []byte {
	if v >= -maxSafeInteger && v <= maxSafeInteger {
		return strconv.AppendInt(dst, v, 10)
	}
	dst = append(dst, `{"$int":"`...)
	dst = strconv.AppendInt(dst, v, 10)
	return append(dst, `"}`...)
}

// appendDouble appends a double in a form that no integer has.
func appendDouble(dst []byte, v float64) []byte {
	if !math.IsNaN(v) && !math.IsInf(v, 0) {
		start := len(dst)
		dst = appendNumber(dst, v)
		for _, c := range dst[start:] {
			if c == '.' || c == 'e' {
				return dst
			}
		}
		dst = dst[:start]
	}
	dst = append(dst, `{"$double":"`...)
	dst = appendDoubleText(dst, v)
	return append(dst, `"}`...)
}

// goNaN is what math.NaN returns, and what OTLP's JSON form decodes to.
var goNaN = math.Float64bits(math.NaN())

// appendDoubleText appends what stands within the tag $double.
func appendDoubleText(dst []byte, v float64) []byte {
	switch {
	case math.IsInf(v, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(v, -1):
		return append(dst, "-Infinity"...)
	case math.IsNaN(v):
		dst = append(dst, "NaN"...)
		if bits := math.Float64bits(v); bits != goNaN {
			dst = append(dst, "(0x"...)
			dst = appendHex(dst, bits, 16)
			dst = append(dst, ')')
		}
		return dst
	case v == 0 && math.Signbit(v):
		return append(dst, "-0"...)
	default:
		return appendNumber(dst, v)
	}
}

func appendHex(dst []byte, v uint64, digits int) []byte {
	for i := digits - 1; i >= 0; i-- {
		dst = append(dst, hexDigits[v>>(4*i)&15])
	}
	return dst
}

// appendNumber appends a finite number as ECMAScript prints it (RFC 8785, section
// 3.2.2.3; ECMA-262, Number::toString).
func appendNumber(dst []byte, v float64) []byte {
	if v == 0 {
		return append(dst, '0')
	}
	if abs := math.Abs(v); abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(dst, v, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, v, 'e', -1, 64)
	// Go writes at least two digits of exponent, ECMAScript no more than it needs.
	if n := len(dst); n >= 4 && dst[n-2] == '0' && (dst[n-3] == '-' || dst[n-3] == '+') {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// compareKeys orders strings by their UTF-16 code units (RFC 8785, section
// 3.2.3). UTF-8 bytes order alike, except that characters beyond the Basic
// Multilingual Plane (first byte F0 and above) come before U+E000 to U+FFFF (EE,
// EF).
func compareKeys[S string | []byte](a, b S) int {
	for i := range min(len(a), len(b)) {
		if a[i] == b[i] {
			continue
		}
		if beyond := a[i] >= 0xf0; beyond != (b[i] >= 0xf0) && min(a[i], b[i]) >= 0xee {
			if beyond {
				return -1
			}
			return 1
		}
		return cmp.Compare(a[i], b[i])
	}
	return cmp.Compare(len(a), len(b))
}

// appendTime appends nanoseconds since the Unix epoch as RFC 3339, UTC, with nine
// digits of fraction.
func appendTime(dst []byte, ns uint64) []byte {
	t := time.Unix(int64(ns/1e9), 0).UTC()
	dst = append(dst, '"')
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = appendDigits(dst, uint64(year), 4)
	dst = append(dst, '-')
	dst = appendDigits(dst, uint64(month), 2)
	dst = append(dst, '-')
	dst = appendDigits(dst, uint64(day), 2)
	dst = append(dst, 'T')
	dst = appendDigits(dst, uint64(hour), 2)
	dst = append(dst, ':')
	dst = appendDigits(dst, uint64(minute), 2)
	dst = append(dst, ':')
	dst = appendDigits(dst, uint64(second), 2)
	dst = append(dst, '.')
	dst = appendDigits(dst, ns%1e9, 9)
	return append(dst, 'Z', '"')
}

func appendDigits(dst []byte, v uint64, digits int) []byte {
	n := len(dst)
	for range digits {
		dst = append(dst, '0')
	}
	for i := n + digits - 1; i >= n; i-- {
		dst[i] = '0' + byte(v%10)
		v /= 10
	}
	return dst
}

const timeLayout = "2006-01-02T15:04:05.000000000Z"

// parseTime reads what appendTime writes, without the quotes.
func parseTime(b []byte) (ns uint64, ok bool) {
	if len(b) != len(timeLayout) {
		return 0, false
	}
	t, err := time.Parse(timeLayout, string(b))
	if err != nil || t.Unix() < 0 {
		return 0, false
	}
	secs := uint64(t.Unix())
	if secs > math.MaxUint64/1_000_000_000 {
		return 0, false
	}
	ns = secs*1e9 + uint64(t.Nanosecond())
	if ns < secs*1e9 {
		return 0, false
	}
	return ns, true
}
