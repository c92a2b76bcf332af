// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package logdir reads the directory of an audit log (docs/format.md): what is in it, in which
// order, and where it ends. All of it goes through an [io/fs.FS], such as [os.Root.FS], and follows
// no links and opens no pipes; the log may be in use meanwhile. There are few functions:
//
//   - [Segments] lists the segments, and [ReadHead] reads what stands in the first lines of one:
//     its header, and where the log says of itself that it has changed its key or begun a segment.
//   - [Lines] yields the log's lines in order, and on demand goes on with those that are added.
//   - [DurableCheckpoint] and [NewestCheckpoint] find the checkpoint that the log ends with.
//   - [Checked] reads lines, too, and returns only such as a checkpoint covers that one of the
//     given keys has signed. A [CheckedLine] can be had from nowhere else.
//
// A segment that is compressed while it is being looked for is found under its new name, so an
// error that wraps [fs.ErrNotExist] means that retention has deleted it.
//
// All but Checked believe what they read: they are for programs that show a log, or that
// check by themselves. A program that acts on what a log says reads it through Checked, or
// verifies it first (package verify).
//
// # Bounds
//
// Memory is bounded by the longest line ([segline.MaxBytes]), in Checked by the largest
// commit, and files next to the segments by what the writer can write into them. Reading
// costs a few large reads for each file and no look at a file for each line, so that the file
// system may be a remote one; where its files are [io.ReaderAt], the end of a log is read from its
// end. A context ends every wait.
//
// All functions may be called by several goroutines.
package logdir
