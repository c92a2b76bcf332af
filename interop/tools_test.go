// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"filippo.io/torchwood"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	tlogproof "github.com/transparency-dev/formats/proof"
	merkleproof "github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/tiles"
	"github.com/otel-auditlog/auditlogexporter/proof"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// verifier returns a note verifier of another's making for one of our keys.
func verifier(t *testing.T, s *signing.Signer) note.Verifier {
	t.Helper()
	vkey, err := s.Public().VKey(vectorOrigin)
	require.NoError(t, err)
	v, err := note.NewVerifier(vkey)
	require.NoError(t, err)
	return v
}

func ed25519Log(t *testing.T, scope segline.Scope) (dir string, s *signing.Signer) {
	t.Helper()
	s, err := keyfile.Create(filepath.Join(t.TempDir(), "key.pem"), signing.Ed25519)
	require.NoError(t, err)
	dir = filepath.Join(t.TempDir(), "log")
	writeLog(t, dir, scope, s)
	return dir, s
}

// The proof of an event is parsed and checked with others' code alone: the format with
// transparency-dev/formats, the path with transparency-dev/merkle, the checkpoint with
// torchwood and golang.org/x/mod.
func TestOthersCheckOurProofs(t *testing.T) {
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		t.Run(string(scope), func(t *testing.T) {
			dir, s := ed25519Log(t, scope)
			for i := range 12 {
				id := fmt.Sprintf("event-%d-0", i)
				p, err := proof.Prove(t.Context(), os.DirFS(dir), proof.Query{EventID: id})
				require.NoError(t, err)
				var theirs tlogproof.TLogProof
				require.NoError(t, theirs.Unmarshal(p.Marshal()))
				assert.Equal(t, p.Marshal(), theirs.Marshal(), "written anew, the proof is another")
				opened, err := note.Open(theirs.Checkpoint, note.VerifierList(verifier(t, s)))
				require.NoError(t, err)
				c, err := torchwood.ParseCheckpoint(opened.Text)
				require.NoError(t, err)
				line, _, ok := bytes.Cut(theirs.ExtraData, []byte("\n"))
				require.True(t, ok, "extra data %q", theirs.ExtraData)
				require.True(t, bytes.Contains(line, []byte(id)), "extra data %q", theirs.ExtraData)
				var path [][]byte
				for _, h := range theirs.Hashes {
					path = append(path, h[:])
				}
				assert.NoError(t, merkleproof.VerifyInclusion(rfc6962.DefaultHasher, theirs.Index, uint64(c.N), rfc6962.DefaultHasher.HashLeaf(line), path, c.Hash[:]), id)
				assert.Error(t, merkleproof.VerifyInclusion(rfc6962.DefaultHasher, theirs.Index, uint64(c.N), rfc6962.DefaultHasher.HashLeaf(line[1:]), path, c.Hash[:]), "%s: another line is proven, too", id)
			}
		})
	}
}

// A proof that others' code has put together is one of ours.
func TestWeCheckOthersProofs(t *testing.T) {
	dir, s := ed25519Log(t, segline.ScopeEvent)
	p, err := proof.Prove(t.Context(), os.DirFS(dir), proof.Query{EventID: "event-3-0"})
	require.NoError(t, err)
	// What their code takes no part in, the extra data, is as we have made it.
	var ours tlogproof.TLogProof
	require.NoError(t, ours.Unmarshal(p.Marshal()))
	theirs := tlogproof.TLogProof{Index: p.Index, Checkpoint: p.Checkpoint, ExtraData: bytes.Clone(ours.ExtraData)}
	for _, h := range p.Path {
		theirs.Hashes = append(theirs.Hashes, h)
	}
	got, err := proof.Check(theirs.Marshal(), proof.Options{Keys: []*signing.PublicKey{s.Public()}})
	if err != nil || !bytes.Contains(got.Event, []byte("event-3-0")) {
		t.Errorf("%+v, %v", got, err)
	}
}

// torchwood's client mirrors an exported log from a plain web server, and checks every
// leaf against the checkpoint.
func TestTorchwoodMirrorsOurTiles(t *testing.T) {
	dir, s := ed25519Log(t, segline.ScopeEvent)
	out := t.TempDir()
	root, err := os.OpenRoot(out)
	require.NoError(t, err)
	defer root.Close()
	result, err := tiles.Export(t.Context(), os.DirFS(dir), root, tiles.Options{Keys: []*signing.PublicKey{s.Public()}})
	require.NoError(t, err)
	server := httptest.NewServer(http.FileServer(http.Dir(out)))
	defer server.Close()
	fetcher, err := torchwood.NewTileFetcher(server.URL, torchwood.WithHTTPClient(server.Client()))
	require.NoError(t, err)
	client, err := torchwood.NewClient(fetcher)
	require.NoError(t, err)
	text, err := fetcher.ReadEndpoint(context.Background(), "checkpoint")
	require.NoError(t, err)
	opened, err := note.Open(text, note.VerifierList(verifier(t, s)))
	require.NoError(t, err)
	c, err := torchwood.ParseCheckpoint(opened.Text)
	require.NoError(t, err)
	require.Equal(t, vectorOrigin, c.Origin, "checkpoint %+v, exported %+v", c, result)
	require.Equal(t, result.To, uint64(c.N), "checkpoint %+v, exported %+v", c, result)
	seen := int64(0)
	for i, entry := range client.AllEntries(t.Context(), c.Tree, 0) {
		require.Equal(t, seen, i, "entry %d: %q", i, entry)
		require.NotEmpty(t, segment.KindOf(entry), "entry %d: %q", i, entry)
		seen++
	}
	require.NoError(t, client.Err())
	require.Equal(t, c.N, seen)
	entry, path, err := client.Entry(t.Context(), c.Tree, 5)
	require.NoError(t, err)
	assert.NoError(t, tlog.CheckRecord(path, c.N, c.Hash, 5, tlog.RecordHash(entry)))
}
