// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package issuer writes a receipt (package receipt) for each event that a log has taken
// in, to rotating files in a directory of their own.
//
// An [Issuer] reads the log's own files behind the writer, up to what is durable, so the
// writer never waits for it, and a receipt is for what is on disk. What it has written
// says how far it is: after a crash, or once there is room again, it goes on from there,
// and each event gets its receipt, once. Only what retention deletes first, or what has
// been damaged, goes without; that is counted.
package issuer
