// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package jcs

import (
	"math"
	"strconv"
)

// MaxSafeInteger is the largest integer below which all can be told apart in an
// IEEE 754 double (RFC 8785, section 3.2.2.3).
const MaxSafeInteger = 1<<53 - 1

// AppendNumber appends a finite number as ECMAScript prints it (RFC 8785, section
// 3.2.2.3; ECMA-262, Number::toString).
func AppendNumber(dst []byte, v float64) []byte {
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
