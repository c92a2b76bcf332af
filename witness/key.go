// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	formats "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	"github.com/otel-auditlog/auditlogexporter/internal/signednote"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// Key is the name and the public key of a witness. It is immutable.
type Key struct {
	vkey     string
	public   ed25519.PublicKey
	verifier note.Verifier
}

// Types of keys in a vkey (c2sp.org/signed-note, c2sp.org/tlog-cosignature).
const (
	typeEd25519     = 0x01
	typeCosignature = 0x04
	typeMLDSA       = 0x06
)

// ParseKey parses the verifier key of a witness: name+hash+key, of type 0x04.
func ParseKey(vkey string) (*Key, error) {
	k, err := parseKey(vkey)
	if err != nil {
		return nil, fmt.Errorf("witness key: %w", err)
	}
	return k, nil
}

func parseKey(vkey string) (*Key, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("it does not have the form name+hash+key, as a witness prints it")
	}
	name, hash, encoded := parts[0], parts[1], parts[2]
	if signednote.ValidateOrigin(name) != nil {
		return nil, fmt.Errorf("bad name %.40q", name)
	}
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || len(key) == 0 || base64.StdEncoding.EncodeToString(key) != encoded {
		return nil, errors.New("the key is not in base64")
	}
	switch kind := key[0]; kind {
	case typeCosignature:
	case typeEd25519:
		return nil, errors.New("it is of type 1, with which a log signs: a witness cosigns with a key of type 4")
	case typeMLDSA:
		return nil, errors.New("it is of type 6, ML-DSA-44, which is not supported: ask for the witness's Ed25519 key, of type 4")
	default:
		return nil, fmt.Errorf("it is of type %d: a witness cosigns with a key of type 4", kind)
	}
	// Keys for which anybody could sign are refused as they are anywhere else.
	spki, err := x509.MarshalPKIXPublicKey(ed25519.PublicKey(key[1:]))
	if err == nil {
		_, err = signing.ParsePublicKeyDER(spki)
	}
	if err != nil {
		return nil, err
	}
	verifier, err := formats.NewVerifierForCosignatureV1(vkey)
	if err != nil || hash != fmt.Sprintf("%08x", verifier.KeyHash()) {
		return nil, fmt.Errorf("the hash %.20q does not fit name and key: a character may have got lost", hash)
	}
	return &Key{vkey: vkey, public: key[1:], verifier: verifier}, nil
}

// Name returns the witness's name.
func (k *Key) Name() string { return k.verifier.Name() }

// String returns the verifier key, as [ParseKey] takes it.
func (k *Key) String() string { return k.vkey }

// Equal reports whether both are the same key with the same name.
func (k *Key) Equal(other *Key) bool { return k.vkey == other.vkey }

// SamePublicKey reports whether both have the same public key, whatever their names. A
// cosignature's message does not hold the name: it could be passed off as of either.
func (k *Key) SamePublicKey(other *Key) bool {
	return k.public.Equal(other.public)
}
