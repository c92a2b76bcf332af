// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"crypto"
	"crypto/sha256"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/note"

	"github.com/otel-auditlog/auditlogexporter/internal/signednote"
)

// Signer signs with a private key that it may not hold itself: any crypto.Signer
// of a supported type serves. It is safe for concurrent use if that is.
type Signer struct {
	key    crypto.Signer
	rand   io.Reader
	public *PublicKey
	opts   crypto.SignerOpts
}

// NewSigner returns a signer for a P-256 or Ed25519 key. With a nil rand, ECDSA
// nonces are derived from key and message (RFC 6979); otherwise they are hedged
// with what rand gives.
func NewSigner(key crypto.Signer, rand io.Reader) (*Signer, error) {
	public, err := newPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	s := &Signer{key: key, rand: rand, public: public, opts: crypto.Hash(0)}
	if public.algorithm == ECDSAP256 {
		s.opts = crypto.SHA256
	}
	return s, nil
}

// Public returns the public key.
func (s *Signer) Public() *PublicKey { return s.public }

// signMessage returns the signature over msg.
func (s *Signer) signMessage(msg []byte) ([]byte, error) {
	if s.public.algorithm == ECDSAP256 {
		digest := sha256.Sum256(msg)
		msg = digest[:]
	}
	return s.sign(msg)
}

// sign signs a digest with an ECDSA key, a message with an Ed25519 key.
func (s *Signer) sign(msg []byte) ([]byte, error) {
	sig, err := s.key.Sign(s.rand, msg, s.opts)
	if err != nil {
		return nil, fmt.Errorf("sign with key %s: %w", s.public.id, err)
	}
	if len(sig) == 0 {
		return nil, fmt.Errorf("sign with key %s: the signature is empty", s.public.id)
	}
	return sig, nil
}

// forNotes returns the signer of notes of that origin.
func (s *Signer) forNotes(origin string) (note.Signer, error) {
	if err := signednote.ValidateOrigin(origin); err != nil {
		return nil, err
	}
	return noteSigner{origin, s}, nil
}

type noteSigner struct {
	name string
	s    *Signer
}

func (n noteSigner) Name() string                    { return n.name }
func (n noteSigner) KeyHash() uint32                 { return n.s.public.noteHash(n.name) }
func (n noteSigner) Sign(msg []byte) ([]byte, error) { return n.s.signMessage(msg) }
