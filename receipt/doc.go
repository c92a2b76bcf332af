// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package receipt has the form of receipts: what tells a producer where an event of its
// stands in a log, and binds the log to that.
//
// A [Receipt] names the event, the index and the hash of its leaf, and holds the signed
// checkpoint of the commit that wrote it (c2sp.org/tlog-checkpoint) with the inclusion
// proof that leads from the leaf to it (RFC 6962, section 2.1.1). A log that is shown
// later and does not have that leaf there contradicts its own signature.
//
// A [Set] is receipts that a producer holds, to be held to a log (package verify) or checked by
// themselves (package proof).
//
// The exporter writes receipts as lines of JSON (docs/receipts.md), which [Parse] parses.
package receipt
