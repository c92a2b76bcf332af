// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/internal/cosigning"
	"github.com/otel-auditlog/auditlogexporter/internal/cosigning/client"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/witnesstest"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const origin = "log.example/auditlog"

// log signs checkpoints over trees of its own.
type log struct {
	signer *signing.Signer
	hashes []tlog.Hash // as tlog stores them
	size   int64
}

func newLog(t testing.TB) *log {
	t.Helper()
	key, err := keyfile.GenerateKey(signing.Ed25519)
	require.NoError(t, err)
	s, err := signing.NewSigner(key, nil)
	require.NoError(t, err)
	return &log{signer: s}
}

func (l *log) reader() tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) (all []tlog.Hash, _ error) {
		for _, i := range indexes {
			all = append(all, l.hashes[i])
		}
		return all, nil
	})
}

// grow adds leaves and returns the checkpoint over the tree.
func (l *log) grow(t testing.TB, leaves ...string) []byte {
	t.Helper()
	for _, leaf := range leaves {
		hashes, err := tlog.StoredHashes(l.size, []byte(leaf), l.reader())
		require.NoError(t, err)
		l.hashes = append(l.hashes, hashes...)
		l.size++
	}
	root, err := tlog.TreeHash(l.size, l.reader())
	require.NoError(t, err)
	note, err := signing.SignCheckpoint(origin, uint64(l.size), root, l.signer)
	require.NoError(t, err)
	return note
}

func (l *log) proof(t testing.TB, from int64) []merkle.Hash {
	t.Helper()
	p, err := tlog.ProveTree(l.size, from, l.reader())
	require.NoError(t, err)
	return p
}

func newClient(t testing.TB, w *witnesstest.Witness) *client.Client {
	t.Helper()
	c, err := client.New(w.Listen(t), w.Key)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestAWitnessFollowsALog(t *testing.T) {
	w, l := witnesstest.New(t, "witness.example/w1"), newLog(t)
	c := newClient(t, w)
	assert.Equal(t, "witness.example/w1", c.Name(), "the client is called")
	first := l.grow(t, "a", "b", "c")

	_, err := c.AddCheckpoint(t.Context(), 0, nil, first)
	assert.ErrorIs(t, err, cosigning.ErrUnknownLog, "unknown log")
	w.Trust(t, origin, newLog(t).signer.Public())
	_, err = c.AddCheckpoint(t.Context(), 0, nil, first)
	assert.ErrorIs(t, err, cosigning.ErrUntrusted, "another key")
	w.Trust(t, origin, l.signer.Public())

	cosignature, err := c.AddCheckpoint(t.Context(), 0, nil, first)
	require.NoError(t, err)
	if got, err := w.Key.Cosignature(cosigning.Cosigned(first, cosignature)); err != nil || got != cosignature {
		t.Errorf("got %+v, %v", got, err)
	}
	second := l.grow(t, "d", "e")
	_, err = c.AddCheckpoint(t.Context(), 3, l.proof(t, 3), second)
	assert.NoError(t, err)
	assert.Equal(t, uint64(5), w.Size(origin), "the witness has seen")
	// The same again, which is how a cosignature that got lost is had.
	_, err = c.AddCheckpoint(t.Context(), 5, nil, second)
	assert.NoError(t, err)
	// From where the witness is not.
	var conflict *cosigning.Conflict
	for _, old := range []uint64{0, 3} {
		if _, err := c.AddCheckpoint(t.Context(), old, nil, second); !errors.As(err, &conflict) || conflict.Size != 5 {
			t.Errorf("from %d: %v", old, err)
		}
	}
	third := l.grow(t, "f")
	_, err = c.AddCheckpoint(t.Context(), 5, l.proof(t, 3), third)
	assert.ErrorIs(t, err, cosigning.ErrInconsistent, "with the proof of another tree")
	_, err = c.AddCheckpoint(t.Context(), 7, nil, third)
	assert.ErrorContains(t, err, "status 400", "from beyond the checkpoint")

	// Another history of the log: of another size, and of the same.
	fork := newLog(t)
	fork.signer = l.signer
	other := fork.grow(t, "a", "b", "c", "d", "E", "f")
	_, err = c.AddCheckpoint(t.Context(), 5, fork.proof(t, 5), other)
	assert.ErrorIs(t, err, cosigning.ErrInconsistent, "a fork")
	_, err = c.AddCheckpoint(t.Context(), 5, l.proof(t, 5), third)
	assert.NoError(t, err)
	if _, err := c.AddCheckpoint(t.Context(), 6, nil, other); !errors.As(err, &conflict) || conflict.Size != 6 {
		t.Errorf("a fork of the same size: %v", err)
	}
}

func TestHostileAnswers(t *testing.T) {
	l := newLog(t)
	note := l.grow(t, "a", "b", "c")
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer elsewhere.Close()
	for name, c := range map[string]struct {
		answer func(w *witnesstest.Witness) http.HandlerFunc
		word   string
	}{
		"redirect": {func(*witnesstest.Witness) http.HandlerFunc {
			return func(rw http.ResponseWriter, r *http.Request) {
				http.Redirect(rw, r, elsewhere.URL, http.StatusTemporaryRedirect)
			}
		}, "may be found at"},
		"endless": {func(*witnesstest.Witness) http.HandlerFunc {
			return func(rw http.ResponseWriter, r *http.Request) {
				for r.Context().Err() == nil {
					if _, err := rw.Write(make([]byte, 4096)); err != nil {
						return
					}
				}
			}
		}, "more than"},
		"an endless header": {func(*witnesstest.Witness) http.HandlerFunc {
			return func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("X", strings.Repeat("x", 1<<20))
			}
		}, "header"},
		"cut off": {func(*witnesstest.Witness) http.HandlerFunc {
			return func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Content-Length", "100")
				_, _ = io.WriteString(rw, "\u2014 w")
			}
		}, "read the answer"},
		"hung up": {func(*witnesstest.Witness) http.HandlerFunc {
			return func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
		}, "EOF"},
		"the cosignature of another witness": {func(w *witnesstest.Witness) http.HandlerFunc {
			other := witnesstest.New(t, w.Key.Name())
			return func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, other.Cosign(t, note)) }
		}, "no cosignature"},
		"a cosignature for another size": {func(w *witnesstest.Witness) http.HandlerFunc {
			line := w.Cosign(t, newLog(t).grow(t, "x"))
			return func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, line) }
		}, "not its"},
	} {
		t.Run(name, func(t *testing.T) {
			w := witnesstest.New(t, "witness.example/w1")
			w.Misbehave(c.answer(w))
			got, err := newClient(t, w).AddCheckpoint(t.Context(), 0, nil, note)
			assert.ErrorContains(t, err, c.word, "got %+v, error", got)
			assert.ErrorContains(t, err, "witness.example/w1", "got %+v, error", got)
		})
	}
}

// The caller's context bounds everything, with a witness that never answers, too.
func TestTheContextEndsARequest(t *testing.T) {
	w, l := witnesstest.New(t, "witness.example/w1"), newLog(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.Misbehave(func(_ http.ResponseWriter, r *http.Request) {
		cancel() // the request has arrived, and will not be answered
		<-r.Context().Done()
	})
	_, err := newClient(t, w).AddCheckpoint(ctx, 0, nil, l.grow(t, "a"))
	assert.ErrorIs(t, err, context.Canceled, "error")
}

func TestADeadWitness(t *testing.T) {
	w, l := witnesstest.New(t, "witness.example/w1"), newLog(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	url := "http://" + listener.Addr().String()
	listener.Close()
	c, err := client.New(url, w.Key)
	require.NoError(t, err)
	defer c.Close()
	_, err = c.AddCheckpoint(t.Context(), 0, nil, l.grow(t, "a"))
	assert.Error(t, err, "nobody cosigned")
}

// One connection serves all checkpoints.
func TestConnectionsAreKept(t *testing.T) {
	w, l := witnesstest.New(t, "witness.example/w1"), newLog(t)
	w.Trust(t, origin, l.signer.Public())
	var opened atomic.Int64
	server := httptest.NewUnstartedServer(w)
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	c, err := client.New(server.URL+"/prefix/", w.Key)
	require.NoError(t, err)
	defer c.Close()
	note := l.grow(t, "a")
	for i := range 5 {
		_, err := c.AddCheckpoint(t.Context(), min(uint64(i), 1), nil, note)
		require.NoError(t, err)
	}
	assert.Equal(t, int64(1), opened.Load(), "connections for 5 requests")
}

func TestURLs(t *testing.T) {
	for _, good := range []string{
		"https://witness.example", "https://witness.example/", "https://witness.example:8443/a/b",
		"http://localhost:7380", "http://127.0.0.1:7380/x", "http://127.9.9.9", "http://[::1]:7380", "http://[::ffff:127.0.0.1]",
	} {
		_, err := client.ParseURL(good)
		assert.NoError(t, err, good)
	}
	for bad, word := range map[string]string{
		"":                                "not a URL",
		"witness.example":                 "not a URL",
		"https://":                        "not a URL",
		"https://:443/":                   "not a URL",
		"ftp://witness.example":           "not a URL",
		"unix:///run/witness.sock":        "not a URL",
		"https://witness.example/%zz":     "not a URL",
		"http://witness.example":          "without TLS",
		"http://localhost.example":        "without TLS",
		"http://10.0.0.1":                 "without TLS",
		"https://me:secret@example":       "no user",
		"https://witness.example/?a=b":    "no user, query",
		"https://witness.example/?":       "no user, query",
		"https://witness.example/#anchor": "fragment",
	} {
		if _, err := client.ParseURL(bad); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%q: error %v, want one that says %q", bad, err, word)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error repeats a password: %v", err)
		}
	}
	w := witnesstest.New(t, "witness.example/w1")
	_, err := client.New("http://witness.example", w.Key)
	assert.Error(t, err, "a URL without TLS is taken")
}
