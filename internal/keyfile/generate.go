// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package keyfile

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"errors"

	"github.com/otel-auditlog/auditlogexporter/signing"
)

// GenerateKey makes a private key.
func GenerateKey(a signing.Algorithm) (crypto.Signer, error) {
	switch a {
	case signing.ECDSAP256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case signing.Ed25519:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	default:
		return nil, errors.New("unknown algorithm " + string(a))
	}
}
