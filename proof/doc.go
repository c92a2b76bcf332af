// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package proof proves that single events are in a log, and checks such proofs and receipts with
// nothing but the keys that the caller trusts: without the log, offline.
//
// [Prove] makes the proof of an event from a log's directory. [Inclusion.Marshal] and [Parse] are
// its text form (c2sp.org/tlog-proof), whose extra data are those of docs/format.md, section 7.2.
// [Check] checks a proof, and [CheckReceipts] receipts by themselves. [OpenCheckpoint] checks who has
// signed a checkpoint of a log at hand.
//
// All functions may be called by several goroutines.
package proof
