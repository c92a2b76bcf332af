// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package tagged

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
)

// AppendInt appends an integer, tagged if not every parser reads it exactly.
func AppendInt(dst []byte, v int64) []byte {
	if v >= -jcs.MaxSafeInteger && v <= jcs.MaxSafeInteger {
		return strconv.AppendInt(dst, v, 10)
	}
	dst = append(dst, `{"$int":"`...)
	dst = strconv.AppendInt(dst, v, 10)
	return append(dst, `"}`...)
}

// AppendDouble appends a double in a form that no integer has.
func AppendDouble(dst []byte, v float64) []byte {
	if !math.IsNaN(v) && !math.IsInf(v, 0) {
		start := len(dst)
		dst = jcs.AppendNumber(dst, v)
		if IsDouble(dst[start:]) {
			return dst
		}
		dst = dst[:start]
	}
	dst = append(dst, `{"$double":"`...)
	dst = AppendDoubleText(dst, v)
	return append(dst, `"}`...)
}

// IsDouble tells a double's number from an integer's.
func IsDouble(number []byte) bool {
	for _, c := range number {
		if c == '.' || c == 'e' {
			return true
		}
	}
	return false
}

// NaN is what math.NaN returns, and what OTLP's JSON form decodes to.
var NaN = math.Float64bits(math.NaN())

// AppendDoubleText appends what stands within the tag $double.
func AppendDoubleText(dst []byte, v float64) []byte {
	switch {
	case math.IsInf(v, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(v, -1):
		return append(dst, "-Infinity"...)
	case math.IsNaN(v):
		dst = append(dst, "NaN"...)
		if bits := math.Float64bits(v); bits != NaN {
			dst = append(dst, "(0x"...)
			dst = AppendHex(dst, binary.BigEndian.AppendUint64(nil, bits))
			dst = append(dst, ')')
		}
		return dst
	case v == 0 && math.Signbit(v):
		return append(dst, "-0"...)
	default:
		return jcs.AppendNumber(dst, v)
	}
}
