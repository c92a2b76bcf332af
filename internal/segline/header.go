// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segline

import (
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// Scope says what is signed besides the checkpoints.
type Scope string

// The scopes.
const (
	// ScopeEvent signs every event on its own, and every checkpoint.
	ScopeEvent Scope = "event"
	// ScopeCheckpoint signs checkpoints alone.
	ScopeCheckpoint Scope = "checkpoint"
)

// Key is a public key as a header names it. What a header says is a claim, not a reason to
// trust the key.
type Key struct {
	// ID is the key id: the first 8 bytes, in hex, of SHA-256 of PublicKey.
	ID        string
	Algorithm signing.Algorithm
	// PublicKey is the SubjectPublicKeyInfo in DER (RFC 5280, section 4.1).
	PublicKey []byte
}

// KeyOf returns what a header says of a public key.
func KeyOf(k *signing.PublicKey) Key {
	return Key{ID: k.ID(), Algorithm: k.Algorithm(), PublicKey: k.SPKI()}
}

// Feature names a property of a segment that its readers must know.
type Feature = string

const (
	// FeatureIDs: each commit line of the segment has the root over the ids of the commit's
	// events (see [IDs]).
	FeatureIDs Feature = "ids"
	// FeaturePartition: the log is one of several that a writer divides its records among. Its
	// origin ends in a slash and the name of its directory.
	FeaturePartition Feature = "partition"
)

// Predecessor is the log that a log replaces. It is a statement, not a proof.
type Predecessor struct {
	Log  signing.LogID
	Size uint64
	Root merkle.Hash
}
