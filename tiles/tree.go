// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package tiles

import (
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/merkle"
)

const (
	// height is that of all tiles, width the number of hashes in a full one.
	height = 8
	width  = 1 << height
	// entries is the level of the tiles that hold the leaves themselves.
	entries = -1
)

// tilePath returns where a tile of w hashes is kept.
func tilePath(level int, n uint64, w int) string {
	name := tlog.Tile{H: height, L: level, N: int64(n), W: w}.Path()
	if level == entries {
		return "tile/entries/" + strings.TrimPrefix(name, "tile/8/data/")
	}
	return "tile/" + strings.TrimPrefix(name, "tile/8/")
}

// edge is the right edge of a tree: the tiles that are not full, from the leaves up.
type edge struct {
	size   uint64
	levels [][]merkle.Hash
}

// add adds a leaf. full is called with each tile that it fills.
func (e *edge) add(leaf merkle.Hash, full func(level int, n uint64, hashes []merkle.Hash) error) error {
	e.size++
	for level, hash, count := 0, leaf, e.size; ; level++ {
		if level == len(e.levels) {
			e.levels = append(e.levels, make([]merkle.Hash, 0, width))
		}
		e.levels[level] = append(e.levels[level], hash)
		if len(e.levels[level]) < width {
			return nil
		}
		if err := full(level, count/width-1, e.levels[level]); err != nil {
			return err
		}
		hash, count = subtree(e.levels[level]), count/width
		e.levels[level] = e.levels[level][:0]
	}
}

// subtree returns the hash over a power of two of hashes.
func subtree(hashes []merkle.Hash) merkle.Hash {
	if len(hashes) == 1 {
		return hashes[0]
	}
	half := len(hashes) / 2
	return merkle.NodeHash(subtree(hashes[:half]), subtree(hashes[half:]))
}

// frontier returns the tree.
func (e *edge) frontier() (merkle.Frontier, error) {
	var hashes []merkle.Hash
	for level := len(e.levels) - 1; level >= 0; level-- {
		rest := e.levels[level]
		for h := height - 1; h >= 0; h-- {
			if len(rest)>>h&1 == 1 {
				// What is left begins at a multiple of twice as many.
				hashes = append(hashes, subtree(rest[:1<<h]))
				rest = rest[1<<h:]
			}
		}
	}
	return merkle.NewFrontier(e.size, hashes)
}

// partial calls f with each tile that is not full.
func (e *edge) partial(f func(level int, n uint64, hashes []merkle.Hash) error) error {
	count := e.size
	for level, hashes := range e.levels {
		if len(hashes) > 0 {
			if err := f(level, count/width, hashes); err != nil {
				return err
			}
		}
		count /= width
	}
	return nil
}

// loadEdge reads the right edge of a tree of a certain size.
func loadEdge(size uint64, read func(name string, bytes int) ([]byte, error)) (*edge, error) {
	e := &edge{size: size}
	for level, count := 0, size; count > 0; level, count = level+1, count/width {
		hashes := make([]merkle.Hash, 0, width)
		if w := int(count % width); w > 0 {
			b, err := read(tilePath(level, count/width, w), w*len(merkle.Hash{}))
			if err != nil {
				return nil, err
			}
			for ; len(b) > 0; b = b[len(merkle.Hash{}):] {
				hashes = append(hashes, merkle.Hash(b))
			}
			if len(hashes) != w {
				return nil, fmt.Errorf("%s holds %d hashes, not %d", tilePath(level, count/width, w), len(hashes), w)
			}
		}
		e.levels = append(e.levels, hashes)
	}
	return e, nil
}
