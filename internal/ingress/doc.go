// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package ingress checks the proofs that producers put on audit records: signatures
// and MACs in the attributes audit.integrity.*.
//
// # What is supported
//
// One canonical form, called [FormName] here and described in docs/ingress.md: the one
// on which the draft OpenTelemetry Audit Logging signal, the signing processor of the
// collector's contrib repository and the draft's SDK for Go agree. A record says with
// audit.integrity.canonicalization that it uses another; then nothing is claimed of it.
// Of algorithms ES256, EdDSA (Ed25519), RS256, RS512 and HMAC-SHA256 are supported.
//
// What the form leaves out, no proof covers: the resource, the scope, the severity, the
// flags, and all attributes audit.integrity.*.
//
// # Trust
//
// Which keys are trusted, for which producer, comes from the configuration alone. A
// record only says which of them it means. What kind a key is decides which algorithms
// it serves: a record cannot have a public key used as the secret of a MAC, and there
// is no algorithm that checks nothing.
//
// Records come from anyone. The work for one is bounded by its size and by the number
// of configured keys, [MaxProducers] at most, and nothing of one is kept for the next
// but its certificate, to be compared with the next one's.
package ingress
