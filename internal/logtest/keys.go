// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logtest

import (
	"path/filepath"
	"testing"

	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
)

func PublicKeys(signers ...*signing.Signer) (keys []*signing.PublicKey) {
	for _, s := range signers {
		keys = append(keys, s.Public())
	}
	return keys
}

func ThreeKeys(t testing.TB) []*signing.Signer {
	return []*signing.Signer{signingtest.New(t, signing.ECDSAP256), signingtest.New(t, signing.Ed25519), signingtest.New(t, signing.ECDSAP256)}
}

// WriteKeys writes a log that goes over from one key to the next, with a segment of
// two events for each.
func WriteKeys(t testing.TB, o rotation.Options, keys ...*signing.Signer) *Copy {
	t.Helper()
	o.Directory = filepath.Join(t.TempDir(), "log")
	var w *Copy
	for i, k := range keys {
		if o.Signer = k; i > 0 {
			o.PreviousSigner = keys[i-1]
		}
		w = Write(t, o, 1, 1)
	}
	w.Signer = keys[0]
	return w
}

// AtLeaf returns the bound of a trusted key at a leaf.
func AtLeaf(index uint64) *trust.Point { return &trust.Point{Index: index, ByIndex: true} }
