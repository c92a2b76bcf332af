// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package keyfile

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/pemfile"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// PublicPath returns where the public key of a key file is kept:
// audit-log-key.pem → audit-log-key.pub.pem.
func PublicPath(path string) string {
	return strings.TrimSuffix(path, ".pem") + ".pub.pem"
}

// Create makes a key and writes it, as PKCS#8 in PEM, to a new file that
// only its owner can read, and the public key to a file beside it. Both are
// durable when it returns. It never replaces a file, and makes none where Load
// would not take it. Root makes keys for other users in directories of theirs, too.
func Create(path string, a signing.Algorithm) (*signing.Signer, error) {
	if err := checkKeyDirectory(path, false, os.Geteuid() == 0); err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	key, err := GenerateKey(a)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	s, err := signing.NewSigner(key, nil)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	private, err := marshalPrivate(key)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	defer clear(private)
	// The public key first: a key file without one would be used before anybody
	// could have copied it.
	public := PublicPath(path)
	if err := CreatePublic(public, s.Public()); err != nil {
		return nil, err
	}
	if err := createFile(path, private, durable.Private); err != nil {
		return nil, errors.Join(fmt.Errorf("write the private key: %w", err), os.Remove(public))
	}
	return s, nil
}

// CreatePublic writes a public key to a new file that everybody can read. It
// never replaces a file.
func CreatePublic(path string, key *signing.PublicKey) error {
	if err := createFile(path, MarshalPublic(key), durable.Public); err != nil {
		return fmt.Errorf("write the public key: %w", err)
	}
	return nil
}

// marshalPrivate returns the key as PKCS#8 in PEM.
func marshalPrivate(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// createFile writes a new file, durably.
func createFile(path string, content []byte, mode fs.FileMode) error {
	return durable.In(path, func(dir durable.FS, name string) error {
		return durable.CreateNew(dir, name, mode, durable.Bytes(content))
	})
}

// formError says that a file was read and holds no key.
type formError struct{ err error }

func (e *formError) Error() string { return e.err.Error() }

func (e *formError) Unwrap() error { return e.err }

// Load reads a private key: PKCS#8 in PEM, P-256 or Ed25519, in a regular
// file of this user's that has one name and that nobody else can read, in a directory in
// which nobody else could replace it. ECDSA nonces are derived from key and message
// (RFC 6979): hedging them takes a signature a third longer, which events would pay for.
func Load(path string) (*signing.Signer, error) {
	return load(path, false)
}

// load is Load for a key that may be one of those that come and go.
func load(path string, comes bool) (*signing.Signer, error) {
	b, err := readPrivate(path, comes)
	if err != nil {
		return nil, fmt.Errorf("read the signing key: %w", err)
	}
	defer clear(b)
	key, err := parsePrivateKey(b)
	if err != nil {
		return nil, fmt.Errorf("read the signing key %s: %w", path, &formError{err})
	}
	s, err := signing.NewSigner(key, nil)
	if err != nil {
		return nil, fmt.Errorf("read the signing key %s: %w", path, err)
	}
	return s, nil
}

// readPrivate reads a file after checking that it is nobody else's business.
func readPrivate(path string, comes bool) ([]byte, error) {
	before, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if err := checkKeyDirectory(path, comes, false); err != nil {
		return nil, err
	}
	if err := checkPrivate(path, before); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	after, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !os.SameFile(before, after) {
		return nil, fmt.Errorf("%s was replaced while it was being opened", path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxKeyFile {
		return nil, fmt.Errorf("%s is too large for a key", path)
	}
	return b, nil
}

func checkPrivate(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file but %s: give the path of the key file itself", path, info.Mode().Type())
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return fmt.Errorf("%s has mode %#o, so others can get at the private key: chmod 600 %s, and consider the key as known to whoever could read it", path, perm, path)
	}
	return checkOwner(path, info)
}

func parsePrivateKey(b []byte) (crypto.Signer, error) {
	block, err := pemfile.Block(b)
	if err != nil {
		return nil, err
	}
	defer clear(block.Bytes)
	switch block.Type {
	case "PRIVATE KEY":
	case "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("the key is encrypted, and nothing here could ask for its passphrase: decrypt it with openssl pkey -in KEY -out NEW, and protect it by its permissions")
	case "EC PRIVATE KEY":
		return nil, errors.New("the key is in SEC 1 form: convert it with openssl pkcs8 -topk8 -nocrypt -in KEY -out NEW")
	case "PUBLIC KEY":
		return nil, errors.New("this is the public key: give the private one")
	default:
		return nil, fmt.Errorf("a PEM block of type %q: the key must be PKCS#8, of type PRIVATE KEY", block.Type)
	}
	if _, encrypted := block.Headers["DEK-Info"]; encrypted {
		return nil, errors.New("the key is encrypted in an obsolete way: decrypt it with openssl pkey -in KEY -out NEW")
	}
	// The parser's error is not passed on: no part of a key belongs in a log.
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("the PEM block does not hold a PKCS#8 key, or is cut off")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign: only P-256 and Ed25519 keys are supported", key)
	}
	return signer, nil
}
