// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/otel-auditlog/auditlogexporter/internal/visible"

// plain makes text from a log safe to print on a terminal.
func plain(s string) string { return visible.Text(s) }
