// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package signing_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	fnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

var both = []signing.Algorithm{signing.ECDSAP256, signing.Ed25519}

func TestSignAndVerify(t *testing.T) {
	for _, a := range both {
		s, other := signingtest.New(t, a), signingtest.New(t, a)
		rapid.Check(t, func(t *rapid.T) {
			msg := rapid.SliceOf(rapid.Byte()).Draw(t, "msg")
			sig, err := s.Sign(msg)
			require.NoError(t, err, a)
			require.True(t, s.Public().Verify(msg, sig), a)
			require.False(t, other.Public().Verify(msg, sig), "%s: a wrong signature is taken", a)
			require.False(t, s.Public().Verify(append(msg, 0), sig), "%s: a wrong signature is taken", a)
			require.False(t, s.Public().Verify(msg, nil), "%s: a wrong signature is taken", a)
			require.False(t, s.Public().Verify(msg, append(sig, 0)), "%s: a wrong signature is taken", a)
		})
	}
}

// RFC 6979, appendix A.2.5: P-256 with SHA-256.
func TestDeterministicECDSA(t *testing.T) {
	number := func(s string) *big.Int {
		n, ok := new(big.Int).SetString(s, 16)
		require.True(t, ok, s)
		return n
	}
	d, err := hex.DecodeString("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721")
	require.NoError(t, err)
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
	require.NoError(t, err)
	s, err := signing.NewSigner(key, nil)
	require.NoError(t, err)
	for msg, want := range map[string][2]string{
		"sample": {"EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716", "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"},
		"test":   {"F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367", "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083"},
	} {
		sig, err := s.Sign([]byte(msg))
		require.NoError(t, err)
		if !bytes.Contains(sig, number(want[0]).Bytes()) || !bytes.Contains(sig, number(want[1]).Bytes()) {
			t.Errorf("%s: %x", msg, sig)
		}
	}
	// Hedged signatures differ, and verify.
	hedged, err := signing.NewSigner(key, rand.Reader)
	require.NoError(t, err)
	a, errA := hedged.Sign([]byte("sample"))
	b, errB := hedged.Sign([]byte("sample"))
	if errA != nil || errB != nil || bytes.Equal(a, b) || !s.Public().Verify([]byte("sample"), a) {
		t.Errorf("hedged: %x, %x, %v, %v", a, b, errA, errB)
	}
}

func TestPublicKeyForms(t *testing.T) {
	for _, a := range both {
		p := signingtest.New(t, a).Public()
		vkey, err := p.VKey("log.example/a")
		require.NoError(t, err)
		for form, b := range map[string][]byte{"PEM": keyfile.MarshalPublic(p), "vkey": []byte(vkey), "vkey with LF": []byte(vkey + "\n")} {
			got, err := signing.ParsePublicKey(b)
			if err != nil || !got.Equal(p) || got.ID() != p.ID() || got.Algorithm() != a {
				t.Errorf("%s %s: %v", a, form, err)
			}
		}
		sum := sha256.Sum256(p.SPKI())
		assert.Equal(t, hex.EncodeToString(sum[:8]), p.ID(), "%s: id", a)
	}
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func pkcs8(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return pemOf("PRIVATE KEY", der)
}

func spki(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	require.NoError(t, err)
	return pemOf("PUBLIC KEY", der)
}

func p384(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	return key
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return key
}

func TestParsePublicKeyRefuses(t *testing.T) {
	p256 := signingtest.New(t, signing.ECDSAP256)
	offCurve := bytes.Clone(p256.Public().SPKI())
	offCurve[len(offCurve)-1] ^= 1
	edSPKI := signingtest.New(t, signing.Ed25519).Public().SPKI()
	withPoint := func(point string) []byte {
		raw, err := hex.DecodeString(point)
		require.NoError(t, err)
		return pemOf("PUBLIC KEY", append(bytes.Clone(edSPKI[:len(edSPKI)-32]), raw...))
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	vkey, err := p256.Public().VKey("log")
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		in   []byte
		says string
	}{
		"empty":               {nil, "not a public key"},
		"junk":                {[]byte("hello"), "not a public key"},
		"private key":         {pkcs8(t, private), "private key"},
		"P-384":               {spki(t, p384(t).Public()), "P-384"},
		"RSA":                 {spki(t, rsaKey(t).Public()), "RSA"},
		"off the curve":       {pemOf("PUBLIC KEY", offCurve), ""},
		"cut off":             {keyfile.MarshalPublic(p256.Public())[:60], "cut off"},
		"trailing DER":        {pemOf("PUBLIC KEY", append(bytes.Clone(p256.Public().SPKI()), 0)), ""},
		"two keys":            {append(keyfile.MarshalPublic(p256.Public()), keyfile.MarshalPublic(p256.Public())...), "one key"},
		"certificate":         {pemOf("CERTIFICATE", []byte{1}), "CERTIFICATE"},
		"Ed25519 identity":    {withPoint("0100000000000000000000000000000000000000000000000000000000000000"), "small order"},
		"Ed25519 order 2":     {withPoint("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"), "small order"},
		"Ed25519 order 4":     {withPoint("0000000000000000000000000000000000000000000000000000000000000000"), "small order"},
		"Ed25519 order 8":     {withPoint("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "small order"},
		"Ed25519 not reduced": {withPoint("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"), ""},
		"vkey: wrong hash":    {[]byte("log+00000000+" + strings.SplitN(vkey, "+", 3)[2]), "hash"},
		"vkey: unknown type":  {[]byte("log+00000000+" + base64.StdEncoding.EncodeToString([]byte{9, 9, 9})), "type"},
		"vkey: bad base64":    {[]byte("log+00000000+!!"), "base64"},
		"vkey: two parts":     {[]byte("log+00000000"), "not a public key"},
	} {
		_, err := signing.ParsePublicKey(tt.in)
		assert.ErrorContains(t, err, tt.says, name)
	}
}

// broken is a signer whose token has been pulled out.
type broken struct{ crypto.Signer }

var errToken = errors.New("no token")

func (broken) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, errToken }

func TestSigningFailure(t *testing.T) {
	key, err := keyfile.GenerateKey(signing.ECDSAP256)
	require.NoError(t, err)
	s, err := signing.NewSigner(broken{key}, nil)
	require.NoError(t, err)
	_, err = s.Sign([]byte("x"))
	assert.ErrorIs(t, err, errToken, "Sign")
	_, err = signing.SignCheckpoint("o", 1, [32]byte{}, s)
	assert.ErrorIs(t, err, errToken, "SignCheckpoint")
	_, err = signing.NewSigner(p384(t), nil)
	assert.Error(t, err, "a P-384 key was taken")
}

// Notes signed here open with the libraries of others, and theirs here.
func TestNotesInterop(t *testing.T) {
	const origin = "log.example/audit"
	for _, a := range both {
		s := signingtest.New(t, a)
		signed, err := signing.SignCheckpoint(origin, 42, [32]byte{1, 2, 3}, s)
		require.NoError(t, err)
		vkey, err := s.Public().VKey(origin)
		require.NoError(t, err)
		v, err := fnote.NewVerifier(vkey)
		require.NoError(t, err, a)
		_, err = note.Open(signed, note.VerifierList(v))
		assert.NoError(t, err, "%s: transparency-dev cannot open our note", a)
		c, by, err := signing.OpenCheckpoint(signed, origin, []*signing.PublicKey{signingtest.New(t, a).Public(), s.Public()})
		if err != nil || len(by) != 1 || !by[0].Equal(s.Public()) || c.Size != 42 || c.Root != [32]byte{1, 2, 3} || c.Origin != origin {
			t.Errorf("%s: %+v, %d, %v", a, c, len(by), err)
		}
	}
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
	require.NoError(t, err)
	theirs, err := note.NewSigner(skey)
	require.NoError(t, err)
	public, err := signing.ParsePublicKey([]byte(vkey))
	require.NoError(t, err)
	n, err := note.Sign(&note.Note{Text: origin + "\n7\n" + base64.StdEncoding.EncodeToString(make([]byte, 32)) + "\n"}, theirs)
	require.NoError(t, err)
	_, by, err := signing.OpenCheckpoint(n, origin, []*signing.PublicKey{public})
	assert.NoError(t, err, "a note of the Go team's library")
	assert.Len(t, by, 1, "a note of the Go team's library")
}

func TestCheckpointWithTwoSignatures(t *testing.T) {
	a, b := signingtest.New(t, signing.ECDSAP256), signingtest.New(t, signing.Ed25519)
	n, err := signing.SignCheckpoint("o", 1, [32]byte{}, a, b)
	require.NoError(t, err)
	for _, keys := range [][]*signing.PublicKey{{a.Public()}, {b.Public()}, {a.Public(), b.Public()}} {
		_, by, err := signing.OpenCheckpoint(n, "o", keys)
		assert.NoError(t, err)
		assert.Len(t, by, len(keys))
	}
}

func TestOpenCheckpointRefuses(t *testing.T) {
	s := signingtest.New(t, signing.Ed25519)
	keys := []*signing.PublicKey{s.Public()}
	good, err := signing.SignCheckpoint("log", 42, [32]byte{9}, s)
	require.NoError(t, err)
	_, _, err = signing.OpenCheckpoint(good, "log", keys)
	require.NoError(t, err)
	signed := func(text string) []byte {
		ns, err := s.NoteSigner("log")
		require.NoError(t, err)
		n, err := note.Sign(&note.Note{Text: text}, ns)
		require.NoError(t, err)
		return n
	}
	root := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for name, in := range map[string][]byte{
		"empty":              nil,
		"no signature":       good[:bytes.Index(good, []byte("\n\n"))+1],
		"of another key":     bytes.Replace(good, []byte("log "), []byte("lag "), 1),
		"size changed":       bytes.Replace(good, []byte("42"), []byte("43"), 1),
		"leading zero":       signed("log\n042\n" + root + "\n"),
		"sign":               signed("log\n+42\n" + root + "\n"),
		"huge size":          signed("log\n99999999999999999999\n" + root + "\n"),
		"short root":         signed("log\n42\nAAAA\n"),
		"stray bits in root": signed("log\n42\n" + root[:42] + "B=\n"),
		"extension line":     signed("log\n42\n" + root + "\nmore\n"),
		"two lines":          signed("log\n42\n"),
		"CR":                 signed("log\r\n42\n" + root + "\n"),
		"CR in the root":     bytes.Replace(good, []byte("=\n\n"), []byte("\r=\n\n"), 1),
		"another origin":     signed("other\n42\n" + root + "\n"),
		"an event":           signed("{\"event\":1}\n42\n" + root + "\n"),
		"trailing byte":      append(bytes.Clone(good), 'x'),
		"trailing line":      append(bytes.Clone(good), "junk\n"...),
	} {
		c, _, err := signing.OpenCheckpoint(in, "log", keys)
		assert.Error(t, err, "%s: %+v", name, c)
	}
	_, _, err = signing.OpenCheckpoint(good, "log", []*signing.PublicKey{signingtest.New(t, signing.Ed25519).Public()})
	assert.ErrorIs(t, err, signing.ErrNoTrustedSignature, "with another key")
	// No byte of a checkpoint can be changed unseen.
	for i := range good {
		for _, bits := range []byte{1, 2, 0x20, 0x80} {
			changed := bytes.Clone(good)
			changed[i] ^= bits
			_, _, err := signing.OpenCheckpoint(changed, "log", keys)
			assert.Error(t, err, "byte %d xor %#x: %q is taken", i, bits, changed)
		}
	}
}

// What openssl makes of our keys and signatures.
func TestOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("SKIPPED: openssl is not installed")
	}
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, b, 0o600))
		return path
	}
	s := signingtest.New(t, signing.ECDSAP256)
	sig, err := s.Sign([]byte("message"))
	require.NoError(t, err)
	out, err := exec.Command(openssl, "dgst", "-sha256", "-verify", file("pub", keyfile.MarshalPublic(s.Public())), "-signature", file("sig", sig), file("msg", []byte("message"))).CombinedOutput()
	assert.NoError(t, err, "openssl does not verify our signature: %s", out)
}

func FuzzParsePublicKey(f *testing.F) {
	for _, a := range both {
		p := signingtest.New(f, a).Public()
		f.Add(keyfile.MarshalPublic(p))
		vkey, err := p.VKey("log")
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(vkey))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		p, err := signing.ParsePublicKey(in)
		if err != nil {
			return
		}
		again, err := signing.ParsePublicKey(keyfile.MarshalPublic(p))
		if err != nil || !again.Equal(p) {
			t.Errorf("%q parses, but its own form does not: %v", in, err)
		}
	})
}

func FuzzOpenCheckpoint(f *testing.F) {
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	s, err := signing.NewSigner(key, nil)
	if err != nil {
		f.Fatal(err)
	}
	good, err := signing.SignCheckpoint("log", 42, [32]byte{9}, s)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, in []byte) {
		c, by, err := signing.OpenCheckpoint(in, "log", []*signing.PublicKey{s.Public()})
		if err == nil && (len(by) == 0 || c.Origin != "log") {
			t.Errorf("%q opens as %+v", in, c)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	msg := make([]byte, 500)
	for _, a := range both {
		b.Run(string(a), func(b *testing.B) {
			s := signingtest.New(b, a)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Sign(msg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
