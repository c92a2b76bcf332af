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
		one.byIndex = bounds.ByIndex()
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

// objection says why the keys for whose sake the segment counts may not have signed a leaf,
// or "" if one of them may.
func (a *authority) objection(index uint64, at time.Time) (kind Kind, why string) {
	for _, k := range a.trustedSigners {
		kind, why = k.objection(index, at)
		if kind == "" {
			return "", ""
		}
	}
	return kind, why
}

// objectionToEvent is [authority.objection] for an event of which only the index is known: times are
// those of commits. Where the segment's key is not known, the event's own signature says
// whose it is.
func (a *authority) objectionToEvent(l *checked, index uint64) (kind Kind, why string) {
	for _, k := range a.trustedSigners {
		if a.header == nil && l.signed == sigValid && k.ID() != l.keyID {
			continue
		}
		kind, why = objection(k.byIndex, index, time.Time{})
		if kind == "" {
			return "", ""
		}
	}
	return kind, why
}
