// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package tagged writes the values of OTLP in canonical JSON. What JSON cannot hold exactly is
// tagged: docs/format.md, section 6.2.
package tagged
