// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// LogID tells a log from every other, also of the same origin. It is chosen at random.
type LogID [32]byte

// NewLogID chooses an id.
func NewLogID() (id LogID) {
	_, _ = rand.Read(id[:]) // never fails
	return id
}

// String returns the id in base64, as the files have it.
func (id LogID) String() string { return base64.StdEncoding.EncodeToString(id[:]) }

// eventTitle is the first line of the message of an event's signature. No origin has a
// blank, so no checkpoint begins with it.
const eventTitle = "auditlog event v1"

// EventContext is what the signature of an event covers besides the event: the log that
// the event is in. It is immutable.
type EventContext struct {
	prefix []byte
}

// NewEventContext returns the context of the events of a log.
func NewEventContext(origin string, log LogID) *EventContext {
	return &EventContext{prefix: []byte(eventTitle + "\n" + origin + "\n" + log.String() + "\n")}
}

// Message returns what the signature of an event is made over: the title "auditlog event
// v1", origin and log id, each with LF, and the event's canonical JSON (docs/format.md,
// section 5).
func (c *EventContext) Message(canonical []byte) []byte {
	return append(c.prefix[:len(c.prefix):len(c.prefix)], canonical...)
}

// digest returns SHA-256 of the message, without a copy of it.
func (c *EventContext) digest(canonical []byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	h.Write(c.prefix)
	h.Write(canonical)
	h.Sum(sum[:0])
	return sum
}

// SignEvent returns the signature over an event in canonical JSON.
func (s *Signer) SignEvent(c *EventContext, canonical []byte) ([]byte, error) {
	if s.public.algorithm == ECDSAP256 {
		digest := c.digest(canonical)
		return s.sign(digest[:])
	}
	return s.sign(c.Message(canonical))
}

// VerifyEvent reports whether sig is the key's signature over an event in canonical JSON.
// It is safe for concurrent use.
func (p *PublicKey) VerifyEvent(c *EventContext, canonical, sig []byte) bool {
	if p.algorithm == ECDSAP256 {
		digest := c.digest(canonical)
		return ecdsa.VerifyASN1(p.ecdsa, digest[:], sig)
	}
	return p.Verify(c.Message(canonical), sig)
}
