// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package logdir reads the directory of an audit log: what is in it, in which order, and
// where it ends. All of it goes through an [io/fs.FS], which follows no links and opens no
// pipes; the log may be in use meanwhile. There are few types:
//
//   - [Segment] is a segment in whichever forms it is there. [Segments] lists them, and [Open]
//     reads one: a segment that is compressed while it is being looked for is found under its
//     new name, so an error that wraps [fs.ErrNotExist] means that retention has deleted it.
//   - [Head] is what stands in a segment's first lines: its header, and where the log says of
//     itself that it has changed its key or begun a segment.
//   - [End] says where the log ends: at its last commit, and at the last one that is known to
//     be on stable storage. [FindEnd] is the only definition of that; [DurableCheckpoint] and
//     [NewestCheckpoint] are made of it.
//   - [Tail] reads the log's lines in order and goes on where it stopped, while the log grows,
//     is rotated, compressed and pruned.
//   - [Checked] reads lines, too, and returns only such as a checkpoint covers that one of the
//     given keys has signed. A [CheckedLine] can be had from nowhere else.
//
// The files next to the segments have one reader each: [Checkpoint], [KeyChanges] and
// [PrunedRanges].
//
// All but Checked believe what they read: they are for programs that show a log, or that
// check by themselves. Whoever acts on what a log says reads it through Checked, or verifies
// it first (package verify).
//
// # Errors
//
// [Malformed] tells what is wrong with a file from what kept it from being read. A [LineError]
// says which line of a file it is.
//
// # Bounds
//
// Memory is bounded by the longest line ([segline.MaxBytes]), in Checked by the largest
// commit, and files next to the segments by what the writer can write into them. Reading
// costs a few large reads for each file and no look at a file for each line, so that the file
// system may be a remote one. A context ends every wait.
package logdir
