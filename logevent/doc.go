// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package logevent holds the events in which an audit log speaks of itself, not those that
// records of clients become (package event): that it was opened, that a
// segment follows another, that retention is about to delete something. Such an event has a
// member "log", which no mapping of a client's record makes.
//
// The source of everything here is docs/format.md, section 6.4: the actions, the members that
// go with them, and the lines on which readers look for the events at the head of a segment.
// Every reader of them, the verifier included,
// goes through [Parse], so that no two can differ on what an event says. What an event means
// for a log, such as whether a root in it is the right one, is for those readers to find out.
package logevent

const (
	// HeadLines is the number of lines at the head of a segment: the header, [KeyChanged] if
	// the segment has other keys, another scope or other features than the one before, and
	// [Rotated]. Readers look for [Rotated] on these lines and nowhere else: on another line
	// it means nothing.
	HeadLines = 3
	// KeyChangedLine is the line of [KeyChanged], which is tampering on any other.
	KeyChangedLine = 2
)
