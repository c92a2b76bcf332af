// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package tagged

import "encoding/base64"

// AppendBool appends a boolean.
func AppendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, "true"...)
	}
	return append(dst, "false"...)
}

// AppendDeep appends a value that is given in canonical JSON as text.
func AppendDeep(dst, text []byte) []byte {
	dst = append(dst, `{"$json":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, text)
	return append(dst, `"}`...)
}

// AppendPair begins an element of $more: the key, for the value to follow.
func AppendPair(dst []byte, key string, first bool) []byte {
	if first {
		dst = append(dst, "[["...)
	} else {
		dst = append(dst, ",["...)
	}
	dst = AppendString(dst, key)
	return append(dst, ',')
}

// CloseObject ends an object whose members begin at start, a comma behind each.
func CloseObject(dst []byte, start int) []byte {
	if len(dst) == start {
		return append(dst, '}')
	}
	dst[len(dst)-1] = '}'
	return dst
}
