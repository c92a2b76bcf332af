// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package consistency_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/consistency"
	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// checkProof checks a consistency proof with two other implementations.
func checkProof(t interface{ Fatalf(string, ...any) }, p []merkle.Hash, from, to merkle.Frontier) {
	nodes := make([][]byte, len(p))
	tree := make(tlog.TreeProof, len(p))
	for i, h := range p {
		nodes[i], tree[i] = h[:], h
	}
	a, b := from.Root(), to.Root()
	if err := proof.VerifyConsistency(rfc6962.DefaultHasher, from.Size(), to.Size(), nodes, a[:], b[:]); err != nil {
		t.Fatalf("from %d to %d: %v", from.Size(), to.Size(), err)
	}
	if from.Size() == 0 {
		return // which the other does not take
	}
	if err := tlog.CheckTree(tree, int64(to.Size()), b, int64(from.Size()), a); err != nil {
		t.Fatalf("from %d to %d: %v", from.Size(), to.Size(), err)
	}
}

func leaf(i int) merkle.Hash { return merkle.LeafHash(fmt.Appendf(nil, "leaf %d", i)) }

func TestMarksProveAllSmallTrees(t *testing.T) {
	const most = 70
	trees := make([]merkle.Frontier, most+1)
	for i := range most {
		trees[i+1] = trees[i]
		trees[i+1].Append(leaf(i))
	}
	for from := range most + 1 {
		tree := trees[from]
		mark := consistency.NewMark(&tree)
		require.Equal(t, uint64(from), mark.Size(), "a mark at %d", from)
		for to := from; ; to++ {
			require.Equal(t, trees[to], tree, "the tree of %d leaves is another with a mark", to)
			checkProof(t, mark.Proof(&tree), trees[from], tree)
			// The mark has gone on; the proof to a smaller tree is still to be had.
			checkProof(t, mark.Proof(&trees[(from+to)/2]), trees[from], trees[(from+to)/2])
			if to == most {
				break
			}
			consistency.Append(&tree, leaf(to), []*consistency.Mark{mark})
		}
	}
}

// A writer appends to a copy of the tree, and drops the copy if it cannot be written.
func TestMarksSurviveAppendsThatAreDropped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tree merkle.Frontier
		var marks []*consistency.Mark
		at := map[*consistency.Mark]merkle.Frontier{}
		next := 0
		for range rapid.IntRange(1, 30).Draw(t, "commits") {
			if rapid.Bool().Draw(t, "mark") {
				m := consistency.NewMark(&tree)
				at[m] = tree
				marks = append(marks, m)
			}
			attempt := tree
			for range rapid.IntRange(1, 40).Draw(t, "leaves") {
				consistency.Append(&attempt, leaf(next), marks)
				next++
			}
			if rapid.Bool().Draw(t, "succeeds") {
				tree = attempt
			}
			for _, m := range marks {
				checkProof(t, m.Proof(&tree), at[m], tree)
			}
		}
	})
}

func BenchmarkAppendMarked(b *testing.B) {
	for name, n := range map[string]int{"no marks": 0, "3 marks": 3} {
		b.Run(name, func(b *testing.B) {
			var f merkle.Frontier
			l := leaf(0)
			for range 1000 {
				f.Append(l)
			}
			var marks []*consistency.Mark
			for range n {
				marks = append(marks, consistency.NewMark(&f))
			}
			b.ReportAllocs()
			for b.Loop() {
				consistency.Append(&f, l, marks)
			}
		})
	}
}
