// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package cosigning

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"

	"github.com/otel-auditlog/auditlogexporter/internal/signednote"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

const (
	// MaxAnswer bounds an answer, in bytes: some signature lines, of which a
	// witness has few.
	MaxAnswer = 64 << 10
	// maxProof is the largest number of hashes of a proof that a witness takes.
	maxProof = 63
	// maxSize is the size of the largest tree that a log's own events can name: what is
	// larger than 2^53-1 has no exact form in JSON.
	maxSize = 1<<53 - 1
	// maxQuoted bounds what an error quotes of an answer.
	maxQuoted = 200
)

// What a witness answers when it does not cosign.
var (
	// ErrUnknownLog: the witness does not know the log's origin.
	ErrUnknownLog = errors.New("the witness does not know the log: give its operator the log's origin and public key")
	// ErrUntrusted: the witness knows the log by none of the keys that signed the
	// checkpoint.
	ErrUntrusted = errors.New("the witness trusts none of the keys that signed the checkpoint, or does not know the log: give its operator the log's origin and public key")
	// ErrInconsistent: the proof does not lead from the tree that the witness has
	// cosigned to this one.
	ErrInconsistent = errors.New("the witness has cosigned a tree that this log does not extend")
)

// Conflict is the error of a witness that has last cosigned a tree of another size
// than the request said, or another tree of that size.
type Conflict struct {
	// Size is the number of leaves of that tree.
	Size uint64
}

func (c *Conflict) Error() string {
	return fmt.Sprintf("the witness has last cosigned a tree of %d leaves", c.Size)
}

// AppendRequest appends the body of a request to cosign a checkpoint: that it
// extends the tree of old leaves, with a consistency proof, which is empty if old is
// 0 or the checkpoint's own size.
func AppendRequest(dst []byte, old uint64, proof []merkle.Hash, checkpoint []byte) ([]byte, error) {
	if len(proof) > maxProof {
		return nil, fmt.Errorf("a consistency proof of %d hashes: a witness takes %d", len(proof), maxProof)
	}
	dst = append(dst, "old "...)
	dst = strconv.AppendUint(dst, old, 10)
	dst = append(dst, '\n')
	for _, h := range proof {
		dst = base64.StdEncoding.AppendEncode(dst, h[:])
		dst = append(dst, '\n')
	}
	dst = append(dst, '\n')
	return append(dst, checkpoint...), nil
}

// ParseAnswer parses the answer of the witness with that key to the request to cosign a checkpoint, and
// verifies the cosignature. The error wraps a [Conflict] or one of the errors above
// if the witness refused in a known way.
func ParseAnswer(k *witness.Key, checkpoint []byte, status int, contentType string, body []byte) (witness.Cosignature, error) {
	if len(body) > MaxAnswer {
		return witness.Cosignature{}, fmt.Errorf("an answer of more than %d bytes", MaxAnswer)
	}
	switch status {
	case http.StatusOK:
		return parseCosignature(k, checkpoint, body)
	case http.StatusConflict:
		return witness.Cosignature{}, parseConflict(contentType, body)
	case http.StatusUnprocessableEntity:
		return witness.Cosignature{}, fmt.Errorf("%w (status 422)", ErrInconsistent)
	case http.StatusForbidden:
		return witness.Cosignature{}, fmt.Errorf("%w (status 403: %s)", ErrUntrusted, quoted(body))
	case http.StatusNotFound:
		return witness.Cosignature{}, fmt.Errorf("%w, or look whether the URL is right (status 404: %s)", ErrUnknownLog, quoted(body))
	default:
		return witness.Cosignature{}, fmt.Errorf("status %d: %s", status, quoted(body))
	}
}

// parseCosignature takes the witness's own cosignature from the signature lines in
// an answer. Those of other keys are passed over.
func parseCosignature(k *witness.Key, checkpoint, body []byte) (witness.Cosignature, error) {
	text, _, err := signednote.Split(checkpoint)
	if err != nil {
		return witness.Cosignature{}, fmt.Errorf("the checkpoint: %w", err)
	}
	if bytes.Contains(body, []byte("\n\n")) {
		// Or else the body could bring a text of its own.
		return witness.Cosignature{}, errors.New("the answer is not a list of signature lines")
	}
	c, err := k.Cosignature(slices.Concat(text, []byte{'\n'}, body))
	if err != nil {
		return witness.Cosignature{}, fmt.Errorf("the answer cannot be used: %w", err)
	}
	return c, nil
}

// parseConflict parses the tree size in an answer of status 409.
func parseConflict(contentType string, body []byte) error {
	if media, _, err := mime.ParseMediaType(contentType); err != nil || media != "text/x.tlog.size" {
		return fmt.Errorf("status 409 of the content type %.60q, which does not say a tree size: %s", contentType, quoted(body))
	}
	digits, ok := bytes.CutSuffix(body, []byte("\n"))
	size, err := strconv.ParseUint(string(digits), 10, 64)
	if !ok || err != nil || size > maxSize || strconv.FormatUint(size, 10) != string(digits) {
		return fmt.Errorf("status 409 with a bad tree size: %s", quoted(body))
	}
	return &Conflict{Size: size}
}

// Cosigned returns a checkpoint with cosignatures added to it.
func Cosigned(checkpoint []byte, cosignatures ...witness.Cosignature) []byte {
	cosigned := bytes.Clone(checkpoint)
	for _, c := range cosignatures {
		cosigned = append(cosigned, c.Line...)
	}
	return cosigned
}

// quoted returns what an operator should see of an answer.
func quoted(body []byte) string {
	if len(body) > maxQuoted {
		return strconv.Quote(string(body[:maxQuoted])) + "…"
	}
	return strconv.Quote(string(body))
}
