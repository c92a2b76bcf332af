// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package witness_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	formats "github.com/transparency-dev/formats/note"

	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/witnesstest"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

const origin = "log.example/auditlog"

// checkpoint makes a checkpoint of a log, signed with a fresh key.
func checkpoint(t testing.TB, size uint64) []byte {
	t.Helper()
	key, err := keyfile.GenerateKey(signing.Ed25519)
	require.NoError(t, err)
	s, err := signing.NewSigner(key, nil)
	require.NoError(t, err)
	note, err := signing.SignCheckpoint(origin, size, [32]byte{byte(size)}, s)
	require.NoError(t, err)
	return note
}

// vkey makes a verifier key, with the right hash.
func vkey(name string, kind byte, key []byte) string {
	k := append([]byte{kind}, key...)
	hash := sha256.Sum256(append([]byte(name+"\n"), k...))
	return fmt.Sprintf("%s+%08x+%s", name, binary.BigEndian.Uint32(hash[:]), base64.StdEncoding.EncodeToString(k))
}

func TestKeysAreParsedStrictly(t *testing.T) {
	public, _, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	good := vkey("witness.example/w1", 4, public)
	k, err := witness.ParseKey(good)
	require.NoError(t, err)
	if k.Name() != "witness.example/w1" || k.String() != good {
		t.Errorf("the key is called %q and written %q", k.Name(), k.String())
	}
	for name, c := range map[string]struct{ vkey, word string }{
		"nothing":           {"", "name+hash+key"},
		"a PEM file":        {"-----BEGIN PUBLIC KEY-----", "name+hash+key"},
		"no name":           {strings.TrimPrefix(good, "witness.example/w1"), "bad name"},
		"a space":           {strings.Replace(good, "/", " ", 1), "bad name"},
		"another name":      {strings.Replace(good, "w1", "w2", 1), "hash"},
		"another hash":      {strings.Replace(good, "+", "+0", 1), "hash"},
		"upper case":        {upperHash(good), "hash"},
		"no base64":         {good + "!", "base64"},
		"loose base64":      {good[:len(good)-2] + "B=", "base64"},
		"a line end":        {good + "\n", "base64"},
		"a log's key":       {vkey("w", 1, public), "type 1"},
		"a post-quantum":    {vkey("w", 6, make([]byte, 1312)), "ML-DSA"},
		"an unknown type":   {vkey("w", 9, public), "type 9"},
		"a short key":       {vkey("w", 4, public[:31]), "Ed25519"},
		"a long key":        {vkey("w", 4, append(bytes.Clone(public), 0)), "Ed25519"},
		"small order":       {vkey("w", 4, make([]byte, 32)), "small order"},
		"not on the curve":  {vkey("w", 4, append([]byte{2}, make([]byte, 31)...)), "not a point"},
		"a key and no type": {vkey("w", 4, nil), "Ed25519"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := witness.ParseKey(c.vkey)
			assert.ErrorContains(t, err, c.word, "%q: error", c.vkey)
		})
	}
}

// upperHash returns a vkey with a hash in upper case, which differs.
func upperHash(vkey string) string {
	parts := strings.SplitN(vkey, "+", 3)
	parts[1] = strings.ToUpper(parts[1])
	if parts[1] == strings.ToLower(parts[1]) {
		return vkey + "!" // no letter in it: spoil it in another way
	}
	return strings.Join(parts, "+")
}

func TestCosignatures(t *testing.T) {
	w, other := witnesstest.New(t, "witness.example/w1"), witnesstest.New(t, "witness.example/w2")
	namesake := witnesstest.New(t, "witness.example/w1")
	note := checkpoint(t, 7)
	ours, theirs := w.Cosign(t, note), other.Cosign(t, note)

	for name, lines := range map[string]string{
		"alone":                       ours,
		"before another's":            ours + theirs,
		"behind another's":            theirs + ours,
		"beside one of the same name": namesake.Cosign(t, note) + ours,
	} {
		c, err := w.Key.Cosignature(append(bytes.Clone(note), lines...))
		assert.NoError(t, err, name)
		assert.Equal(t, ours, c.Line, "%s: got %+v", name, c)
		assert.False(t, c.Time.IsZero(), "%s: got %+v", name, c)
	}
	for name, lines := range map[string]string{"none": "", "another's": theirs, "a namesake's": namesake.Cosign(t, note)} {
		_, err := w.Key.Cosignature(append(bytes.Clone(note), lines...))
		assert.ErrorIs(t, err, witness.ErrNoCosignature, "%s: error", name)
	}
	elsewhere := w.Cosign(t, checkpoint(t, 8))
	for name, note := range map[string][]byte{
		"of another size":        append(bytes.Clone(note), elsewhere...),
		"with another time":      append(bytes.Clone(note), retimed(t, ours, 1)...),
		"of a time out of range": append(bytes.Clone(note), retimed(t, ours, math.MaxInt64)...),
		"cut short":              append(bytes.Clone(note), resized(t, ours, -1)...),
		"too long":               append(bytes.Clone(note), resized(t, ours, 1)...),
		"twice":                  append(bytes.Clone(note), ours+ours...),
		"in an unfinished line":  append(bytes.Clone(note), ours[:len(ours)-1]...),
		"no note":                []byte(ours),
	} {
		c, err := w.Key.Cosignature(note)
		assert.Error(t, err, "%s: %+v, error", name, c)
		assert.NotErrorIs(t, err, witness.ErrNoCosignature, "%s: %+v, error", name, c)
	}
}

// signatureIn takes a signature line apart.
func signatureIn(t testing.TB, line string) (name string, signature []byte) {
	t.Helper()
	parts := strings.Fields(line)
	b, err := base64.StdEncoding.DecodeString(parts[2])
	require.NoError(t, err)
	return parts[1], b
}

func retimed(t testing.TB, line string, seconds uint64) string {
	name, b := signatureIn(t, line)
	binary.BigEndian.PutUint64(b[4:], seconds)
	return fmt.Sprintf("\u2014 %s %s\n", name, base64.StdEncoding.EncodeToString(b))
}

func resized(t testing.TB, line string, by int) string {
	name, b := signatureIn(t, line)
	if by < 0 {
		b = b[:len(b)+by]
	} else {
		b = append(b, make([]byte, by)...)
	}
	return fmt.Sprintf("\u2014 %s %s\n", name, base64.StdEncoding.EncodeToString(b))
}

// A witness can sign any time; one that cannot be written down is refused.
func TestCosignatureOfNoTime(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	key, err := witness.ParseKey(vkey("w", 4, public))
	require.NoError(t, err)
	note := checkpoint(t, 7)
	text, _, _ := strings.Cut(string(note), "\n\n")
	for seconds, ok := range map[uint64]bool{0: true, 253402300799: true, 253402300800: false, math.MaxInt64: false, math.MaxUint64: false} {
		message := fmt.Sprintf("cosignature/v1\ntime %d\n%s\n", seconds, text)
		b, _ := base64.StdEncoding.DecodeString(strings.SplitN(key.String(), "+", 3)[2])
		hash := sha256.Sum256(append([]byte("w\n"), b...))
		b = binary.BigEndian.AppendUint64(hash[:4:4], seconds)
		b = append(b, ed25519.Sign(private, []byte(message))...)
		c, err := key.Cosignature(fmt.Appendf(nil, "%s\u2014 w %s\n", note, base64.StdEncoding.EncodeToString(b)))
		assert.Equal(t, err == nil, ok, "%d seconds: %v", seconds, err)
		if ok && c.Time.Unix() != int64(seconds) {
			t.Errorf("%d seconds: %s", seconds, c.Time)
		}
	}
}

// The vectors of the cosignature format's reference implementation, transparency-dev's,
// are its own tests; this one shows that both agree on a fresh key.
func TestCosignatureIsTheReferenceImplementations(t *testing.T) {
	w := witnesstest.New(t, "witness.example/w1")
	v, err := formats.NewVerifierForCosignatureV1(w.Key.String())
	require.NoError(t, err)
	note := checkpoint(t, 7)
	_, signature := signatureIn(t, w.Cosign(t, note))
	text, _, _ := strings.Cut(string(note), "\n\n")
	assert.True(t, v.Verify([]byte(text+"\n"), signature[4:]), "the reference implementation does not verify the cosignature")
}

func FuzzParseKey(f *testing.F) {
	f.Add("witness.example/w1+a1b2c3d4+BGFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh")
	f.Add("++")
	f.Fuzz(func(t *testing.T, vkey string) {
		k, err := witness.ParseKey(vkey)
		if err == nil && k.String() != vkey {
			t.Errorf("%q became %q", vkey, k)
		}
	})
}

// A note may come from an archive that somebody else made.
func FuzzCosignature(f *testing.F) {
	w := witnesstest.New(f, "witness.example/w1")
	note := checkpoint(f, 7)
	ours := w.Cosign(f, note)
	f.Add(append(bytes.Clone(note), ours...))
	f.Add(note)
	f.Fuzz(func(t *testing.T, cosigned []byte) {
		if c, err := w.Key.Cosignature(cosigned); err == nil && (c.Line != ours || !bytes.HasPrefix(cosigned, note[:bytes.Index(note, []byte("\n\n"))])) {
			t.Errorf("%q: %+v", cosigned, c)
		}
	})
}
