// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package segment reads and encodes the files of an audit log: their names,
// their lines and their compression.
//
// A log is one append-only Merkle tree (RFC 6962) over every header and event
// line since the first; a segment is a file that holds a contiguous window of
// it. A segment is UTF-8 text, one JSON object a line, each line ended by LF,
// of one of three kinds told apart by its first bytes:
//
//	{"segment":{…}}                        header: the first line, a leaf
//	{"event":{…},"signature":…}            one audit event, a leaf
//	{"checkpoint":"…"}                     commit record, not a leaf
//
// Every line has exactly one byte representation: the parsers here accept
// only what the encoders here would have written, so that no byte of a file
// can be changed without either changing its meaning or being malformed.
//
// The package trusts nothing it reads and verifies no signature: it is shared
// by the writer (package rotation), which knows what it wrote, and by the
// verifier (package verify), which decides what to believe.
package segment
