// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package verify checks an audit log offline: that it is complete, unchanged and
// written by the holder of its key.
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

// The files stand on floors; each refers to those below it only, which the command
// tools/structure counts:
//
//	verify                        entry: the passes over the log, and the report
//	join, duplicates              what the segments are together; the checks of it are in
//	                              introduction, retention, known, witness, kept*, ranges, …
//	segment                       one segment, from its header to its end
//	follow                        its lines in order; each kind has a file: event, commit,
//	                              checkpoint, logevents, openings, locate
//	settle, leaf, follower        what a signed checkpoint covers, and what is read until then
//	chunk                         one line by itself, on all CPUs
//	listing, head, authorize      which files there are, and whose signatures count in each
//	checker, result, authority    what all of them know
//	findings                      newFinding, where every finding is born
//	kinds, options, report        the package's API
