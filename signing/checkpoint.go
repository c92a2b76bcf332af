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
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

const maxOrigin = 255

// ValidateOrigin reports what is wrong with the name of a log. It must be usable
// as a key name in a signed note (c2sp.org/signed-note), and not begin with '{',
// so that no checkpoint can be taken for an event.
func ValidateOrigin(origin string) error {
	switch {
	case origin == "":
		return errors.New("the origin is empty")
	case len(origin) > maxOrigin:
		return fmt.Errorf("the origin has %d bytes, more than %d", len(origin), maxOrigin)
	case !utf8.ValidString(origin):
		return errors.New("the origin is not UTF-8")
	case origin[0] == '{':
		return fmt.Errorf("the origin %q begins with '{'", origin)
	case strings.ContainsFunc(origin, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '+' }):
		return fmt.Errorf("the origin %q contains white space, a control character or '+'", origin)
	}
	return nil
}

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
		if all[i], err = s.NoteSigner(origin); err != nil {
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

// SplitNote cuts a signed note (c2sp.org/signed-note) into its text, with the last LF, and
// its signature lines. Neither is looked at.
func SplitNote(msg []byte) (text, signatures []byte, err error) {
	split := bytes.LastIndex(msg, []byte("\n\n"))
	if split < 0 {
		return nil, nil, errors.New("not a signed note: no blank line before signatures")
	}
	return msg[:split+1], msg[split+2:], nil
}

// ParseCheckpoint parses a checkpoint without looking at its signatures, beyond
// there being some. Extension lines are refused: this format has none.
func ParseCheckpoint(msg []byte) (Checkpoint, error) {
	c := Checkpoint{Note: msg}
	if bytes.IndexByte(msg, '\r') >= 0 {
		return c, errors.New("a checkpoint has no carriage return") // decoding base64 would skip it
	}
	text, signatures, err := SplitNote(msg)
	if err != nil {
		return c, err
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) != 4 {
		return c, fmt.Errorf("a checkpoint has three lines: origin, tree size and root hash; this note has %d", len(lines)-1)
	}
	if err := ValidateOrigin(lines[0]); err != nil {
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
	return c, checkSignatureLines(string(signatures))
}

// checkSignatureLines checks the form of a note's signature lines more strictly
// than opening the note does: each signature has one encoding, so that no byte can
// be changed without a meaning.
func checkSignatureLines(s string) error {
	if !strings.HasSuffix(s, "\n") {
		return errors.New("checkpoint: the last signature line is cut off")
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(s, "\n"), "\n") {
		name, signature, ok := strings.Cut(strings.TrimPrefix(line, "\u2014 "), " ")
		if !ok || !strings.HasPrefix(line, "\u2014 ") || name == "" {
			return errors.New("checkpoint: a line behind the blank one is not a signature line")
		}
		if b, err := base64.StdEncoding.Strict().DecodeString(signature); err != nil || len(b) <= 4 {
			return errors.New("checkpoint: a signature is not in strict base64")
		}
	}
	return nil
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
		if verifiers[i], err = k.NoteVerifier(origin); err != nil {
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
