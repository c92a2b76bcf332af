// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package auditlogexporter is an OpenTelemetry Collector exporter that keeps log
// records as an audit log: every record becomes an audit event, is signed, and
// lands in a directory of append-only files that together form one transparency
// log (see docs/format.md).
//
// The exporter promises one thing: when a consume call returns nil, all its
// records are in the log, signed, covered by a signed checkpoint and, unless sync
// is off, on stable storage. If it returns an error, none of them is. Nothing is
// dropped in between: what cannot be written now comes back as a plain error, which
// a client repeats; what never can be comes back as a permanent one that names the
// record.
//
// What it does not promise: that records reach it at all, that what they say is
// true, or that whoever holds the private key tells the truth. See
// docs/threat-model.md.
//
// This package is the component alone: the configuration, the keys, metrics and status. What
// happens to a request is internal/ingest's: there internal/mapping makes an event of each
// record, signing signs it and rotation writes it. Package verify, which knows the files but not their writer, checks.
//
// # Compatibility
//
// Versions follow Semantic Versioning. While the version is v0, a minor version may change
// the Go API, the configuration and the command; CHANGELOG.md says so.
//
//   - The format on disk: the header of each segment names its version. Later versions
//     verify every log that a released version wrote. Of a segment that a newer version wrote,
//     they check the tree and the signatures, and say that the rest is unchecked.
//   - The Go API: the exported names of all packages that are not below internal/.
//   - The configuration: keys, their values and defaults, and the names of metrics.
//   - The command auditlog: verbs, flags, exit codes and the members of its JSON, not the
//     texts for people.
package auditlogexporter

// mdatagen calls the package by the name of its directory, whatever the clone is
// called: the link gives it the right one. tools is not among the modules of go.work.
//
//go:generate sh -c "mkdir -p build && ln -sfn .. build/auditlogexporter && GOWORK=off go -C tools tool mdatagen ../build/auditlogexporter/metadata.yaml"
