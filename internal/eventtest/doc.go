// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package eventtest makes log records and events for tests: those that are hard to get right, those
// that services send, and the golden vectors of testdata/event.
package eventtest
