// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package verify checks an audit log offline: that it is complete, unchanged and
// written by who holds the key.
//
// [Log] reads every byte of every segment. Each is followed from the tree state in
// its header, on its own and in parallel with others, and the segments are then
// joined. A change to any byte is found, unless it has no meaning (a time stamp in
// a gzip header, say), and named with file, line, leaf index and event.
//
// Trust comes from the caller: the public keys in [Options.Keys]; checkpoints kept
// elsewhere in [Options.Checkpoints], which show that the log has not been cut short;
// and witnesses in [Options.Witnesses], whose cosignatures in the log show that they have
// been shown the same one. Without keys, those that the log itself names are used, and the report
// says that it attests itself: it is then consistent, but anybody could have made
// it.
//
// [Report.Verdict] is OK only if a checkpoint is signed with a trusted key and all that was
// asked for could be checked. Tampering is what the log did; what could not be checked is a
// verdict of its own. Times that decide (ranges, bounds of keys, promises to retain) are
// those of commits and of the verifier's clock, never those that clients say.
//
// The package reads only, through an [io/fs.FS]; it follows no links and opens no
// pipes. Memory is bounded whatever the input.
package verify
