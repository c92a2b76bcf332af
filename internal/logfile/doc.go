// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package logfile reads single files of a log directory. All of it goes through an [io/fs.FS],
// follows no link and waits for no pipe, and ends with its context.
//
// [Open] and [OpenBackward] read a segment in whichever form it has by now. [Checkpoint] and
// [KeyChanges] read the files next to the segments, line by line through [Lines]. [Malformed]
// tells what is wrong with a file from what kept it from being read, and [Retry] goes on after
// a file that went while it was looked for.
//
// Readers of a log that is in use open segments here, and only here: one that is being compressed,
// or is deleted, must not end their reading. The verifier opens them through package foreign
// instead, because it also judges what somebody has compressed by hand, and the writer opens its
// own by segment.Open: nobody compresses those meanwhile.
//
// Nothing here checks a signature.
package logfile
