// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package rotation writes an audit log: a directory of append-only segments
// that together hold one Merkle tree (see package segment for the files).
//
// There are only a few types in rotation: a [Log] is a queue of groups of calls, under its
// mutex, and its writer makes a commit of each, under the writer's sem, with its keyring; upkeep
// is a goroutine that compresses, deletes and keeps files fresh, cosign.Agent one that asks
// witnesses, and recovery makes a writer of a directory before any of them runs. The values that
// go from one to another are snapshot, what the writer knows, with the tip, where the log ends,
// in it, and change, what a commit writes.
//
// A commit is in commit.go, from top to bottom: ready, admit, assemble, write and sync, publish.
// The writer has its keyring sign, and asks stages (package internal/stage) what to leave out of
// batches. assemble is a function of a snapshot of the writer: it makes a change, which holds the
// bytes to write and the tip, where the log ends after them. Only publish puts that in the place
// of the tip before, so a commit that fails needs no undoing.
//
// upkeep and the agent hold nothing of the log. Each sees it through an interface of a few
// methods, whose calls wait for the commit under way.
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
//     committer at a time, the holder of sem.
//   - Bytes up to active.size are durable and never written again. Bytes after
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
//   - A witness learns of a checkpoint only when that is durable, and no holder of sem
//     waits for a witness.
//
// Package internal/durable has every rule about files, fsync and rename; recover.go and repair.go
// have what happens on doubt, retention.go what may be deleted, and retain.go how.
package rotation
