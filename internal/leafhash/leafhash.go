// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package leafhash hashes leaves where they lie: in a buffer that holds many.
package leafhash

import (
	"crypto/sha256"

	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// In returns the hash of the leaf (RFC 6962, section 2.1) that is the buffer from a place
// on, which is not its beginning, without copying it. It needs the byte before the leaf for
// itself, and gives it back: nobody else may look at the buffer meanwhile.
func In(buf []byte, at int) merkle.Hash {
	before := buf[at-1]
	buf[at-1] = 0
	sum := sha256.Sum256(buf[at-1:])
	buf[at-1] = before
	return sum
}
