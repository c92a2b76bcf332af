// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package kept_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/kept"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

func note(t testing.TB) string {
	t.Helper()
	n, err := signing.SignCheckpoint("test.example/auditlog", 7, [32]byte{1}, signingtest.Numbered(t, 1))
	require.NoError(t, err)
	return string(n)
}

// A kept checkpoint is taken as it was signed, by whomever; what is none is refused with its name,
// and a byte order mark with what to do about it.
func TestParse(t *testing.T) {
	n := note(t)
	c, err := kept.Parse("a.txt", []byte(n))
	require.NoError(t, err)
	assert.Equal(t, signing.Checkpoint{Origin: "test.example/auditlog", Size: 7, Root: [32]byte{1}, Note: []byte(n)}, c)

	text, _, _ := strings.Cut(n, "\n\n")
	tests := []struct{ name, note, want string }{
		{"nothing", "", ""},
		{"a byte order mark", "\ufeff" + n, "byte order mark, which an editor has put there: take it away"},
		{"a byte order mark alone", "\ufeff", "byte order mark"},
		{"no signature", text + "\n\n", ""},
		{"cut off", n[:len(n)-1], ""},
		{"an extension line", strings.Replace(n, "\n\n", "\nmore\n\n", 1), ""},
		{"CRLF", strings.ReplaceAll(n, "\n", "\r\n"), ""},
		{"a size with a zero in front", strings.Replace(n, "\n7\n", "\n07\n", 1), ""},
		{"UTF-16", "\xff\xfe" + n, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := kept.Parse("a.txt", []byte(test.note))
			require.ErrorContains(t, err, "kept checkpoint a.txt is none: ")
			assert.ErrorContains(t, err, test.want)
		})
	}
}

// A log extends a tree only if it has that tree and no other of its size, whatever else was seen
// and in whatever order; deleted leaves accuse nobody.
func TestRelation(t *testing.T) {
	const same, other, deleted = "same", "other", "deleted"
	tests := []struct {
		name string
		seen []string
		want kept.Relation
	}{
		{"nothing", nil, kept.NotIntact},
		{"the tree", []string{same}, kept.Extends},
		{"the tree, twice", []string{same, same}, kept.Extends},
		{"another tree", []string{other}, kept.Diverges},
		{"both", []string{same, other}, kept.Diverges},
		{"both, the other way round", []string{other, same}, kept.Diverges},
		{"deleted leaves", []string{deleted}, kept.Deleted},
		{"deleted leaves, and the tree is left", []string{deleted, same}, kept.Extends},
		{"deleted leaves, and another tree", []string{deleted, other}, kept.Deleted},
		{"deleted leaves, and both", []string{same, deleted, other}, kept.Deleted},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tree := &kept.Tree{Checkpoint: signing.Checkpoint{Size: 7, Root: [32]byte{1}}}
			seen := map[string]bool{}
			for _, what := range test.seen {
				seen[what] = true
				switch what {
				case same:
					tree.Compare(merkle.Hash{1})
				case other:
					tree.Compare(merkle.Hash{1, 31: 1})
				case deleted:
					tree.MarkDeleted()
				}
			}
			assert.Equal(t, test.want, tree.Relation())
			assert.Equal(t, seen[same], tree.Same(), "same")
			assert.Equal(t, seen[other], tree.Other(), "other")
			assert.Equal(t, seen[deleted], tree.IsDeleted(), "deleted")
		})
	}
}

// A tree may be told of roots from several goroutines, none of which is lost.
func TestCompareAtOnce(t *testing.T) {
	tree := &kept.Tree{Checkpoint: signing.Checkpoint{Root: [32]byte{1}}}
	var wg sync.WaitGroup
	for i := range byte(8) {
		wg.Go(func() { tree.Compare(merkle.Hash{i}) })
		wg.Go(tree.MarkDeleted)
	}
	wg.Wait()
	assert.True(t, tree.Same())
	assert.True(t, tree.Other())
	assert.Equal(t, kept.Deleted, tree.Relation())
}
