// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"

	"github.com/otel-auditlog/auditlogexporter/internal/visible"
)

// plain makes text from a log safe to print on a terminal, where a line has room for
// nothing else.
func plain(s string) string { return visible.Text(s) }

// value is plain for a text that others follow, or that follows others: it is quoted if it
// might be taken for them.
func value(s string) string { return visible.Value(s) }

// values are several.
func values(all []string) string {
	quoted := make([]string, len(all))
	for i, s := range all {
		quoted[i] = value(s)
	}
	return strings.Join(quoted, ", ")
}
