// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// KeyChange says that a log goes on with other keys, another scope or other features: it
// introduces a segment to whoever trusts the key before.
type KeyChange struct {
	Origin string
	Log    LogID
	// Index is the size of the log's tree at the change, which is the leaf index of the
	// header that it introduces. Root is the root hash of that tree.
	Index uint64
	Root  [32]byte
	// From is the first key of the header before, To that of the header that is
	// introduced. They may be equal.
	From, To *PublicKey
	// Header is the leaf hash of the header that is introduced.
	Header [32]byte
	// Retain is the promise that no leaf before Index is deleted earlier.
	Retain time.Time
	// Note is the signed note.
	Note []byte
}

// keyChangeTitle is the first line of the note's text. No origin has a blank, so a key
// change is never a checkpoint.
const keyChangeTitle = "auditlog key change v1"

// retainStart begins the last line, before the time.
const (
	retainStart  = "retain "
	retainLayout = "2006-01-02T15:04:05.000000000Z"
)

// maxKeyChangeSignatures is the number of keys that a header may have, and the new one.
const maxKeyChangeSignatures = 65

// SignKeyChange returns a signed note (c2sp.org/signed-note) that holds the members of c,
// but for the keys, which are those of the signers, and the note. It is signed with from,
// with to if that is another key, which shows that its holder agrees, and with each key of
// leaving: those that sign checkpoints no more.
func SignKeyChange(c KeyChange, from, to *Signer, leaving ...*Signer) ([]byte, error) {
	all := []*Signer{from}
	if !from.public.Equal(to.public) {
		all = append(all, to)
	}
	all = append(all, leaving...)
	signers := make([]note.Signer, len(all))
	for i, s := range all {
		var err error
		if signers[i], err = s.NoteSigner(c.Origin); err != nil {
			return nil, fmt.Errorf("sign a key change: %w", err)
		}
	}
	text := strings.Join([]string{
		keyChangeTitle,
		c.Origin,
		c.Log.String(),
		strconv.FormatUint(c.Index, 10),
		base64.StdEncoding.EncodeToString(c.Root[:]),
		base64.StdEncoding.EncodeToString(from.public.spki),
		base64.StdEncoding.EncodeToString(to.public.spki),
		base64.StdEncoding.EncodeToString(c.Header[:]),
		retainStart + c.Retain.UTC().Format(retainLayout),
		"",
	}, "\n")
	signed, err := note.Sign(&note.Note{Text: text}, signers...)
	if err != nil {
		return nil, fmt.Errorf("sign a key change: %w", err)
	}
	return signed, nil
}

// OpenKeyChange parses a key change and checks the signatures of the keys that it names.
// Whether to trust the first of them is the caller's to decide; see [KeyChange.SignedBy]
// for further signatures.
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
	if len(lines) != 10 || lines[0] != keyChangeTitle {
		return c, fmt.Errorf("the note's text is not that of a key change: nine lines, the first %q", keyChangeTitle)
	}
	if c.Origin = lines[1]; ValidateOrigin(c.Origin) != nil {
		return c, ValidateOrigin(c.Origin)
	}
	if c.Index, err = strconv.ParseUint(lines[3], 10, 64); err != nil || strconv.FormatUint(c.Index, 10) != lines[3] {
		return c, fmt.Errorf("bad index %q", lines[3])
	}
	for _, one := range []struct {
		line string
		hash *[32]byte
		what string
	}{{lines[2], (*[32]byte)(&c.Log), "log id"}, {lines[4], &c.Root, "root hash"}, {lines[7], &c.Header, "header hash"}} {
		b, err := strictBase64(one.line)
		if err != nil || len(b) != len(one.hash) {
			return c, errors.New("bad " + one.what)
		}
		*one.hash = [32]byte(b)
	}
	for i, key := range []**PublicKey{&c.From, &c.To} {
		der, err := strictBase64(lines[5+i])
		if err != nil {
			return c, errors.New("a public key is not in strict base64")
		}
		if *key, err = ParsePublicKeyDER(der); err != nil {
			return c, err
		}
	}
	retain, ok := strings.CutPrefix(lines[8], retainStart)
	if c.Retain, err = time.Parse(retainLayout, retain); !ok || err != nil || c.Retain.Format(retainLayout) != retain {
		return c, fmt.Errorf("bad line %q", lines[8])
	}
	// The old key's signature, the new key's if that is another, then those of keys that
	// leave: so nobody can add or reorder lines of the first two.
	signatures := string(signed)
	if err := checkSignatureLines(signatures); err != nil {
		return c, err
	}
	named := []*PublicKey{c.From}
	if !c.From.Equal(c.To) {
		named = append(named, c.To)
	}
	hashes := signatureHashes(signatures, c.Origin)
	if len(hashes) < len(named) || len(hashes) > maxKeyChangeSignatures || len(hashes) != strings.Count(signatures, "\n") {
		return c, fmt.Errorf("%d signature lines of the log", len(hashes))
	}
	verifiers := make([]note.Verifier, len(named))
	for i, key := range named {
		if verifiers[i], err = key.NoteVerifier(c.Origin); err != nil {
			return c, err
		}
		if hashes[i] != key.noteHash(c.Origin) {
			return c, errors.New("it is not signed by the keys that it names, the old one first")
		}
	}
	n, err := note.Open(msg, note.VerifierList(verifiers...))
	if err != nil {
		return c, err
	}
	if len(n.Sigs) != len(named) {
		return c, errors.New("it is not signed by the keys that it names, the old one first")
	}
	return c, nil
}

// SignedBy reports whether the note bears a valid signature of a key, such as one that
// leaves the log with the change.
func (c *KeyChange) SignedBy(k *PublicKey) bool {
	v, err := k.NoteVerifier(c.Origin)
	if err != nil {
		return false
	}
	_, err = note.Open(c.Note, note.VerifierList(v))
	return err == nil
}

// signatureHashes returns the key hashes of the signature lines of a name, in order. The
// form of the lines has been checked.
func signatureHashes(lines, name string) (hashes []uint32) {
	for line := range strings.Lines(lines) {
		rest, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "\u2014 "+name+" ")
		if b, err := strictBase64(rest); ok && err == nil && len(b) > 4 {
			hashes = append(hashes, binary.BigEndian.Uint32(b))
		}
	}
	return hashes
}

// strictBase64 decodes the one encoding that a byte string has.
func strictBase64(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("a line break in base64") // which decoding would skip
	}
	return base64.StdEncoding.Strict().DecodeString(s)
}
