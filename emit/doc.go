// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package emit writes audit events from Go services through the OpenTelemetry Logs
// API.
//
// # Idea
//
// An [Event] says who did what to what, when, from where and with what outcome. An
// [Emitter] sends it as a log record whose attributes are named as the draft
// OpenTelemetry Audit Logging signal (audit.record.id, audit.actor.*, audit.action,
// audit.outcome, audit.target.*, audit.source.*) and the semantic conventions name
// them, so that the auditlog exporter with its default mapping, and anything else that
// knows these names, finds them where it looks. [Emitter.Emit] takes any event; methods
// such as [Emitter.AuthenticationAttempt] fill in what such an event always has.
//
// The package needs the Logs API alone, no SDK and no exporter.
//
// # What a returned error means
//
// The Logs API has no way to say what became of a record. Yet an audit event that was
// lost is worth an error where it happened, so each call waits for a report: whoever
// delivers the record says by [Report], through the context of the call, whether it
// was acknowledged. Package [confirm] has a processor for the OpenTelemetry SDK that
// does so. With it, in front of a collector whose pipeline has neither a batch
// processor nor a queue before the auditlog exporter:
//
//   - nil: the event is signed and on disk.
//   - [ErrNotTaken]: the provider has been shut down, or has no processor that takes the
//     event. It has not been sent.
//   - [ErrUnconfirmed]: the provider reports nothing, as with the SDK's batch
//     processor, or one before that drops the event. Whether it has been sent, or will
//     be, is not known.
//   - any other error: nobody acknowledged it. It may be in the log all the same, if
//     only the answer was lost.
//
// After an error, send the same event again: with the returned id, and with the same
// [Event.Time], which therefore is to be set before the first attempt. The collector
// then knows an event that it has, acknowledges it, and writes nothing. With another time
// it is another event that has the id of one that is there: a conflict.
//
// # How long a call takes
//
// A call ends after 10 s, or after the time of [WithTimeout], with an error. An OTLP
// exporter's own timeout (otlploghttp.WithTimeout) bounds one attempt alone: its retries
// go on for a minute, unless the context ends.
//
// A service that is content with delivery in the background makes its emitter with
// [Unconfirmed]; nil then means no more than that the provider was handed the event.
//
// # Ids
//
// Every call returns the event's id, also with an error. Unless [Event.ID] says another, it is a random UUID (version
// 4): the draft signal recommends it, and the collector gives such ids to records that
// come without one. Order and time are no reason for another version: the log's index
// orders events, and each carries its time.
//
// # Hostile values
//
// Names, paths and addresses may come from an attacker. OTLP refuses a request whose
// strings are not UTF-8, and with it the event. So such a string is sent with U+FFFD in
// the place of what is not UTF-8, and its exact bytes in the attribute audit.raw.NAME
// beside; in [Event.Attributes] it becomes bytes.
//
// [confirm]: https://pkg.go.dev/github.com/otel-auditlog/auditlogexporter/emit/confirm
package emit
