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
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func ed25519Log(t *testing.T, scope segline.Scope) (dir string, s *signing.Signer) {
	t.Helper()
	s, err := keyfile.Create(filepath.Join(t.TempDir(), "key.pem"), signing.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
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
				if err != nil {
					t.Fatal(err)
				}
				var theirs tlogproof.TLogProof
				if err := theirs.Unmarshal(p.Marshal()); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(theirs.Marshal(), p.Marshal()) {
					t.Error("written anew, the proof is another")
				}
				opened, err := note.Open(theirs.Checkpoint, note.VerifierList(verifier(t, s)))
				if err != nil {
					t.Fatal(err)
				}
				c, err := torchwood.ParseCheckpoint(opened.Text)
				if err != nil {
					t.Fatal(err)
				}
				line, _, ok := bytes.Cut(theirs.ExtraData, []byte("\n"))
				if !ok || !bytes.Contains(line, []byte(id)) {
					t.Fatalf("extra data %q", theirs.ExtraData)
				}
				var path [][]byte
				for _, h := range theirs.Hashes {
					path = append(path, h[:])
				}
				if err := merkleproof.VerifyInclusion(rfc6962.DefaultHasher, theirs.Index, uint64(c.N), rfc6962.DefaultHasher.HashLeaf(line), path, c.Hash[:]); err != nil {
					t.Errorf("%s: %v", id, err)
				}
				if err := merkleproof.VerifyInclusion(rfc6962.DefaultHasher, theirs.Index, uint64(c.N), rfc6962.DefaultHasher.HashLeaf(line[1:]), path, c.Hash[:]); err == nil {
					t.Errorf("%s: another line is proven, too", id)
				}
			}
		})
	}
}

// A proof that others' code has put together is one of ours.
func TestWeCheckOthersProofs(t *testing.T) {
	dir, s := ed25519Log(t, segline.ScopeEvent)
	p, err := proof.Prove(t.Context(), os.DirFS(dir), proof.Query{EventID: "event-3-0"})
	if err != nil {
		t.Fatal(err)
	}
	// What their code takes no part in, the extra data, is as we have made it.
	var ours tlogproof.TLogProof
	if err := ours.Unmarshal(p.Marshal()); err != nil {
		t.Fatal(err)
	}
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
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	result, err := tiles.Export(t.Context(), os.DirFS(dir), root, tiles.Options{Keys: []*signing.PublicKey{s.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(out)))
	defer server.Close()
	fetcher, err := torchwood.NewTileFetcher(server.URL, torchwood.WithHTTPClient(server.Client()))
	if err != nil {
		t.Fatal(err)
	}
	client, err := torchwood.NewClient(fetcher)
	if err != nil {
		t.Fatal(err)
	}
	text, err := fetcher.ReadEndpoint(context.Background(), "checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	opened, err := note.Open(text, note.VerifierList(verifier(t, s)))
	if err != nil {
		t.Fatal(err)
	}
	c, err := torchwood.ParseCheckpoint(opened.Text)
	if err != nil {
		t.Fatal(err)
	}
	if c.Origin != vectorOrigin || uint64(c.N) != result.To {
		t.Fatalf("checkpoint %+v, exported %+v", c, result)
	}
	seen := int64(0)
	for i, entry := range client.AllEntries(t.Context(), c.Tree, 0) {
		if i != seen || segment.KindOf(entry) == segline.KindUnknown {
			t.Fatalf("entry %d: %q", i, entry)
		}
		seen++
	}
	if err := client.Err(); err != nil || seen != c.N {
		t.Fatalf("%d of %d entries: %v", seen, c.N, err)
	}
	entry, path, err := client.Entry(t.Context(), c.Tree, 5)
	if err != nil {
		t.Fatal(err)
	}
	if err := tlog.CheckRecord(path, c.N, c.Hash, 5, tlog.RecordHash(entry)); err != nil {
		t.Error(err)
	}
}
