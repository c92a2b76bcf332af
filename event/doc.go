// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package event has audit events as a log holds them: who did what to what, when, from where and
// with what outcome, in members with fixed names.
//
// [Parse] decodes an event of a log. What the members do not say of the log record that the event
// was mapped from, the event keeps in [Event.Metadata], [Event.Body], [Event.Resource] and
// [Event.Scope]. Records come from anyone: that an event says something means that its producer
// said so. What a log says of itself is in [Event.Log], which no record makes; package logevent
// reads it.
//
// # Format
//
// An event is written in canonical JSON (RFC 8785). What JSON cannot hold exactly is tagged, never
// rounded or dropped:
//
//	9223372036854775807              {"$int":"9223372036854775807"}
//	5.0, -0.0, NaN                   {"$double":"5"}, {"$double":"-0"}, {"$double":"NaN"}
//	bytes, text that is not UTF-8    {"$bytes":"/w=="}, {"$bytes":"/w==","$string":true}
//	a key that occurs twice          {"a":1,"$more":[["a",2]]}
//	a key that begins with '$'       one more '$' before it
//	more than 100 levels of nesting  {"$json":"<base64>"}
//
// Every value has one form, and every form is of one value: two different records are never
// written alike, so that what is signed is what was sent. See docs/format.md, section 6, and
// testdata/event/vectors.json.
//
// Events come from files that anyone may have changed. Parse takes canonical form and nothing else,
// bounds the nesting it follows, and repeats no more than a few quoted characters of what it
// refuses.
package event
