// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package witness_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"

	formats "github.com/transparency-dev/formats/note"

	"github.com/otel-auditlog/auditlogexporter/internal/witnesstest"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

const origin = "log.example/auditlog"

// checkpoint makes a checkpoint of a log, signed with a fresh key.
func checkpoint(t testing.TB, size uint64) []byte {
	t.Helper()
	key, err := signing.GenerateKey(signing.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	s, err := signing.NewSigner(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	note, err := signing.SignCheckpoint(origin, size, [32]byte{byte(size)}, s)
	if err != nil {
		t.Fatal(err)
	}
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
	if err != nil {
		t.Fatal(err)
	}
	good := vkey("witness.example/w1", 4, public)
	k, err := witness.ParseKey(good)
	if err != nil {
		t.Fatal(err)
	}
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
			if err == nil || !strings.Contains(err.Error(), c.word) {
				t.Errorf("%q: error %v, want one that says %q", c.vkey, err, c.word)
			}
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

// The example of c2sp.org/tlog-witness, with other hashes.
func TestRequest(t *testing.T) {
	note := checkpoint(t, 300)
	got, err := witness.AppendRequest([]byte("x"), 200, []merkle.Hash{{1}, {2}}, note)
	if err != nil {
		t.Fatal(err)
	}
	want := "xold 200\nAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nAgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n" + string(note)
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got, err := witness.AppendRequest(nil, 0, nil, note); err != nil || string(got) != "old 0\n\n"+string(note) {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := witness.AppendRequest(nil, 1, make([]merkle.Hash, 64), note); err == nil {
		t.Error("a proof of 64 hashes is sent")
	}
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
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.Line != ours || c.Time.IsZero() {
			t.Errorf("%s: got %+v", name, c)
		}
		cosigned := witness.Cosigned(note, c)
		if string(cosigned) != string(note)+ours {
			t.Errorf("%s: the cosigned note is\n%s", name, cosigned)
		}
	}
	for name, lines := range map[string]string{"none": "", "another's": theirs, "a namesake's": namesake.Cosign(t, note)} {
		if _, err := w.Key.Cosignature(append(bytes.Clone(note), lines...)); !errors.Is(err, witness.ErrNoCosignature) {
			t.Errorf("%s: error %v", name, err)
		}
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
		if c, err := w.Key.Cosignature(note); err == nil || errors.Is(err, witness.ErrNoCosignature) {
			t.Errorf("%s: %+v, error %v", name, c, err)
		}
	}
}

// signatureIn takes a signature line apart.
func signatureIn(t testing.TB, line string) (name string, signature []byte) {
	t.Helper()
	parts := strings.Fields(line)
	b, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
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
	if err != nil {
		t.Fatal(err)
	}
	key, err := witness.ParseKey(vkey("w", 4, public))
	if err != nil {
		t.Fatal(err)
	}
	note := checkpoint(t, 7)
	text, _, _ := strings.Cut(string(note), "\n\n")
	for seconds, ok := range map[uint64]bool{0: true, 253402300799: true, 253402300800: false, math.MaxInt64: false, math.MaxUint64: false} {
		message := fmt.Sprintf("cosignature/v1\ntime %d\n%s\n", seconds, text)
		b, _ := base64.StdEncoding.DecodeString(strings.SplitN(key.String(), "+", 3)[2])
		hash := sha256.Sum256(append([]byte("w\n"), b...))
		b = binary.BigEndian.AppendUint64(hash[:4:4], seconds)
		b = append(b, ed25519.Sign(private, []byte(message))...)
		c, err := key.Cosignature(fmt.Appendf(nil, "%s\u2014 w %s\n", note, base64.StdEncoding.EncodeToString(b)))
		if ok != (err == nil) {
			t.Errorf("%d seconds: %v", seconds, err)
		}
		if ok && c.Time.Unix() != int64(seconds) {
			t.Errorf("%d seconds: %s", seconds, c.Time)
		}
	}
}

func TestAnswers(t *testing.T) {
	w, other := witnesstest.New(t, "witness.example/w1"), witnesstest.New(t, "witness.example/w2")
	note := checkpoint(t, 7)
	ours, theirs := w.Cosign(t, note), other.Cosign(t, note)
	const size = "text/x.tlog.size"

	for name, body := range map[string]string{"ours": ours, "and others": theirs + ours} {
		c, err := w.Key.ParseAnswer(note, http.StatusOK, "text/plain", []byte(body))
		if err != nil || c.Line != ours {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	for name, c := range map[string]struct {
		status      int
		contentType string
		body        string
		is          error
		word        string
	}{
		"unknown log":             {status: 404, body: "who?", is: witness.ErrUnknownLog, word: `"who?"`},
		"untrusted":               {status: 403, is: witness.ErrUntrusted},
		"inconsistent":            {status: 422, is: witness.ErrInconsistent},
		"bad request":             {status: 400, body: "no\x1b[1m", word: `status 400: "no\x1b[1m"`},
		"out of order":            {status: 503, body: strings.Repeat("x", 500), word: `xxx"…`},
		"another success":         {status: 202, body: ours, word: "status 202"},
		"nothing":                 {status: 200, word: "cannot be used"},
		"another's":               {status: 200, body: theirs, is: witness.ErrNoCosignature},
		"for another size":        {status: 200, body: w.Cosign(t, checkpoint(t, 8)), word: "not its"},
		"a whole note":            {status: 200, body: string(note) + ours, word: "not a list of signature lines"},
		"a note's text":           {status: 200, body: "log\n9\nx\n\n" + ours, word: "not a list of signature lines"},
		"an unfinished line":      {status: 200, body: strings.TrimSuffix(ours, "\n"), word: "cut off"},
		"a line too many":         {status: 200, body: ours + "\n", word: "not a list of signature lines"},
		"a carriage return":       {status: 200, body: strings.TrimSuffix(ours, "\n") + "\r\n", word: "cannot be used"},
		"garbage":                 {status: 200, body: "\x00\xff\n", word: "cannot be used"},
		"huge":                    {status: 200, body: strings.Repeat(ours, 1000), word: "more than"},
		"conflict without a type": {status: 409, body: "5\n", word: "content type"},
		"conflict of HTML":        {status: 409, contentType: "text/html", body: "5\n", word: "content type"},
		"conflict without a size": {status: 409, contentType: size, body: "\n", word: "bad tree size"},
		"conflict without LF":     {status: 409, contentType: size, body: "5", word: "bad tree size"},
		"conflict with zeros":     {status: 409, contentType: size, body: "05\n", word: "bad tree size"},
		"conflict with a sign":    {status: 409, contentType: size, body: "+5\n", word: "bad tree size"},
		"conflict below zero":     {status: 409, contentType: size, body: "-5\n", word: "bad tree size"},
		"conflict out of range":   {status: 409, contentType: size, body: "9223372036854775808\n", word: "bad tree size"},
		"conflict no JSON holds":  {status: 409, contentType: size, body: "9007199254740992\n", word: "bad tree size"},
		"conflict with more":      {status: 409, contentType: size, body: "5\n6\n", word: "bad tree size"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := w.Key.ParseAnswer(note, c.status, c.contentType, []byte(c.body))
			var conflict *witness.Conflict
			switch {
			case err == nil:
				t.Errorf("it is taken for %+v", got)
			case c.is != nil && !errors.Is(err, c.is):
				t.Errorf("error %v, want %v", err, c.is)
			case !strings.Contains(err.Error(), c.word):
				t.Errorf("error %v, want one that says %q", err, c.word)
			case errors.As(err, &conflict):
				t.Errorf("it is taken for %v", conflict)
			}
		})
	}
	for contentType, body := range map[string]string{size: "0\n", size + "; charset=utf-8": "9007199254740991\n"} {
		_, err := w.Key.ParseAnswer(note, http.StatusConflict, contentType, []byte(body))
		var conflict *witness.Conflict
		if !errors.As(err, &conflict) || fmt.Sprintln(conflict.Size) != body {
			t.Errorf("%s %q: %v", contentType, body, err)
		}
	}
	if _, err := w.Key.ParseAnswer([]byte("no note"), http.StatusOK, "", []byte(ours)); err == nil {
		t.Error("a cosignature of no note is taken")
	}
}

// The vectors of the cosignature format's reference implementation, transparency-dev's,
// are its own tests; this one shows that both agree on a fresh key.
func TestCosignatureIsTheReferenceImplementations(t *testing.T) {
	w := witnesstest.New(t, "witness.example/w1")
	v, err := formats.NewVerifierForCosignatureV1(w.Key.String())
	if err != nil {
		t.Fatal(err)
	}
	note := checkpoint(t, 7)
	_, signature := signatureIn(t, w.Cosign(t, note))
	text, _, _ := strings.Cut(string(note), "\n\n")
	if !v.Verify([]byte(text+"\n"), signature[4:]) {
		t.Error("the reference implementation does not verify the cosignature")
	}
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

func FuzzParseAnswer(f *testing.F) {
	w := witnesstest.New(f, "witness.example/w1")
	note := checkpoint(f, 7)
	ours := w.Cosign(f, note)
	f.Add(200, "text/plain", []byte(ours))
	f.Add(200, "", []byte(ours+witnesstest.New(f, "witness.example/w2").Cosign(f, note)))
	f.Add(200, "", []byte("\u2014 witness.example/w1 AAAAAAAAAAAA\n"))
	f.Add(409, "text/x.tlog.size", []byte("17\n"))
	f.Add(422, "", []byte(nil))
	f.Fuzz(func(t *testing.T, status int, contentType string, body []byte) {
		c, err := w.Key.ParseAnswer(note, status, contentType, body)
		if err != nil {
			return
		}
		// Nobody makes a cosignature up: it is the one that the witness made.
		if c.Line != ours || status != http.StatusOK {
			t.Errorf("status %d, %q: %+v", status, body, c)
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
