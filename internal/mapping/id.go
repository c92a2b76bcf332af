// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping

import (
	"crypto/rand"

	"github.com/google/uuid"

	"github.com/otel-auditlog/auditlogexporter/internal/tagged"
)

// idSource makes random ids. It reads randomness in advance: a call for each
// record would cost as much as the rest of its encoding.
type idSource struct {
	random [64 * len(uuid.UUID{})]byte
	left   int
}

// append appends a random UUID (RFC 9562, section 5.4).
func (s *idSource) append(dst []byte) []byte {
	if s.left == 0 {
		rand.Read(s.random[:]) // It never fails: see its documentation.
		s.left = len(s.random)
	}
	var id uuid.UUID
	s.left -= copy(id[:], s.random[s.left-len(id):s.left])
	id[6] = id[6]&0x0f | 0x40 // version 4
	id[8] = id[8]&0x3f | 0x80 // variant of RFC 9562
	dst = tagged.AppendHex(dst, id[:4])
	dst = tagged.AppendHex(append(dst, '-'), id[4:6])
	dst = tagged.AppendHex(append(dst, '-'), id[6:8])
	dst = tagged.AppendHex(append(dst, '-'), id[8:10])
	return tagged.AppendHex(append(dst, '-'), id[10:])
}
