// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package e2e tests the whole path with real programs: a collector that ocb has
// built, clients that send to it, and the auditlog command that checks what it wrote.
//
// The tests have the build tag e2e. They find the collector at
// build/otelcol-auditlog/otelcol-auditlog and telemetrygen at
// .tools/bin/telemetrygen, or where AUDITLOG_COLLECTOR and AUDITLOG_TELEMETRYGEN say,
// and build the auditlog command themselves:
//
//	go test -tags e2e ./e2e
package e2e
