// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package signingtest makes keys for tests.
package signingtest

import (
	"bytes"
	"crypto/ed25519"

	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// New returns a signer with a fresh key.
func New(t require.TestingT, a signing.Algorithm) *signing.Signer {
	if t, ok := t.(interface{ Helper() }); ok {
		t.Helper()
	}
	key, err := keyfile.GenerateKey(a)
	require.NoError(t, err)
	s, err := signing.NewSigner(key, nil)
	require.NoError(t, err)
	return s
}

// Numbered returns one of several Ed25519 signers, each the same in every run.
func Numbered(t require.TestingT, n byte) *signing.Signer {
	if t, ok := t.(interface{ Helper() }); ok {
		t.Helper()
	}
	s, err := signing.NewSigner(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize)), nil)
	require.NoError(t, err)
	return s
}
