// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"github.com/otel-auditlog/auditlogexporter/internal/kept"
	"github.com/otel-auditlog/auditlogexporter/internal/promised"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// keptCheckpoint is a checkpoint that the log must extend.
type keptCheckpoint struct {
	*kept.Tree
	note []byte
	name string // how findings call it; see title
	file string // in the log's directory, or ""
	err  error  // why it cannot be used
	kind Kind   // of the finding about that, or ""
	// signers are the keys that have signed it, of those that count.
	signers []*signing.PublicKey
	// opened says that its signature has been checked.
	opened bool
	// promise is the receipts that hold it; nil if it was kept by itself.
	promise *promised.Checkpoint
}

// title is what findings call a kept checkpoint.
func (k *keptCheckpoint) title() string {
	if k.promise != nil {
		return k.promise.String()
	}
	return k.name
}
