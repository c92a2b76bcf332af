// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package segment recognises and reads the segment files of an audit log: their names, and
// their lines, in any of the forms they are stored in. docs/format.md, sections 2 and 3, has
// the whole format.
//
// A log is one append-only Merkle tree (RFC 6962, section 2.1); its leaves are lines. A segment
// is a file that holds the lines of a contiguous range of leaves, from the index in its name
// on:
//
//	audit-<index>-<time>.jsonl       plain; .zst or .gz after it if compressed
//
// It is UTF-8 text, one JSON object a line, each line ended by LF and at most 32 MiB long. The
// first member tells the kind of a line ([KindOf]):
//
//	{"segment":{…}}                  header, a leaf: the first line, and only that
//	{"event":{…},"signature":"…",…}  an event, a leaf
//	{"commit":{…}}                   end of a commit, a leaf
//	{"checkpoint":"…"}               signed note over all leaves before it, not a leaf
//
// A leaf's hash is merkle.LeafHash of its line without the LF. Every line has exactly one byte
// representation: the parsers accept nothing else, so that no byte of a file can be changed
// without either changing its meaning or being malformed.
//
// [Open] opens the file of one name. A reader of a log that is in use, whose segments are
// compressed and deleted meanwhile, reads through package logdir.
//
// The package trusts nothing it reads and verifies no signature: what is read here is what the
// file says. Package verify checks a log; package logdir reads one that is in use, and can
// yield only lines that a signed checkpoint covers. Functions may be called by several
// goroutines at once; a [Reader] is for one at a time.
package segment
