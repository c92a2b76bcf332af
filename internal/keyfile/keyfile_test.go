// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package keyfile_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

var both = []signing.Algorithm{signing.ECDSAP256, signing.Ed25519}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func pkcs8(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return pemOf("PRIVATE KEY", der)
}

func spki(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	require.NoError(t, err)
	return pemOf("PUBLIC KEY", der)
}

func p384(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	return key
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return key
}

func TestKeyFiles(t *testing.T) {
	for _, a := range both {
		path := filepath.Join(t.TempDir(), "key.pem")
		made, err := keyfile.Create(path, a)
		require.NoError(t, err)
		loaded, err := keyfile.Load(path)
		require.NoError(t, err, a)
		require.True(t, loaded.Public().Equal(made.Public()), a)
		public, err := keyfile.LoadPublic(filepath.Join(filepath.Dir(path), "key.pub.pem"))
		require.NoError(t, err, a)
		require.True(t, public.Equal(made.Public()), a)
		for name, want := range map[string]os.FileMode{path: 0o600, keyfile.PublicPath(path): 0o644} {
			if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
			}
		}
		before, err := os.ReadFile(path)
		require.NoError(t, err)
		_, err = keyfile.Create(path, a)
		assert.ErrorIs(t, err, os.ErrExist, "%s: a key was made over another", a)
		after, err := os.ReadFile(path)
		assert.NoError(t, err, "%s: the key file has changed", a)
		assert.Equal(t, before, after, "%s: the key file has changed", a)
	}
}

func TestLoadKeyFileRefuses(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	good := pkcs8(t, key)
	sec1, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		content []byte
		mode    os.FileMode
		says    string
	}{
		"readable by the group": {good, 0o640, "chmod 600"},
		"readable by all":       {good, 0o604, "chmod 600"},
		"empty":                 {nil, 0o600, "empty"},
		"junk":                  {[]byte("hello"), 0o600, "PEM"},
		"cut off":               {good[:100], 0o600, "cut off"},
		"damaged DER":           {pemOf("PRIVATE KEY", []byte{1, 2, 3}), 0o600, "PKCS#8"},
		"public key":            {spki(t, key.Public()), 0o600, "public key"},
		"SEC 1":                 {pemOf("EC PRIVATE KEY", sec1), 0o600, "openssl pkcs8"},
		"encrypted":             {pemOf("ENCRYPTED PRIVATE KEY", []byte{1}), 0o600, "encrypted"},
		"P-384":                 {pkcs8(t, p384(t)), 0o600, "P-384"},
		"RSA":                   {pkcs8(t, rsaKey(t)), 0o600, "RSA"},
		"two keys":              {append(bytes.Clone(good), good...), 0o600, "one key"},
		"huge":                  {append(bytes.Clone(good), make([]byte, 1<<20)...), 0o600, "too large"},
	} {
		path := filepath.Join(t.TempDir(), "key.pem")
		require.NoError(t, errors.Join(os.WriteFile(path, tt.content, 0o600), os.Chmod(path, tt.mode)))
		_, err := keyfile.Load(path)
		assert.ErrorContains(t, err, tt.says, name)
		assert.ErrorContains(t, err, path, name)
		if err != nil && len(tt.content) > 40 && strings.Contains(err.Error(), string(tt.content[30:40])) {
			t.Errorf("%s: the error shows the file's content: %v", name, err)
		}
	}
	dir := t.TempDir()
	link := filepath.Join(dir, "link.pem")
	target := filepath.Join(dir, "target.pem")
	require.NoError(t, errors.Join(os.WriteFile(target, good, 0o600), os.Symlink(target, link)))
	_, err = keyfile.Load(link)
	assert.ErrorContains(t, err, "regular file", "link")
	_, err = keyfile.Load(filepath.Join(dir, "missing.pem"))
	assert.ErrorIs(t, err, os.ErrNotExist, "missing")
}

// Keys that openssl makes are taken.
func TestKeysOfOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("SKIPPED: openssl is not installed")
	}
	dir := t.TempDir()
	for _, args := range [][]string{{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"}, {"-algorithm", "ED25519"}} {
		path := filepath.Join(dir, args[1])
		out, err := exec.Command(openssl, append([]string{"genpkey", "-out", path}, args...)...).CombinedOutput()
		require.NoError(t, err, out)
		require.NoError(t, os.Chmod(path, 0o600))
		_, err = keyfile.Load(path)
		assert.NoError(t, err, "a key that openssl made")
	}
}
