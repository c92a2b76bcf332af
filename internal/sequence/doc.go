// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package sequence follows the streams that producers number their audit records in:
// attributes audit.sequence.* of the draft OpenTelemetry Audit Logging signal.
//
// A [Tracker] is shown records in the order in which they stand in the log, and says
// what does not fit: a gap, a repeat, a link to another record than the one before, a
// record behind the end. It remembers the last record of each stream, of a bounded number
// of streams; what it has never seen, or forgotten, it says nothing of.
//
// Anyone may send records of any stream. So streams of records whose producer is known by
// a proof are kept apart from others of the same name, and none of those can push them out
// of a tracker's memory.
package sequence
