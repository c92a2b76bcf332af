// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package idempotency remembers, of the events of a log's recent past, the ids that their
// records brought, and what they said. A record that is sent again, because the answer
// got lost on the way, is known by it and need not be written twice; another record with
// the same id is told from that.
package idempotency
