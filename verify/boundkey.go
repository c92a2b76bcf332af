// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/signers"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
)

// boundKey is a key and what the caller says of it, or nil. byIndex is as much of that as
// does not depend on times.
type boundKey struct {
	*signing.PublicKey
	bounds, byIndex *trust.Key
}

func newBoundKey(k *signing.PublicKey, bounds *trust.Key) boundKey {
	one := boundKey{PublicKey: k, bounds: bounds}
	if bounds != nil {
		one.byIndex = signers.ByIndex(bounds)
	}
	return one
}

// objection says why the key may not have signed a leaf, or "".
func (k boundKey) objection(index uint64, at time.Time) (Kind, string) {
	return objection(k.bounds, index, at)
}

func objection(bounds *trust.Key, index uint64, at time.Time) (Kind, string) {
	switch revoked, why := signers.Objection(bounds, index, at); {
	case why == "":
		return "", ""
	case revoked:
		return KeyRevoked, why
	default:
		return KeyNotValid, why
	}
}
