// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/signednote"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// Cosignature is a witness's signature on a checkpoint, which has been verified.
type Cosignature struct {
	// Time is when the witness made it, by its own clock, in full seconds. Until
	// then it had seen no tree of the log that is larger, and none that is not part
	// of this one.
	Time time.Time
	// Line is the signature line in the note, with its LF.
	Line string
}

// ErrNoCosignature: the note does not carry a cosignature of the witness.
var ErrNoCosignature = errors.New("no cosignature of the witness")

// maxTime is the last second that RFC 3339 can name.
const maxTime = 253402300799

// Cosignature returns the witness's cosignature on a checkpoint. The error is
// [ErrNoCosignature] if there is none; any other says that the note is malformed or
// the cosignature is not the witness's.
func (k *Key) Cosignature(checkpoint []byte) (c Cosignature, err error) {
	if _, err := signing.ParseCheckpoint(checkpoint); err != nil {
		return c, err
	}
	text, lines, err := signednote.Split(checkpoint)
	if err != nil {
		return c, err
	}
	found := false
	for line := range strings.Lines(string(lines)) {
		signature, ours := k.signatureOn(line)
		if !ours {
			continue
		}
		if found {
			return c, fmt.Errorf("two cosignatures of the witness %s", k.Name())
		}
		found = true
		if c, err = k.verify(text, signature); err != nil {
			return c, err
		}
		c.Line = line
	}
	if !found {
		return c, fmt.Errorf("%w %s", ErrNoCosignature, k.Name())
	}
	return c, nil
}

// signatureOn returns the signature on a signature line in strict form, if name and
// key hash say that the witness made it.
func (k *Key) signatureOn(line string) (signature []byte, ours bool) {
	name, encoded, _ := strings.Cut(strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "\u2014 "), " ")
	b, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || len(b) < 4 || name != k.Name() || binary.BigEndian.Uint32(b) != k.verifier.KeyHash() {
		return nil, false
	}
	return b[4:], true
}

// verify checks a timestamped signature on a note's text.
func (k *Key) verify(text, signature []byte) (c Cosignature, err error) {
	if len(signature) != 8+ed25519.SignatureSize || !k.verifier.Verify(text, signature) {
		return c, fmt.Errorf("the cosignature that bears the name of the witness %s is not its", k.Name())
	}
	seconds := binary.BigEndian.Uint64(signature)
	if seconds > maxTime {
		return c, fmt.Errorf("the cosignature of the witness %s is of no time: %d seconds after 1970", k.Name(), seconds)
	}
	c.Time = time.Unix(int64(seconds), 0).UTC()
	return c, nil
}
