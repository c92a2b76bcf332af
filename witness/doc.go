// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package witness checks the cosignatures of witnesses on a log's checkpoints
// (c2sp.org/tlog-cosignature, of type Ed25519).
//
// A witness remembers the newest checkpoint of a log that it has seen. It cosigns
// another only if that extends it, so that whoever trusts the witness knows that
// the log has not been rolled back, rewritten or forked since. It sees checkpoints
// and proofs, never events.
//
// Its functions are safe for concurrent use.
package witness
