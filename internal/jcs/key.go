// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package jcs

import "cmp"

// CompareKeys orders strings by their UTF-16 code units (RFC 8785, section
// 3.2.3). UTF-8 bytes order alike, except that characters beyond the Basic
// Multilingual Plane (first byte F0 and above) come before U+E000 to U+FFFF (EE,
// EF).
func CompareKeys[S string | []byte](a, b S) int {
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
