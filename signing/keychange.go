// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/otel-auditlog/auditlogexporter/internal/signednote"
	"github.com/otel-auditlog/auditlogexporter/internal/timestamp"
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
	// Leaving are the other keys of the header before that the introduced one does not
	// name, in the order of that header: they sign checkpoints no more, and agree.
	Leaving []*PublicKey
	// Note is the signed note.
	Note []byte
}

// keyChangeTitle is the first line of the note's text. No origin has a blank, so a key
// change is never a checkpoint.
const keyChangeTitle = "auditlog key change v1"

const (
	// retainStart begins the ninth line, before the time.
	retainStart = "retain "
	// leavesStart begins each line after that, before a key.
	leavesStart = "leaves "
	// maxLeaving is the number of keys that a header may have besides its first.
	maxLeaving = 63
	// fixedLines is the number of lines before those.
	fixedLines = 9
)

// SignKeyChange returns a signed note (c2sp.org/signed-note) that holds the members of c,
// but for the keys, which are those of the signers, and the note. It is signed with from,
// with to if that is another key, which shows that its holder agrees, and with each key of
// leaving.
func SignKeyChange(c KeyChange, from, to *Signer, leaving ...*Signer) ([]byte, error) {
	all := []*Signer{from}
	if !from.public.Equal(to.public) {
		all = append(all, to)
	}
	all = append(all, leaving...)
	signers := make([]note.Signer, len(all))
	for i, s := range all {
		var err error
		if signers[i], err = s.forNotes(c.Origin); err != nil {
			return nil, fmt.Errorf("sign a key change: %w", err)
		}
	}
	lines := []string{
		keyChangeTitle,
		c.Origin,
		c.Log.String(),
		strconv.FormatUint(c.Index, 10),
		base64.StdEncoding.EncodeToString(c.Root[:]),
		base64.StdEncoding.EncodeToString(from.public.spki),
		base64.StdEncoding.EncodeToString(to.public.spki),
		base64.StdEncoding.EncodeToString(c.Header[:]),
		retainStart + c.Retain.UTC().Format(timestamp.Layout),
	}
	for _, s := range leaving {
		lines = append(lines, leavesStart+base64.StdEncoding.EncodeToString(s.public.spki))
	}
	text := strings.Join(append(lines, ""), "\n")
	signed, err := note.Sign(&note.Note{Text: text}, signers...)
	if err != nil {
		return nil, fmt.Errorf("sign a key change: %w", err)
	}
	return signed, nil
}

// OpenKeyChange parses a key change and checks the signatures of all keys that it names.
// Whether to trust them is the caller's to decide.
func OpenKeyChange(msg []byte) (KeyChange, error) {
	c, err := openKeyChange(msg)
	if err != nil {
		return KeyChange{}, fmt.Errorf("key change: %w", err)
	}
	return c, nil
}

func openKeyChange(msg []byte) (c KeyChange, err error) {
	c.Note = msg
	text, signed, err := signednote.Split(msg)
	if err != nil {
		return c, err
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) < fixedLines || len(lines) > fixedLines+maxLeaving || lines[0] != keyChangeTitle {
		return c, fmt.Errorf("the note's text is not that of a key change: %d to %d lines, the first %q", fixedLines, fixedLines+maxLeaving, keyChangeTitle)
	}
	if c.Origin = lines[1]; signednote.ValidateOrigin(c.Origin) != nil {
		return c, signednote.ValidateOrigin(c.Origin)
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
	if c.From, err = parseKeyLine(lines[5]); err != nil {
		return c, err
	}
	if c.To, err = parseKeyLine(lines[6]); err != nil {
		return c, err
	}
	retain, ok := strings.CutPrefix(lines[8], retainStart)
	if c.Retain, err = time.Parse(timestamp.Layout, retain); !ok || err != nil || c.Retain.Format(timestamp.Layout) != retain {
		return c, fmt.Errorf("bad line %q", lines[8])
	}
	for _, line := range lines[fixedLines:] {
		text, ok := strings.CutPrefix(line, leavesStart)
		if !ok {
			return c, fmt.Errorf("bad line %.80q", line)
		}
		key, err := parseKeyLine(text)
		if err != nil {
			return c, err
		}
		c.Leaving = append(c.Leaving, key)
	}
	return c, c.checkSignatures(string(signed))
}

func parseKeyLine(line string) (*PublicKey, error) {
	der, err := strictBase64(line)
	if err != nil {
		return nil, errors.New("a public key is not in strict base64")
	}
	return ParsePublicKeyDER(der)
}

// checkSignatures checks that the note has the signature of each key that it names, in
// their order, and no other: so it has one form only.
func (c *KeyChange) checkSignatures(lines string) error {
	if err := signednote.CheckSignatures(lines); err != nil {
		return err
	}
	named := []*PublicKey{c.From}
	if !c.From.Equal(c.To) {
		named = append(named, c.To)
	}
	named = append(named, c.Leaving...)
	if n := strings.Count(lines, "\n"); n != len(named) {
		return fmt.Errorf("%d signature lines, not %d", n, len(named))
	}
	verifiers := make([]note.Verifier, len(named))
	for i, key := range named {
		if slices.ContainsFunc(named[:i], key.Equal) {
			return fmt.Errorf("the key %s is named twice", key.ID())
		}
		var err error
		if verifiers[i], err = key.forNotes(c.Origin); err != nil {
			return err
		}
	}
	n, err := note.Open(c.Note, note.VerifierList(verifiers...))
	if err != nil {
		return err
	}
	if len(n.Sigs) != len(named) {
		return errors.New("it lacks the signature of a key that it names")
	}
	for i, key := range named {
		if n.Sigs[i].Hash != key.noteHash(c.Origin) {
			return errors.New("its signatures are not in the order of the keys that it names")
		}
	}
	return nil
}

// strictBase64 decodes the one encoding that a byte string has.
func strictBase64(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("a line break in base64") // which decoding would skip
	}
	return base64.StdEncoding.Strict().DecodeString(s)
}
