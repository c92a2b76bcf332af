// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package witness is what passes between a log and its witnesses, in bytes: keys,
// cosignatures (c2sp.org/tlog-cosignature, of type Ed25519), and the requests and
// answers of the call add-checkpoint (c2sp.org/tlog-witness).
//
// A witness remembers the newest checkpoint of a log that it has seen. It cosigns
// another only if that extends it, so that whoever trusts the witness knows that
// the log has not been rolled back, rewritten or forked since. It sees checkpoints
// and proofs, never events.
//
// An answer comes over a network, from somebody who may be hostile: it is parsed
// strictly, and a cosignature counts once it has been verified. What a witness says
// without a signature, that it has seen another history, is a reason to look, and
// no proof.
//
// The package speaks to nobody: package client does. Its functions are safe for
// concurrent use.
package witness
