// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package signingtest makes keys for tests.
package signingtest

import (
	"testing"

	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// New returns a signer with a fresh key.
func New(t testing.TB, a signing.Algorithm) *signing.Signer {
	t.Helper()
	key, err := keyfile.GenerateKey(a)
	if err != nil {
		t.Fatal(err)
	}
	s, err := signing.NewSigner(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
