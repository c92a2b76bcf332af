// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package signing_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// That a key was parsed before changes nothing for what differs from it, nor for it, however
// many there were meanwhile.
func TestParsedAgain(t *testing.T) {
	for _, a := range []signing.Algorithm{signing.ECDSAP256, signing.Ed25519} {
		der := bytes.Clone(signingtest.New(t, a).Public().SPKI())
		want, err := signing.ParsePublicKeyDER(der)
		require.NoError(t, err)
		for i := range der {
			der[i] ^= 1
			if k, err := signing.ParsePublicKeyDER(der); err == nil {
				assert.Equal(t, der, k.SPKI())
				assert.NotEqual(t, want.ID(), k.ID())
			}
			der[i] ^= 1
		}
		_, err = signing.ParsePublicKeyDER(append(bytes.Clone(der), 0))
		assert.Error(t, err)
		_, err = signing.ParsePublicKeyDER(der[:len(der)-1])
		assert.Error(t, err)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for range 100 {
					key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
					assert.NoError(t, err)
					other, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
					assert.NoError(t, err)
					for range 2 {
						got, err := signing.ParsePublicKeyDER(other)
						assert.NoError(t, err)
						assert.Equal(t, other, got.SPKI())
					}
				}
			})
		}
		wg.Wait()
		got, err := signing.ParsePublicKeyDER(der)
		require.NoError(t, err)
		assert.True(t, got.Equal(want))
	}
}
