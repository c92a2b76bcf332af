// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingress_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/ingress"
)

// weak is an RSA key of enough bits, with an exponent that is none.
type weak struct {
	crypto.Signer
	exponent int
}

func (w weak) Public() crypto.PublicKey {
	n := new(big.Int).Lsh(w.Signer.Public().(*rsa.PublicKey).N, 1024)
	return &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: w.exponent}
}

func TestKeysThatAreRefused(t *testing.T) {
	good := issue(t, nil, nil)
	private, err := x509.MarshalPKCS8PrivateKey(good.key)
	require.NoError(t, err)
	privatePEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	b64 := func(b []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(b)) }
	const public, certificate, secret = "public", "certificate", "secret"
	for name, one := range map[string]struct {
		kind    string
		content []byte
		says    string
	}{
		"an empty file":                          {public, nil, "empty"},
		"no PEM":                                 {public, []byte("key"), "no PEM block"},
		"a certificate as public key":            {public, good.pem(), "certificate_file"},
		"a private key as public key":            {public, privatePEM, "private key"},
		"two public keys":                        {public, append(good.publicPEM(t), good.publicPEM(t)...), "one key a file"},
		"a small RSA key":                        {public, identity{key: small}.publicPEM(t), "1024 bits"},
		"an RSA key with exponent 1":             {public, identity{key: weak{small, 1}}.publicPEM(t), "exponent 1"},
		"an RSA key with an even exponent":       {public, identity{key: weak{small, 65536}}.publicPEM(t), "exponent 65536"},
		"a P-384 key":                            {public, identity{key: p384}.publicPEM(t), "P-384"},
		"something else in PEM":                  {public, pem.EncodeToMemory(&pem.Block{Type: "X"}), `type "X"`},
		"a file of zeros":                        {public, make([]byte, 1<<20), "larger than"},
		"a public key as certificate":            {certificate, good.publicPEM(t), "CERTIFICATE"},
		"a private key with the certificate":     {certificate, append(good.pem(), privatePEM...), "private key"},
		"a certificate cut off":                  {certificate, good.pem()[:200], "not a PEM block"},
		"a certificate of nonsense":              {certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}), "x509"},
		"a certificate with a small key":         {certificate, issueTo(t, small, nil, nil).pem(), "1024 bits"},
		"a certificate that is for other things": {certificate, issue(t, nil, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }).pem(), "digitalSignature"},
		"seventeen certificates":                 {certificate, []byte(strings.Repeat(string(good.pem()), 17)), "more than 16"},
		"a short secret":                         {secret, b64(make([]byte, 31)), "31 bytes"},
		"a secret that is not base64":            {secret, []byte("correct horse battery staple, and more of it"), "base64"},
		"a public key as secret":                 {secret, good.publicPEM(t), "would let anybody make proofs"},
		"a public key as secret, in DER":         {secret, b64(good.certificate.RawSubjectPublicKeyInfo), "public key, not a secret"},
		"a certificate as secret, in DER":        {secret, b64(good.certificate.Raw), "certificate, not a secret"},
		"an empty secret":                        {secret, []byte("\n"), "empty"},
	} {
		t.Run(name, func(t *testing.T) {
			s, path := ingress.Source{Name: "shop"}, write(t, "file", one.content)
			switch one.kind {
			case public:
				s.PublicKeyFile = path
			case certificate:
				s.CertificateFile = path
			default:
				s.HMACKeyFile = path
			}
			_, err := ingress.Load([]ingress.Source{s}, nil)
			require.Error(t, err)
			assert.Contains(t, err.Error(), one.says)
			assert.Contains(t, err.Error(), path)
			assert.Contains(t, err.Error(), "producer shop")
			assert.NotContains(t, err.Error(), "battery", "no part of a secret")
		})
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	secret := []byte(base64.StdEncoding.EncodeToString(make([]byte, 32)))
	path := write(t, "secret", secret)
	require.NoError(t, os.Chmod(path, 0o604))
	_, err := ingress.Load([]ingress.Source{{Name: "a", HMACKeyFile: path}}, nil)
	assert.ErrorContains(t, err, "chmod 600")
	require.NoError(t, os.Chmod(path, 0o640)) // as secrets are mounted for a group
	_, err = ingress.Load([]ingress.Source{{Name: "a", HMACKeyFile: path}}, nil)
	assert.NoError(t, err)
	_, err = ingress.Load([]ingress.Source{{Name: "a", PublicKeyFile: filepath.Join(t.TempDir(), "none")}}, nil)
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = ingress.Load([]ingress.Source{{Name: "a", PublicKeyFile: t.TempDir()}}, nil)
	assert.ErrorContains(t, err, "regular file")
}

func TestSources(t *testing.T) {
	pinned := issue(t, nil, nil)
	file := write(t, "p.pem", pinned.pem())
	public := write(t, "p.pub.pem", pinned.publicPEM(t))
	_, err := ingress.Load([]ingress.Source{{Name: "a", CertificateFile: file}, {Name: "b", PublicKeyFile: public}}, nil)
	assert.ErrorContains(t, err, "same key as producer a")
	// So it is with an authority whose own key is of a kind that signs no records.
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	ca := write(t, "ca.pem", issueTo(t, p384, nil, authority).pem())
	_, err = ingress.Load([]ingress.Source{{Name: "a", CertificateFile: ca}, {Name: "b", CertificateFile: ca}}, nil)
	assert.ErrorContains(t, err, "same key as producer a")
	_, err = ingress.Load([]ingress.Source{{Name: "a", CertificateFile: ca}}, nil)
	assert.NoError(t, err)
	for _, bad := range []ingress.Source{
		{CertificateFile: file}, {Name: "a b", CertificateFile: file}, {Name: "a\"", CertificateFile: file}, {Name: "a\x1b", CertificateFile: file},
		{Name: ".", CertificateFile: file}, {Name: strings.Repeat("a", 65), CertificateFile: file}, {Name: "a"}, {Name: "a", CertificateFile: file, HMACKeyFile: file},
	} {
		assert.Error(t, bad.Validate(), "%+v", bad)
	}
	var many []ingress.Source
	for i := range ingress.MaxProducers + 1 {
		many = append(many, ingress.Source{Name: fmt.Sprint(i), CertificateFile: file})
	}
	_, err = ingress.Load(many, nil)
	assert.ErrorContains(t, err, "more than 32")
}
