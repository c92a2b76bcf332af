// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package durable has the rules by which files survive a power cut, and by which they have one
// writer:
//
//   - A file's content is synced before its name, and what stands for it elsewhere is changed
//     only after both.
//   - [Replace] writes next to the file, syncs, renames, and syncs the directory: a reader or a
//     power cut finds the old content or the new, whole.
//   - [CreateNew] never overwrites, and leaves nothing if it fails.
//   - [Extend] writes after what is known to be good, whatever a failed attempt has left there.
//   - [Rename] and [Remove] are done when the directory has been synced, and can be repeated.
//   - [Erase] overwrites and syncs before it removes.
//   - A lock is the operating system's, on an open file: it ends with the process, and is never
//     stale.
//
// They are written for an [FS], a directory whose operations a test can make fail or cut off
// (package durabletest). [Tree] has those of them that directories with others below need.
package durable
