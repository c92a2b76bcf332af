// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package receiptline_test

import (
	"crypto/ed25519"
	"fmt"
	"math/bits"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/receiptline"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/receipt"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

func leafHash(n uint64) merkle.Hash { return merkle.LeafHash(fmt.Appendf(nil, "leaf %d", n)) }

// history is a tree of which the Go team's library keeps every hash.
type history []tlog.Hash

func (h *history) ReadHashes(indexes []int64) (hashes []tlog.Hash, _ error) {
	for _, at := range indexes {
		hashes = append(hashes, (*h)[at])
	}
	return hashes, nil
}

func (h *history) add(t require.TestingT, n uint64, leaf merkle.Hash) {
	more, err := tlog.StoredHashesForRecordHash(int64(n), tlog.Hash(leaf), h)
	require.NoError(t, err)
	*h = append(*h, more...)
}

func (h *history) prove(t require.TestingT, size, index uint64) (path []merkle.Hash) {
	proof, err := tlog.ProveRecord(int64(size), int64(index), h)
	require.NoError(t, err)
	for _, hash := range proof {
		path = append(path, merkle.Hash(hash))
	}
	return path
}

func newSigner(t require.TestingT) *signing.Signer {
	signer, err := signing.NewSigner(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), nil)
	require.NoError(t, err)
	return signer
}

func idHash(id string) merkle.Hash { return merkle.LeafHash([]byte(id)) }

// commitLine returns the line of a commit with such events.
func commitLine(number uint64, ids []merkle.Hash) []byte {
	var tree merkle.Frontier
	for _, id := range ids {
		tree.Append(id)
	}
	return segline.AppendCommit(nil, number, time.Date(2026, 11, 23, 10, 15, 0, 0, time.UTC), &segline.IDs{Count: tree.Size(), Root: tree.Root()})
}

// The receipts of a commit are those that the Go team's library, which keeps every hash,
// makes one by one.
func TestReceiptsOfCommitsAgainstLibrary(t *testing.T) {
	signer := newSigner(t)
	rapid.Check(t, func(t *rapid.T) {
		var tree merkle.Frontier
		var stored history
		var commit receiptline.Commit
		for number := range rapid.IntRange(1, 6).Draw(t, "commits") {
			headers := rapid.IntRange(0, 1).Draw(t, "headers")
			var leaves, ids []merkle.Hash
			var idTree history
			for i := range headers + rapid.OneOf(rapid.IntRange(1, 40), rapid.IntRange(1, 300)).Draw(t, "events") {
				leaves = append(leaves, leafHash(tree.Size()+uint64(i)))
				if i >= headers {
					ids = append(ids, idHash(fmt.Sprint("id-", i)))
					idTree.add(t, uint64(i-headers), ids[i-headers])
				}
			}
			line := commitLine(uint64(number+1), ids)
			leaves = append(leaves, merkle.LeafHash(line))
			commit.Set(&tree, leaves, ids)
			first := tree.Size()
			for _, leaf := range leaves {
				stored.add(t, tree.Size(), leaf)
				tree.Append(leaf)
			}
			grown, err := commit.Tree()
			require.NoError(t, err)
			require.Equal(t, tree.Size(), grown.Size())
			require.Equal(t, tree.Hashes(), grown.Hashes())
			bound, err := commit.IDs()
			require.NoError(t, err)
			parsed, err := segment.ParseCommit(line)
			require.NoError(t, err)
			require.Equal(t, *parsed.IDs, bound)
			want := receipt.Receipt{Commit: line, CommitPath: stored.prove(t, tree.Size(), tree.Size()-1)}
			want.Checkpoint, err = signing.SignCheckpoint("test.example/auditlog", tree.Size(), tree.Root(), signer)
			require.NoError(t, err)
			commit.Sign(line, want.Checkpoint)
			step := rapid.IntRange(1, 20).Draw(t, "step") // the log's own events have none
			for i := headers; i < len(leaves)-1; i += step {
				want.Index, want.LeafHash, want.EventID = first+uint64(i), leaves[i], fmt.Sprint("id-", i)
				want.Path = stored.prove(t, tree.Size(), want.Index)
				want.IDPath = idTree.prove(t, uint64(len(ids)), uint64(i-headers))
				_, err = want.Check()
				require.NoError(t, err)
				require.Equal(t, string(want.Append([]byte("x"))), string(commit.Append([]byte("x"), i, []byte(want.EventID))))
			}
		}
	})
}

// Of a tree too large to be built: what was before is its frontier alone.
func TestReceiptsInALargeTree(t *testing.T) {
	signer := newSigner(t)
	for _, size := range []uint64{0, 1, 1e8 - 1, 1 << 27, 1<<27 - 1, 1<<40 + 12345, 1<<53 - 200} {
		var frontier []merkle.Hash
		for i := range bits.OnesCount64(size) {
			frontier = append(frontier, leafHash(uint64(i)))
		}
		before, err := merkle.NewFrontier(size, frontier)
		require.NoError(t, err)
		var leaves, ids []merkle.Hash
		for i := range uint64(130) {
			leaves = append(leaves, leafHash(size+i))
			ids = append(ids, idHash(fmt.Sprint(i)))
		}
		var commit receiptline.Commit
		line := commitLine(1, ids)
		commit.Set(&before, append(slices.Clip(leaves), merkle.LeafHash(line)), ids)
		tree, err := commit.Tree()
		require.NoError(t, err)
		note, err := signing.SignCheckpoint("test.example/auditlog", tree.Size(), tree.Root(), signer)
		require.NoError(t, err)
		commit.Sign(line, note)
		for i := range leaves {
			for _, id := range []string{"", fmt.Sprint(i)} {
				r, err := receipt.Parse(commit.Append(nil, i, []byte(id)))
				require.NoError(t, err)
				require.Equal(t, size+uint64(i), r.Index)
				require.Equal(t, leaves[i], r.LeafHash)
				require.Equal(t, id, r.EventID)
				_, err = r.Check()
				require.NoError(t, err, "%d of %d", i, size)
			}
		}
	}
}
