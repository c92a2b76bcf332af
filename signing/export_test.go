// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"golang.org/x/mod/sumdb/note"
)

// Sign returns the signature over a message, which the vectors of others are about.
func (s *Signer) Sign(msg []byte) ([]byte, error) { return s.signMessage(msg) }

// Verify reports whether sig is the key's signature over msg.
func (p *PublicKey) Verify(msg, sig []byte) bool { return p.verify(msg, sig) }

// NoteSigner returns the signer of any note of an origin, of malformed ones too.
func (s *Signer) NoteSigner(origin string) (note.Signer, error) { return s.forNotes(origin) }
