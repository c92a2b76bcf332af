// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/opening"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// checked is what is known of a line by itself.
type checked struct {
	kind segline.Kind
	leaf merkle.Hash
	// bad says what is wrong with the line's form, nul that it holds a NUL, which
	// no line that was written does.
	bad error
	nul bool
	// Of an event: its summary, the key it names, and whether its signature is valid.
	sum eventjson.Summary
	// unsigned says that it has "signature":null.
	unsigned bool
	keyID    string
	signed   signature
	claim    *claim
	// idLeaf is the leaf hash of its id, where the segment's commits bind ids.
	idLeaf merkle.Hash
	// withheld are the values that it withholds.
	withheld []opening.Commitment
	// Of a commit line: what it says.
	commit segment.Commit
	// Of a checkpoint: what it says, and who signed it.
	checkpoint signing.Checkpoint
	signers    []*signing.PublicKey
	sigErr     error
}

// signature is what became of checking a signature.
type signature uint8

const (
	sigNone signature = iota
	sigValid
	sigInvalid
	sigUnknownKey
)
