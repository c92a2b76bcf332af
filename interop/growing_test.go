// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"filippo.io/torchwood"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/tiles"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// published is a log that is exported, and served by a plain web server, bit by bit.
type published struct {
	t       *testing.T
	s       *signing.Signer
	log     *logtest.Log
	out     *os.Root
	fetcher *torchwood.TileFetcher
}

func publish(t *testing.T) *published {
	t.Helper()
	s, err := keyfile.Create(filepath.Join(t.TempDir(), "key.pem"), signing.Ed25519)
	require.NoError(t, err)
	p := &published{t: t, s: s, log: logtest.Closed(t, rotation.Options{Origin: vectorOrigin, Signer: s, MaxSegmentBytes: 1 << 20})}
	out := t.TempDir()
	p.out, err = os.OpenRoot(out)
	require.NoError(t, err)
	t.Cleanup(func() { p.out.Close() })
	server := httptest.NewServer(http.FileServer(http.Dir(out)))
	t.Cleanup(server.Close)
	p.fetcher, err = torchwood.NewTileFetcher(server.URL, torchwood.WithHTTPClient(server.Client()))
	require.NoError(t, err)
	return p
}

// grow adds events, in commits of 2,000 at most, and exports them.
func (p *published) grow(events int) {
	p.t.Helper()
	p.log.Open()
	for ; events > 0; events -= 2000 {
		p.log.Commit(min(events, 2000))
	}
	p.log.Close()
	_, err := tiles.Export(p.t.Context(), os.DirFS(p.log.Options.Directory), p.out, tiles.Options{Keys: []*signing.PublicKey{p.s.Public()}})
	require.NoError(p.t, err)
}

// tree returns the tree under the checkpoint that is served.
func (p *published) tree() tlog.Tree {
	p.t.Helper()
	text, err := p.fetcher.ReadEndpoint(p.t.Context(), "checkpoint")
	require.NoError(p.t, err)
	opened, err := note.Open(text, note.VerifierList(verifier(p.t, p.s)))
	require.NoError(p.t, err)
	c, err := torchwood.ParseCheckpoint(opened.Text)
	require.NoError(p.t, err)
	return c.Tree
}

// mirror reads all entries of a tree, which torchwood checks.
func (p *published) mirror(tree tlog.Tree) error {
	p.t.Helper()
	client, err := torchwood.NewClient(p.fetcher)
	require.NoError(p.t, err)
	seen := int64(0)
	for range client.AllEntries(p.t.Context(), tree, 0) {
		seen++
	}
	if client.Err() == nil && seen != tree.N {
		return fmt.Errorf("%d entries of %d", seen, tree.N)
	}
	return client.Err()
}

// torchwood follows a log through exports that end at, before and behind full tiles, up
// to a third level, and finds each tree the beginning of the next.
func TestTorchwoodFollowsOurTiles(t *testing.T) {
	p := publish(t)
	var before tlog.Tree
	for _, events := range []int{1, 100, 151, 1, 1, 1, 256, 1000, 64000, 700} {
		p.grow(events)
		tree := p.tree()
		require.NoError(t, p.mirror(tree), "%d leaves", tree.N)
		if before.N > 0 {
			path, err := tlog.ProveTree(tree.N, before.N, torchwood.TileHashReaderWithContext(t.Context(), tree, p.fetcher))
			require.NoError(t, err)
			require.NoError(t, tlog.CheckTree(path, tree.N, tree.Hash, before.N, before.Hash), "from %d to %d leaves", before.N, tree.N)
		}
		before = tree
	}
	require.Greater(t, before.N, int64(1<<16), "leaves need no third level")
}

// A client that has the checkpoint from before an export can still read what it covers:
// the export may have come between its two requests.
func TestTorchwoodReadsUnderTheCheckpointBefore(t *testing.T) {
	p := publish(t)
	p.grow(100)
	before := p.tree()
	p.grow(300)
	assert.NoError(t, p.mirror(before))
}
