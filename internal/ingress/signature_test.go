// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingress_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"math/big"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/ingress"
)

// An ECDSA signature has a twin with n-s, which anybody can make of it and which is as
// good; each is taken in two forms, and in no other.
func TestFormsOfAnECDSASignature(t *testing.T) {
	pinned := issue(t, nil, nil)
	v := load(t, now, ingress.Source{Name: "p", CertificateFile: write(t, "p.pem", pinned.pem())})
	n := elliptic.P256().Params().N
	fixed := func(r, s *big.Int) []byte {
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
	der := func(r, s *big.Int) []byte {
		b, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
		require.NoError(t, err)
		return b
	}
	// integer is an INTEGER with so many zero bytes too many.
	integer := func(x *big.Int, zeros int) []byte {
		content := append(make([]byte, zeros), x.Bytes()...)
		if x.Bytes()[0] >= 0x80 {
			content = append([]byte{0}, content...)
		}
		return append([]byte{2, byte(len(content))}, content...)
	}
	for name, one := range map[string]struct {
		want ingress.Status
		form func(r, s *big.Int) []byte
	}{
		"ASN.1":              {ingress.Verified, der},
		"64 bytes":           {ingress.Verified, fixed},
		"ASN.1, the twin":    {ingress.Verified, func(r, s *big.Int) []byte { return der(r, new(big.Int).Sub(n, s)) }},
		"64 bytes, the twin": {ingress.Verified, func(r, s *big.Int) []byte { return fixed(r, new(big.Int).Sub(n, s)) }},
		"ASN.1 with a zero too many": {ingress.Failed, func(r, s *big.Int) []byte {
			b := append(integer(r, 2), integer(s, 0)...)
			return append([]byte{0x30, byte(len(b))}, b...)
		}},
		"ASN.1 with a long length":    {ingress.Failed, func(r, s *big.Int) []byte { b := der(r, s); return slices.Insert(b, 1, 0x81) }},
		"ASN.1 and more":              {ingress.Failed, func(r, s *big.Int) []byte { return append(der(r, s), 0) }},
		"ASN.1 with s negative":       {ingress.Failed, func(r, s *big.Int) []byte { return der(r, new(big.Int).Neg(s)) }},
		"ASN.1 with s plus the order": {ingress.Failed, func(r, s *big.Int) []byte { return der(r, new(big.Int).Add(s, n)) }},
		"64 bytes with r zero":        {ingress.Failed, func(_, s *big.Int) []byte { return fixed(new(big.Int), s) }},
		"64 bytes with s zero":        {ingress.Failed, func(r, _ *big.Int) []byte { return fixed(r, new(big.Int)) }},
		"64 bytes with s the order":   {ingress.Failed, func(r, _ *big.Int) []byte { return fixed(r, n) }},
		"64 bytes, changed about":     {ingress.Failed, func(r, s *big.Int) []byte { return fixed(s, r) }},
		"65 bytes":                    {ingress.Failed, func(r, s *big.Int) []byte { return append([]byte{0}, fixed(r, s)...) }},
		"63 bytes":                    {ingress.Failed, func(r, s *big.Int) []byte { return fixed(r, s)[:63] }},
	} {
		t.Run(name, func(t *testing.T) {
			got := check(v, proven(t, "ES256", pinned.full(), func(text []byte) []byte {
				digest := sha256.Sum256(text)
				r, s, err := ecdsa.Sign(rand.Reader, pinned.key.(*ecdsa.PrivateKey), digest[:])
				require.NoError(t, err)
				return one.form(r, s)
			}))
			assert.Equal(t, one.want, got.Status, "%+v", got)
		})
	}
}

// Other signatures have one form.
func TestFormsOfOtherSignatures(t *testing.T) {
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	ed, rs := issueTo(t, edKey, nil, nil), issueTo(t, rsaKey, nil, nil)
	v := load(t, now,
		ingress.Source{Name: "ed", CertificateFile: write(t, "e.pem", ed.pem())},
		ingress.Source{Name: "rs", CertificateFile: write(t, "r.pem", rs.pem())})
	order, ok := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	require.True(t, ok)
	for name, change := range map[string]func([]byte) []byte{
		"s plus the order": func(b []byte) []byte {
			slices.Reverse(b[32:]) // little endian
			new(big.Int).Add(new(big.Int).SetBytes(b[32:]), order).FillBytes(b[32:])
			slices.Reverse(b[32:])
			return b
		},
		"a byte more": func(b []byte) []byte { return append(b, 0) },
		"a byte less": func(b []byte) []byte { return b[:63] },
	} {
		sign := func(text []byte) []byte { return ed25519.Sign(edKey, text) }
		assert.Equal(t, ingress.Verified, check(v, proven(t, "EdDSA", ed.full(), sign)).Status)
		got := check(v, proven(t, "EdDSA", ed.full(), func(text []byte) []byte { return change(sign(text)) }))
		assert.Equal(t, ingress.Failed, got.Status, "Ed25519, %s", name)
	}
	for name, change := range map[string]func([]byte) []byte{
		"plus the modulus": func(b []byte) []byte { return new(big.Int).Add(new(big.Int).SetBytes(b), rsaKey.N).Bytes() },
		"a zero before":    func(b []byte) []byte { return append([]byte{0}, b...) },
		"of SHA-512": func([]byte) []byte {
			b, err := rsa.SignPKCS1v15(nil, rsaKey, crypto.SHA512, make([]byte, 64))
			require.NoError(t, err)
			return b
		},
	} {
		sign := func(text []byte) []byte {
			digest := sha256.Sum256(text)
			b, err := rsa.SignPKCS1v15(nil, rsaKey, crypto.SHA256, digest[:])
			require.NoError(t, err)
			return b
		}
		assert.Equal(t, ingress.Verified, check(v, proven(t, "RS256", rs.full(), sign)).Status)
		got := check(v, proven(t, "RS256", rs.full(), func(text []byte) []byte { return change(sign(text)) }))
		assert.Equal(t, ingress.Failed, got.Status, "RSA, %s", name)
	}
}
