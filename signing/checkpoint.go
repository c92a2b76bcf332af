// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/otel-auditlog/auditlogexporter/internal/signednote"
)

// Checkpoint is what a signed note says of a log.
type Checkpoint struct {
	Origin string
	Size   uint64
	Root   [32]byte
	Note   []byte
}

// SignCheckpoint returns the checkpoint of a log (c2sp.org/tlog-checkpoint) as a
// note signed by each of the signers, in order.
func SignCheckpoint(origin string, size uint64, root [32]byte, signers ...*Signer) ([]byte, error) {
	if len(signers) == 0 {
		return nil, errors.New("no signer for the checkpoint")
	}
	all := make([]note.Signer, len(signers))
	for i, s := range signers {
		var err error
		if all[i], err = s.forNotes(origin); err != nil {
			return nil, err
		}
	}
	text := make([]byte, 0, len(origin)+80)
	text = append(text, origin...)
	text = append(text, '\n')
	text = strconv.AppendUint(text, size, 10)
	text = append(text, '\n')
	text = base64.StdEncoding.AppendEncode(text, root[:])
	text = append(text, '\n')
	return note.Sign(&note.Note{Text: string(text)}, all...)
}

// ParseCheckpoint parses a checkpoint without looking at its signatures, beyond
// there being some. Extension lines are refused: this format has none.
func ParseCheckpoint(msg []byte) (Checkpoint, error) {
	c := Checkpoint{Note: msg}
	if bytes.IndexByte(msg, '\r') >= 0 {
		return c, errors.New("a checkpoint has no carriage return") // decoding base64 would skip it
	}
	text, signatures, err := signednote.Split(msg)
	if err != nil {
		return c, err
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) != 4 {
		return c, fmt.Errorf("a checkpoint has three lines: origin, tree size and root hash; this note has %d", len(lines)-1)
	}
	if err := signednote.ValidateOrigin(lines[0]); err != nil {
		return c, fmt.Errorf("checkpoint: %w", err)
	}
	c.Origin = lines[0]
	if c.Size, err = strconv.ParseUint(lines[1], 10, 64); err != nil || strconv.FormatUint(c.Size, 10) != lines[1] {
		return c, fmt.Errorf("checkpoint: bad tree size %q", lines[1])
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != len(c.Root) {
		return c, errors.New("checkpoint: bad root hash")
	}
	c.Root = [32]byte(root)
	if err := signednote.CheckSignatures(string(signatures)); err != nil {
		return c, fmt.Errorf("checkpoint: %w", err)
	}
	return c, nil
}

// ErrNoTrustedSignature: a checkpoint has no valid signature by any of the keys
// given.
var ErrNoTrustedSignature = errors.New("no signature of a trusted key")

// OpenCheckpoint parses a checkpoint of the log called origin and checks its
// signatures. It returns the keys whose signatures are valid; signatures of other
// keys are passed over, but an invalid one by a given key is an error.
func OpenCheckpoint(msg []byte, origin string, keys []*PublicKey) (c Checkpoint, signedBy []*PublicKey, err error) {
	if c, err = ParseCheckpoint(msg); err != nil {
		return c, nil, err
	}
	if c.Origin != origin {
		return c, nil, fmt.Errorf("checkpoint of the log %q, not of %q", c.Origin, origin)
	}
	verifiers := make([]note.Verifier, len(keys))
	for i, k := range keys {
		if verifiers[i], err = k.forNotes(origin); err != nil {
			return c, nil, err
		}
	}
	n, err := note.Open(msg, note.VerifierList(verifiers...))
	var unverified *note.UnverifiedNoteError
	if errors.As(err, &unverified) {
		return c, nil, fmt.Errorf("checkpoint over %d leaves: %w", c.Size, ErrNoTrustedSignature)
	}
	if err != nil {
		return c, nil, fmt.Errorf("checkpoint over %d leaves: %w", c.Size, err)
	}
	for _, k := range keys {
		for _, sig := range n.Sigs {
			if sig.Hash == k.noteHash(origin) {
				signedBy = append(signedBy, k)
			}
		}
	}
	return c, signedBy, nil
}
