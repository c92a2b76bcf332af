// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package rotation writes an audit log: a directory of append-only segments
// that together hold one Merkle tree (see package segment for the files).
//
// # What an acknowledgement means
//
// [Log.Append] takes batches of encoded, signed events and returns nil only
// when their lines and a signed checkpoint that covers them are on stable
// storage. Calls that arrive while a commit is being synced share the next one
// (group commit): one checkpoint, one fsync. A batch lands whole or not at all:
// what no checkpoint covers does not count, for a reader and for a restart.
//
// # Invariants
//
//   - The files form one sequence of leaves; a file's name carries the index of
//     its first leaf, and the clock orders nothing.
//   - There is one writer, the holder of the lock on .lock, and within it one
//     committer at a time, the holder of Log.sem. Everything that describes the
//     durable state (the tree, the active file and its length) changes only
//     after a commit succeeded, so a failed commit needs no undoing in memory.
//   - Bytes up to active.size are durable and never written again. Bytes behind
//     it belong to a commit in progress, or to none.
//   - A segment is sealed by the first commit of its successor. Only sealed
//     segments are compressed or pruned, and only after that commit is durable.
//   - A failed fsync says nothing about what reached the disk, then or later:
//     the file is re-read, cut back to its last checkpoint and never written
//     again.
//   - What is found in the directory is a claim until it leads to a checkpoint of ours:
//     nothing is signed or deleted on its word (found.go), and stages are shown no line
//     of it that is not a [logdir.CheckedLine] (recall.go).
//   - What the log does to itself, or finds was done to it, is an event in it.
//   - A witness learns of a checkpoint only when that is durable, and nobody who holds
//     Log.sem waits for a witness (package rotation/internal/cosign).
//
// # Where to find what
//
// A [Log] commits what its callers bring. Its keyring says which key signs, and makes the note
// with which one key introduces the next; maintenance is the goroutine that compresses, deletes
// and keeps files fresh. Package internal/durable has every rule about files, fsync and rename;
// recover.go and repair.go have what happens on doubt.
package rotation
