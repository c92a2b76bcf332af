// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package event maps OpenTelemetry log records to audit events and back.
//
// An audit event answers who did what to what, when, from where and with what
// outcome, in members with fixed names; see [Event]. A [Mapping] says which
// attributes of a record each member is taken from. Besides, the event keeps all
// else of the record, its resource and its scope, so that decoding it gives a
// record equal to the one that came in.
//
// An event is written in canonical JSON (RFC 8785), straight from the record.
// What JSON cannot hold exactly is tagged, never rounded or dropped, and two
// different records are never written alike: what is signed is what was sent. See
// docs/format.md, section 6, for the form.
//
// Members that records bring can never be taken for what the log says of itself:
// the mapping makes no member "log"; see [AppendOwn].
package event
