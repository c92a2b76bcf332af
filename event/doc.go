// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package event maps OpenTelemetry log records to audit events and back.
//
// # Idea
//
// An audit event answers who did what to what, when, from where and with what
// outcome, in members with fixed names; see [Event]. A [Mapping] says which
// attributes of a record each member is taken from. Besides, the event keeps all
// else of the record, its resource and its scope, so that decoding it gives a
// record equal to the one that came in: [Encoder.Append] writes an event, [Parse]
// and [Event.Logs] lead back.
//
// An attribute that a member gives back exactly is not kept twice. Any other that
// feeds a member (a number, a level in capitals, a key that occurs twice) stays in
// the metadata as well; the member mapped_from says what came from where.
//
// # Format
//
// An event is written in canonical JSON (RFC 8785), straight from the record.
// What JSON cannot hold exactly is tagged, never rounded or dropped:
//
//	9223372036854775807            {"$int":"9223372036854775807"}
//	5.0, -0.0, NaN                 {"$double":"5"}, {"$double":"-0"}, {"$double":"NaN"}
//	bytes, text that is not UTF-8  {"$bytes":"/w=="}, {"$bytes":"/w==","$string":true}
//	a key that occurs twice        {"a":1,"$more":[["a",2]]}
//	a key that begins with '$'     one more '$' before it
//	more than 100 levels of nesting  {"$json":"<base64>"}
//
// Every value has one form, and every form is of one value: two different records
// are never written alike, so that what is signed is what was sent. See
// docs/format.md, section 6, and testdata/event/vectors.json.
//
// # Trust
//
// Records come from anyone. None makes an encoder fail for others, keeps memory
// from one record to the next beyond fixed bounds, or is taken for what the log
// says of itself: the mapping makes no member "log", none "ingress" and none "replaced"; see
// [AppendOwn], [Encoder.SetIngress] and [AppendReplacement].
//
// Events come from files that anyone may have changed. [Scan] and [Parse] take
// canonical form and nothing else, bound the nesting they follow, and repeat no more
// than a few quoted characters of what they refuse.
package event
