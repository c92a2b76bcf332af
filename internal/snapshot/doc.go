// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package snapshot copies audit logs while their writer writes, rotates, compresses and
// deletes: the copy is the log as it was at one moment, and verifies as such.
//
// Nothing is locked, and the writer knows nothing of it. What makes the copy whole is the
// order. Sealed segments never change, and retention deletes the oldest first: they are
// copied from the newest to the oldest, until none is left. Then comes what has been
// written meanwhile, from the oldest to the newest, with the events that say what retention
// has deleted. The newest segment is cut after the last commit that is known to be on
// stable storage, so that no power cut takes back what a copy holds. The file checkpoint is
// read before the segments that it is over, and the files that tell of deleted segments
// after them.
//
// The directory is taken for hostile: regular files only are read, without following links,
// and no further than they reached when they were opened. What is wrong with a log is wrong
// with its copy: nothing is checked here but what the copy takes.
package snapshot
