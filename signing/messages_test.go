// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package signing_test

import (
	"crypto"
	"crypto/ed25519"
	"io"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/signednote"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// kinds are all things that are ever signed in a log, by what their messages begin with
// (docs/format.md, section 5).
var kinds = map[string]*regexp.Regexp{
	"event":             regexp.MustCompile(`^auditlog event v1\n`),
	"key change":        regexp.MustCompile(`^auditlog key change v1\n`),
	"delegation":        regexp.MustCompile(`^auditlog delegation v1\n`),
	"receipt":           regexp.MustCompile(`^auditlog receipt v1\n`),
	"verification part": regexp.MustCompile(`^auditlog verification part v1\n`),
	"signer's test":     regexp.MustCompile(`^auditlog signer test v1\n`),
	"cosignature":       regexp.MustCompile(`^cosignature/v1\ntime [0-9]+\n`),
	"checkpoint":        regexp.MustCompile(`^[^\s{][^\s]*\n[0-9]+\n`),
}

// recorder is an Ed25519 key that keeps the messages it signs.
type recorder struct {
	ed25519.PrivateKey
	messages []string
}

func (r *recorder) Sign(rand io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	r.messages = append(r.messages, string(message))
	return r.PrivateKey.Sign(rand, message, opts)
}

// A signature over one thing is never one over another, whatever clients and operators
// choose.
func TestMessagesAreOfOneKind(t *testing.T) {
	other := signingtest.New(t, signing.ECDSAP256)
	_, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		key := &recorder{PrivateKey: private}
		s, err := signing.NewSigner(key, nil)
		require.NoError(t, err)
		origin := rapid.OneOf(
			rapid.SampledFrom([]string{"cosignature/v1", "auditlog", "0", "a/b"}),
			rapid.StringN(1, 60, 255),
		).Filter(func(s string) bool { return signednote.ValidateOrigin(s) == nil }).Draw(t, "origin")
		canonical := rapid.SliceOf(rapid.Byte()).Draw(t, "canonical")
		size := rapid.Uint64().Draw(t, "size")
		_, err = s.SignEvent(origin, signing.LogID{1}, canonical)
		require.NoError(t, err)
		_, err = signing.SignCheckpoint(origin, size, [32]byte{1}, s)
		require.NoError(t, err)
		c := change(size)
		c.Origin = origin
		_, err = signing.SignKeyChange(c, s, other)
		require.NoError(t, err)
		for i, want := range []string{"event", "checkpoint", "key change"} {
			for kind, begins := range kinds {
				if begins.MatchString(key.messages[i]) != (kind == want) {
					t.Fatalf("the message of the %s %q, as %s", want, key.messages[i], kind)
				}
			}
		}
	})
}

// The signature of an event is for one log, and one event.
func TestEventSignaturesAreOfOneLog(t *testing.T) {
	const origin = "test.example/log"
	for _, a := range []signing.Algorithm{signing.ECDSAP256, signing.Ed25519} {
		s := signingtest.New(t, a)
		id := signing.LogID{1}
		event := []byte(`{"event_id":"1"}`)
		signature, err := s.SignEvent(origin, id, event)
		require.NoError(t, err)
		message := "auditlog event v1\n" + origin + "\n" + id.String() + "\n" + string(event)
		if !s.Public().VerifyEvent(origin, id, event, signature) || !s.Public().Verify([]byte(message), signature) {
			t.Errorf("%s: the signature is not valid", a)
		}
		if s.Public().VerifyEvent("test.example/log2", id, event, signature) || s.Public().VerifyEvent(origin, signing.LogID{2}, event, signature) {
			t.Errorf("%s: the signature is valid for another log", a)
		}
		if s.Public().VerifyEvent(origin, id, append(event, ' '), signature) || s.Public().Verify(event, signature) {
			t.Errorf("%s: the signature is valid for another event, or without the log", a)
		}
	}
}
