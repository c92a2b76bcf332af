// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"encoding/binary"
	"math"
	"strconv"
)

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
		if isDouble(dst[start:]) {
			return dst
		}
		dst = dst[:start]
	}
	dst = append(dst, `{"$double":"`...)
	dst = appendDoubleText(dst, v)
	return append(dst, `"}`...)
}

// isDouble tells a double's number from an integer's.
func isDouble(number []byte) bool {
	for _, c := range number {
		if c == '.' || c == 'e' {
			return true
		}
	}
	return false
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
			dst = appendHex(dst, binary.BigEndian.AppendUint64(nil, bits))
			dst = append(dst, ')')
		}
		return dst
	case v == 0 && math.Signbit(v):
		return append(dst, "-0"...)
	default:
		return appendNumber(dst, v)
	}
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
	if n := len(dst); dst[n-2] == '0' && (dst[n-3] == '-' || dst[n-3] == '+') {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}
