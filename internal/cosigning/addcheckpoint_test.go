// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package cosigning_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/cosigning"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/witnesstest"
	"github.com/otel-auditlog/auditlogexporter/merkle"
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

// The example of c2sp.org/tlog-witness, with other hashes.
func TestRequest(t *testing.T) {
	note := checkpoint(t, 300)
	got, err := cosigning.AppendRequest([]byte("x"), 200, []merkle.Hash{{1}, {2}}, note)
	require.NoError(t, err)
	want := "xold 200\nAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nAgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n" + string(note)
	assert.Equal(t, want, string(got), "got\n%s\nwant\n", got)
	if got, err := cosigning.AppendRequest(nil, 0, nil, note); err != nil || string(got) != "old 0\n\n"+string(note) {
		t.Errorf("got %q, %v", got, err)
	}
	_, err = cosigning.AppendRequest(nil, 1, make([]merkle.Hash, 64), note)
	assert.Error(t, err, "a proof of 64 hashes is sent")
}

func TestCosigned(t *testing.T) {
	w, other := witnesstest.New(t, "witness.example/w1"), witnesstest.New(t, "witness.example/w2")
	note := checkpoint(t, 7)
	ours, theirs := w.Cosign(t, note), other.Cosign(t, note)
	got := cosigning.Cosigned(note, witness.Cosignature{Line: ours}, witness.Cosignature{Line: theirs})
	assert.Equal(t, string(note)+ours+theirs, string(got), "the cosigned note is\n%s", got)
}

func TestAnswers(t *testing.T) {
	w, other := witnesstest.New(t, "witness.example/w1"), witnesstest.New(t, "witness.example/w2")
	note := checkpoint(t, 7)
	ours, theirs := w.Cosign(t, note), other.Cosign(t, note)
	const size = "text/x.tlog.size"

	for name, body := range map[string]string{"ours": ours, "and others": theirs + ours} {
		c, err := cosigning.ParseAnswer(w.Key, note, http.StatusOK, "text/plain", []byte(body))
		assert.NoError(t, err, "%s: %+v", name, c)
		assert.Equal(t, ours, c.Line, "%s: %+v", name, c)
	}
	for name, c := range map[string]struct {
		status      int
		contentType string
		body        string
		is          error
		word        string
	}{
		"unknown log":             {status: 404, body: "who?", is: cosigning.ErrUnknownLog, word: `"who?"`},
		"untrusted":               {status: 403, is: cosigning.ErrUntrusted},
		"inconsistent":            {status: 422, is: cosigning.ErrInconsistent},
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
			got, err := cosigning.ParseAnswer(w.Key, note, c.status, c.contentType, []byte(c.body))
			var conflict *cosigning.Conflict
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
		_, err := cosigning.ParseAnswer(w.Key, note, http.StatusConflict, contentType, []byte(body))
		var conflict *cosigning.Conflict
		if !errors.As(err, &conflict) || fmt.Sprintln(conflict.Size) != body {
			t.Errorf("%s %q: %v", contentType, body, err)
		}
	}
	_, err := cosigning.ParseAnswer(w.Key, []byte("no note"), http.StatusOK, "", []byte(ours))
	assert.Error(t, err, "a cosignature of no note is taken")
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
		c, err := cosigning.ParseAnswer(w.Key, note, status, contentType, body)
		if err != nil {
			return
		}
		// Nobody makes a cosignature up: it is the one that the witness made.
		if c.Line != ours || status != http.StatusOK {
			t.Errorf("status %d, %q: %+v", status, body, c)
		}
	})
}
