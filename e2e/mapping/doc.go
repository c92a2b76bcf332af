// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package mapping tests that the exporter's default mapping makes of each record of package
// emit the event that emit documents. Package emit cannot: it must not require a collector.
package mapping
