// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package proof proves single events of a log, and checks such proofs. It reads the hashes of a log's Merkle tree that it takes to prove
// something of it: that a leaf is in it, that a tree extends a smaller one.
//
// A [Tree] has a [tlog.HashReader] over a log directory, so that
// golang.org/x/mod/sumdb/tlog makes the proofs. It reads as little as possible: the
// frontier in a segment's header has the hashes of all larger subtrees before it, the
// log's own event rotated those that the segment before contributes, and only hashes
// of subtrees within a segment take reading that segment. What it returns is not
// checked: a proof must be, against a root that somebody signed.
//
// [Prove] makes the proof of an event, [Check] checks one with nothing but the keys that the
// caller trusts, [OpenCheckpoint] a checkpoint and [CheckReceipts] receipts by themselves.
//
// [Inclusion.Marshal] and [Parse] are the text form of a single leaf's proof
// (c2sp.org/tlog-proof).
package proof
