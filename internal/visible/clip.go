// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package visible

import "unicode/utf8"

// Clip shortens s to about n bytes, between two characters, and marks it if it did.
func Clip[S string | []byte](s S, n int) string {
	if len(s) <= n {
		return string(s)
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return string(s[:n]) + "…"
}
