// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
)

// LogID tells a log from every other, also of the same origin. It is chosen at random.
type LogID [32]byte

// String returns the id in base64, as the files have it.
func (id LogID) String() string { return base64.StdEncoding.EncodeToString(id[:]) }

// eventTitle is the first line of the message of an event's signature. No origin has a
// blank, so no checkpoint begins with it.
const eventTitle = "auditlog event v1"

// eventStart appends what the signature of an event covers before the event: the log that
// the event is in.
func eventStart(dst []byte, origin string, log LogID) []byte {
	dst = append(dst, eventTitle+"\n"...)
	dst = append(append(dst, origin...), '\n')
	return append(base64.StdEncoding.AppendEncode(dst, log[:]), '\n')
}

// eventMessage returns what the signature of an event is made over.
func eventMessage(origin string, log LogID, canonical []byte) []byte {
	const fixed = len(eventTitle) + 44 + 3
	return append(eventStart(make([]byte, 0, fixed+len(origin)+len(canonical)), origin, log), canonical...)
}

// eventDigest returns SHA-256 of the message, without a copy of it.
func eventDigest(origin string, log LogID, canonical []byte) (sum [sha256.Size]byte) {
	var start [512]byte // an origin has 255 bytes at most
	h := sha256.New()
	h.Write(eventStart(start[:0], origin, log))
	h.Write(canonical)
	h.Sum(sum[:0])
	return sum
}

// SignEvent returns the signature over an event of a log: of the title "auditlog event v1",
// the log's origin and its id in base64, each with LF, and the event's canonical JSON
// (docs/format.md, section 5). It is in ASN.1 DER for ECDSA, 64 bytes for Ed25519. It is safe
// for concurrent use if the crypto.Signer is, whose error it wraps.
func (s *Signer) SignEvent(origin string, log LogID, canonical []byte) ([]byte, error) {
	if s.public.algorithm == ECDSAP256 {
		digest := eventDigest(origin, log, canonical)
		return s.sign(digest[:])
	}
	return s.sign(eventMessage(origin, log, canonical))
}

// VerifyEvent reports whether sig is the key's signature over an event of a log, as
// [Signer.SignEvent] makes it. It is safe for concurrent use.
func (p *PublicKey) VerifyEvent(origin string, log LogID, canonical, sig []byte) bool {
	if p.algorithm == ECDSAP256 {
		digest := eventDigest(origin, log, canonical)
		return ecdsa.VerifyASN1(p.ecdsa, digest[:], sig)
	}
	return p.verify(eventMessage(origin, log, canonical), sig)
}
