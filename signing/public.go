// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"filippo.io/edwards25519"
	"golang.org/x/mod/sumdb/note"

	"github.com/otel-auditlog/auditlogexporter/internal/pemfile"
	"github.com/otel-auditlog/auditlogexporter/internal/signednote"
)

// Algorithm names a signature algorithm as the files do.
type Algorithm string

// The algorithms.
const (
	// ECDSAP256 is ECDSA over P-256 with SHA-256 (FIPS 186-5), in ASN.1 DER.
	ECDSAP256 Algorithm = "ecdsa-p256-sha256"
	// Ed25519 is PureEdDSA over Curve25519 (RFC 8032, section 5.1).
	Ed25519 Algorithm = "ed25519"
)

// Note signature types (c2sp.org/signed-note).
const (
	noteEd25519 = 0x01
	noteECDSA   = 0x02
)

// PublicKey is a public key that has been checked. It is immutable.
type PublicKey struct {
	algorithm Algorithm
	ecdsa     *ecdsa.PublicKey
	ed25519   ed25519.PublicKey
	spki      []byte
	id        string
}

// newPublicKey checks a key of the standard library's.
func newPublicKey(key crypto.PublicKey) (*PublicKey, error) {
	p := &PublicKey{}
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return nil, fmt.Errorf("an ECDSA key on the curve %s: only P-256 and Ed25519 keys are supported", key.Curve.Params().Name)
		}
		// Refuses the point at infinity and points off the curve.
		if _, err := key.ECDH(); err != nil {
			return nil, fmt.Errorf("a P-256 key whose point is not on the curve: %w", err)
		}
		p.algorithm, p.ecdsa = ECDSAP256, key
	case ed25519.PublicKey:
		if err := checkEd25519(key); err != nil {
			return nil, err
		}
		p.algorithm, p.ed25519 = Ed25519, key
	case *rsa.PublicKey:
		return nil, errors.New("an RSA key: only P-256 and Ed25519 keys are supported")
	default:
		return nil, fmt.Errorf("a key of type %T: only P-256 and Ed25519 keys are supported", key)
	}
	var err error
	if p.spki, err = x509.MarshalPKIXPublicKey(key); err != nil {
		return nil, fmt.Errorf("encode a public key: %w", err)
	}
	sum := sha256.Sum256(p.spki)
	p.id = hex.EncodeToString(sum[:8])
	return p, nil
}

// checkEd25519 refuses keys for which anybody can make signatures (points of
// small order), and encodings that another encoding equals.
func checkEd25519(key ed25519.PublicKey) error {
	if len(key) != ed25519.PublicKeySize {
		return fmt.Errorf("an Ed25519 key of %d bytes", len(key))
	}
	point, err := new(edwards25519.Point).SetBytes(key)
	if err != nil {
		return errors.New("an Ed25519 key that is not a point of the curve")
	}
	if !bytes.Equal(point.Bytes(), key) {
		return errors.New("an Ed25519 key in a non-canonical encoding")
	}
	if new(edwards25519.Point).MultByCofactor(point).Equal(edwards25519.NewIdentityPoint()) == 1 {
		return errors.New("an Ed25519 key of small order: anybody could sign for it")
	}
	return nil
}

// ID returns the key id: the first 8 bytes of SHA-256 of the SubjectPublicKeyInfo,
// in lower-case hex.
func (p *PublicKey) ID() string { return p.id }

// Algorithm returns the algorithm of the key's signatures.
func (p *PublicKey) Algorithm() Algorithm { return p.algorithm }

// SPKI returns the SubjectPublicKeyInfo in DER (RFC 5280, section 4.1). The caller
// must not change it.
func (p *PublicKey) SPKI() []byte { return p.spki }

// Equal reports whether both are the same key.
func (p *PublicKey) Equal(q *PublicKey) bool {
	return p != nil && q != nil && bytes.Equal(p.spki, q.spki)
}

// verify reports whether sig is the key's signature over msg.
func (p *PublicKey) verify(msg, sig []byte) bool {
	if p.algorithm == Ed25519 {
		return len(sig) == ed25519.SignatureSize && ed25519.Verify(p.ed25519, msg, sig)
	}
	digest := sha256.Sum256(msg)
	return ecdsa.VerifyASN1(p.ecdsa, digest[:], sig)
}

// noteKey returns the note type and the bytes that stand for the key in a vkey.
func (p *PublicKey) noteKey() (kind byte, key []byte) {
	if p.algorithm == Ed25519 {
		return noteEd25519, p.ed25519
	}
	return noteECDSA, p.spki
}

// noteHash returns the key hash of the key's note signatures.
func (p *PublicKey) noteHash(name string) uint32 {
	kind, key := p.noteKey()
	var sum [sha256.Size]byte
	if kind == noteECDSA {
		sum = sha256.Sum256(key)
	} else {
		sum = sha256.Sum256(append([]byte(name+"\n"), append([]byte{kind}, key...)...))
	}
	return binary.BigEndian.Uint32(sum[:])
}

// VKey returns the key as a note verifier key for a log of that origin:
// origin+hash+base64(type ‖ key).
func (p *PublicKey) VKey(origin string) (string, error) {
	if err := signednote.ValidateOrigin(origin); err != nil {
		return "", err
	}
	kind, key := p.noteKey()
	return fmt.Sprintf("%s+%08x+%s", origin, p.noteHash(origin), base64.StdEncoding.EncodeToString(append([]byte{kind}, key...))), nil
}

// forNotes returns the verifier of the key's signatures in notes of that
// origin.
func (p *PublicKey) forNotes(origin string) (note.Verifier, error) {
	if err := signednote.ValidateOrigin(origin); err != nil {
		return nil, err
	}
	return noteVerifier{origin, p}, nil
}

type noteVerifier struct {
	name string
	key  *PublicKey
}

func (v noteVerifier) Name() string                { return v.name }
func (v noteVerifier) KeyHash() uint32             { return v.key.noteHash(v.name) }
func (v noteVerifier) Verify(msg, sig []byte) bool { return v.key.verify(msg, sig) }

// ParsePublicKeyDER parses a SubjectPublicKeyInfo.
func ParsePublicKeyDER(der []byte) (*PublicKey, error) {
	if p := parsed.get(der); p != nil {
		return p, nil
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("parse a public key: %w", err)
	}
	p, err := newPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("parse a public key: %w", err)
	}
	if !bytes.Equal(p.spki, der) {
		return nil, errors.New("parse a public key: not in the canonical encoding")
	}
	parsed.keep(p)
	return p, nil
}

// parsePublicKeyPEM parses a PEM file with one block of type PUBLIC KEY.
func parsePublicKeyPEM(b []byte) (*PublicKey, error) {
	block, err := pemfile.Block(b)
	if err != nil {
		return nil, err
	}
	switch block.Type {
	case "PUBLIC KEY":
		return ParsePublicKeyDER(block.Bytes)
	case "PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY":
		return nil, errors.New("this is a private key, where the public one is wanted: keep it away from here, and use the .pub.pem file")
	default:
		return nil, fmt.Errorf("a PEM block of type %q: a public key has the type PUBLIC KEY", block.Type)
	}
}

// ParsePublicKey parses a public key as PEM, or as a note verifier key (vkey) of
// type Ed25519 or ECDSA.
func ParsePublicKey(b []byte) (*PublicKey, error) {
	if bytes.Contains(b, []byte("-----BEGIN")) {
		return parsePublicKeyPEM(b)
	}
	_, p, err := parseVKey(strings.TrimSpace(string(b)))
	return p, err
}

func parseVKey(s string) (name string, _ *PublicKey, _ error) {
	name, rest, _ := strings.Cut(s, "+")
	hash, encoded, ok := strings.Cut(rest, "+")
	if !ok {
		return "", nil, errors.New("not a public key: want a PEM file, or a note verifier key of the form name+hash+key")
	}
	if err := signednote.ValidateOrigin(name); err != nil {
		return "", nil, fmt.Errorf("note verifier key: %w", err)
	}
	b, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || len(b) < 2 {
		return "", nil, errors.New("note verifier key: bad base64")
	}
	var p *PublicKey
	switch kind, key := b[0], b[1:]; kind {
	case noteEd25519:
		p, err = newPublicKey(ed25519.PublicKey(key))
	case noteECDSA:
		p, err = ParsePublicKeyDER(key)
		if err == nil && p.algorithm != ECDSAP256 {
			err = errors.New("type 2 with a key that is not ECDSA")
		}
	default:
		err = fmt.Errorf("unknown key type 0x%02x", kind)
	}
	if err != nil {
		return "", nil, fmt.Errorf("note verifier key: %w", err)
	}
	if want, err := strconv.ParseUint(hash, 16, 32); err != nil || len(hash) != 8 || uint32(want) != p.noteHash(name) {
		return "", nil, fmt.Errorf("note verifier key: its hash %q does not fit the key", hash)
	}
	return name, p, nil
}
