// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package mapping maps OpenTelemetry log records to audit events and back.
//
// A [Config] says which attributes of a record each member of an event is taken from. Besides,
// the event keeps all else of the record, its resource and its scope, so that decoding it gives a
// record equal to the one that came in: [Encoder.Append] writes an event, [event.Parse] and
// [Logs] lead back.
//
// An attribute that a member gives back exactly is not kept twice. Any other that feeds a member
// (a number, a level in capitals, a key that occurs twice) stays in the metadata as well; the
// member mapped_from says what came from where.
//
// Records come from anyone. None makes an encoder fail for others, keeps memory from one record to
// the next beyond fixed bounds, or is taken for what the log says of itself: the mapping makes no
// member "log", none "ingress" and none "replaced".
package mapping
