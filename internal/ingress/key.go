// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingress

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"

	"github.com/otel-auditlog/auditlogexporter/signing"
)

// Algorithm is how a proof is made, as audit.integrity.algorithm names it.
type Algorithm string

// The algorithms that are supported. ES256, EdDSA, RS256 and RS512 are those of RFC
// 7518 and RFC 8037; EdDSA is Ed25519.
const (
	ES256      Algorithm = "ES256"
	EdDSA      Algorithm = "EdDSA"
	RS256      Algorithm = "RS256"
	RS512      Algorithm = "RS512"
	HMACSHA256 Algorithm = "HMAC-SHA256"
)

// algorithmOf returns the algorithm with that name, or "".
func algorithmOf(name string) Algorithm {
	switch a := Algorithm(name); a {
	case ES256, EdDSA, RS256, RS512, HMACSHA256:
		return a
	default:
		return ""
	}
}

// The sizes of RSA keys that are taken. Smaller ones can be broken (NIST SP 800-131A),
// larger ones make checking dear.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// minSecretBytes is the least that a secret for HMAC-SHA256 may have (RFC 7518, section
// 3.2).
const minSecretBytes = 32

// key is one that proofs are checked with: either a public key or a secret, never both.
type key struct {
	ecdsa   *ecdsa.PublicKey
	ed25519 ed25519.PublicKey
	rsa     *rsa.PublicKey
	secret  []byte
	id      string
}

// newPublicKey takes a SubjectPublicKeyInfo in DER.
func newPublicKey(spki []byte) (*key, error) {
	parsed, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, fmt.Errorf("not a public key: %w", err)
	}
	r, ok := parsed.(*rsa.PublicKey)
	if !ok {
		// It refuses weak keys, and any but those of P-256 and Ed25519.
		public, err := signing.ParsePublicKeyDER(spki)
		if err != nil {
			return nil, err
		}
		k := &key{id: public.ID()}
		k.ecdsa, _ = parsed.(*ecdsa.PublicKey)
		k.ed25519, _ = parsed.(ed25519.PublicKey)
		return k, nil
	}
	if bits := r.N.BitLen(); bits < minRSABits || bits > maxRSABits {
		return nil, fmt.Errorf("an RSA key of %d bits: from %d to %d are taken", bits, minRSABits, maxRSABits)
	}
	if r.E < 3 || r.E%2 == 0 { // Go checks nothing with such a key
		return nil, fmt.Errorf("an RSA key with exponent %d: it must be odd, and 3 at least (RFC 8017, section 3.1)", r.E)
	}
	return &key{rsa: r, id: keyID(spki)}, nil
}

// keyID is the id of a public key of any kind, as package signing makes those of its own.
func keyID(spki []byte) string {
	sum := sha256.Sum256(spki)
	return hex.EncodeToString(sum[:8])
}

func newSecret(secret []byte) (*key, error) {
	if len(secret) < minSecretBytes {
		return nil, fmt.Errorf("a secret of %d bytes: HMAC-SHA256 needs %d at least (RFC 7518, section 3.2)", len(secret), minSecretBytes)
	}
	return &key{secret: secret}, nil
}

// serves reports whether the key is of the kind that an algorithm uses. What a record
// names never makes a key one of another kind.
func (k *key) serves(a Algorithm) bool {
	switch a {
	case ES256:
		return k.ecdsa != nil
	case EdDSA:
		return k.ed25519 != nil
	case RS256, RS512:
		return k.rsa != nil
	case HMACSHA256:
		return k.secret != nil
	default:
		return false
	}
}

// verify reports whether proof is the key's over text. It is safe for concurrent use.
func (k *key) verify(a Algorithm, text, proof []byte) bool {
	if !k.serves(a) {
		return false
	}
	switch a {
	case ES256:
		// The collector's signing processor writes ASN.1; RFC 7518, section 3.4, which
		// the name ES256 is from, has two numbers of 32 bytes.
		digest := sha256.Sum256(text)
		if ecdsa.VerifyASN1(k.ecdsa, digest[:], proof) {
			return true
		}
		der, err := fromFixed(proof)
		return err == nil && ecdsa.VerifyASN1(k.ecdsa, digest[:], der)
	case EdDSA:
		return ed25519.Verify(k.ed25519, text, proof)
	case RS256:
		digest := sha256.Sum256(text)
		return rsa.VerifyPKCS1v15(k.rsa, crypto.SHA256, digest[:], proof) == nil
	case RS512:
		digest := sha512.Sum512(text)
		return rsa.VerifyPKCS1v15(k.rsa, crypto.SHA512, digest[:], proof) == nil
	default:
		mac := hmac.New(sha256.New, k.secret)
		mac.Write(text)
		return hmac.Equal(mac.Sum(nil), proof)
	}
}

var errNotFixed = errors.New("not a signature of 64 bytes")

// fromFixed brings an ECDSA signature of RFC 7518, section 3.4, into ASN.1.
func fromFixed(proof []byte) ([]byte, error) {
	size := (elliptic.P256().Params().BitSize + 7) / 8
	if len(proof) != 2*size {
		return nil, errNotFixed
	}
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(proof[:size]), new(big.Int).SetBytes(proof[size:])})
}
