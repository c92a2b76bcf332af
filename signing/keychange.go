// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// KeyChange says that a log goes on with another key: it introduces the new key to
// whoever trusts the one before.
type KeyChange struct {
	Origin string
	// Index is the size of the log's tree when the key was changed, which is the leaf
	// index of the first header under the new key. Root is the root hash of that tree.
	Index uint64
	Root  [32]byte
	// From is the key that signed the log until then, To the one that signs from then
	// on.
	From, To *PublicKey
	// Note is the signed note.
	Note []byte
}

// keyChangeTitle is the second line of the note's text. A checkpoint has a number
// there, so that neither can be taken for the other.
const keyChangeTitle = "auditlog key change v1"

// SignKeyChange returns a signed note (c2sp.org/signed-note) that introduces the key
// of to, signed with from and, to show that its holder agrees, with to.
func SignKeyChange(origin string, index uint64, root [32]byte, from, to *Signer) ([]byte, error) {
	if from.public.Equal(to.public) {
		return nil, errors.New("sign a key change: both keys are the same")
	}
	signers := make([]note.Signer, 2)
	for i, s := range []*Signer{from, to} {
		var err error
		if signers[i], err = s.NoteSigner(origin); err != nil {
			return nil, fmt.Errorf("sign a key change: %w", err)
		}
	}
	text := strings.Join([]string{
		origin,
		keyChangeTitle,
		strconv.FormatUint(index, 10),
		base64.StdEncoding.EncodeToString(root[:]),
		base64.StdEncoding.EncodeToString(from.public.spki),
		base64.StdEncoding.EncodeToString(to.public.spki),
		"",
	}, "\n")
	signed, err := note.Sign(&note.Note{Text: text}, signers...)
	if err != nil {
		return nil, fmt.Errorf("sign a key change: %w", err)
	}
	return signed, nil
}

// OpenKeyChange parses a key change and checks both signatures with the keys it
// names. Whether to trust the first of them is the caller's to decide.
func OpenKeyChange(msg []byte) (KeyChange, error) {
	c, err := openKeyChange(msg)
	if err != nil {
		return KeyChange{}, fmt.Errorf("key change: %w", err)
	}
	return c, nil
}

func openKeyChange(msg []byte) (c KeyChange, err error) {
	c.Note = msg
	text, signed, err := SplitNote(msg)
	if err != nil {
		return c, err
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) != 7 || lines[1] != keyChangeTitle {
		return c, fmt.Errorf("the note's text is not that of a key change: six lines, the second %q", keyChangeTitle)
	}
	if c.Origin = lines[0]; ValidateOrigin(c.Origin) != nil {
		return c, ValidateOrigin(c.Origin)
	}
	if c.Index, err = strconv.ParseUint(lines[2], 10, 64); err != nil || strconv.FormatUint(c.Index, 10) != lines[2] {
		return c, fmt.Errorf("bad index %q", lines[2])
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[3])
	if err != nil || len(root) != len(c.Root) {
		return c, errors.New("bad root hash")
	}
	c.Root = [32]byte(root)
	for i, key := range []**PublicKey{&c.From, &c.To} {
		der, err := base64.StdEncoding.Strict().DecodeString(lines[4+i])
		if err != nil {
			return c, errors.New("a public key is not in strict base64")
		}
		if *key, err = ParsePublicKeyDER(der); err != nil {
			return c, err
		}
	}
	if c.From.Equal(c.To) {
		return c, errors.New("both keys are the same")
	}
	// Exactly the two signatures, in order: the note has one form only.
	signatures := string(signed)
	if err := checkSignatureLines(signatures); err != nil {
		return c, err
	}
	if n := strings.Count(signatures, "\n"); n != 2 {
		return c, fmt.Errorf("%d signature lines, not 2", n)
	}
	verifiers := make([]note.Verifier, 2)
	for i, key := range []*PublicKey{c.From, c.To} {
		if verifiers[i], err = key.NoteVerifier(c.Origin); err != nil {
			return c, err
		}
	}
	n, err := note.Open(msg, note.VerifierList(verifiers...))
	if err != nil {
		return c, err
	}
	if len(n.Sigs) != 2 || n.Sigs[0].Hash != c.From.noteHash(c.Origin) || n.Sigs[1].Hash != c.To.noteHash(c.Origin) {
		return c, errors.New("it is not signed by both keys, the old one first")
	}
	return c, nil
}
