// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package signing holds the keys of an audit log, its event signatures and its
// checkpoints.
//
// A log has a key pair, P-256 or Ed25519. The private key signs each event (in
// scope event) and each checkpoint: a C2SP signed note over the log's origin,
// tree size and root hash. Both signatures are standard ones over plain bytes, so
// that openssl or a key-management service can make and check them.
//
// The messages cannot be confused: an event's begins with '{', a checkpoint's
// with the origin, and [ValidateOrigin] refuses origins that begin with '{'.
//
// Which algorithm a signature has is decided by the key that the verifier
// trusts, never by what a file says.
package signing
