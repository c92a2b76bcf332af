// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package tiles

import (
	"fmt"
	"math"
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

// edge is the right edge of a tree: the tiles that are not full, from the leaves up, and the
// hashes that its root is made of. Parts of the tree may be known by the hashes of whole
// subtrees alone.
type edge struct {
	size     uint64
	subtrees []perfect // the maximal ones, from left to right
	rows     []row
}

// perfect is a perfect subtree of 2^height leaves.
type perfect struct {
	height int
	hash   merkle.Hash
}

// row is a tile that is not full. It is lost if one of its hashes is not known.
type row struct {
	hashes []merkle.Hash
	lost   bool
}

// visit is called with a tile.
type visit func(level int, n uint64, hashes []merkle.Hash) error

// add adds a subtree: a leaf, if its height is 0. It must begin at a multiple of its size.
// full is called with each tile that it fills, unless that is lost.
func (e *edge) add(h int, hash merkle.Hash, full visit) error {
	e.size += 1 << h
	if rest := h % height; rest > 0 {
		// The hashes that the tile would have of it are below the one that is known.
		if err := e.extend(h/height, make([]merkle.Hash, 1<<rest), true, full); err != nil {
			return err
		}
	}
	for {
		if h%height == 0 {
			if err := e.extend(h/height, []merkle.Hash{hash}, false, full); err != nil {
				return err
			}
		}
		n := len(e.subtrees)
		if n == 0 || e.subtrees[n-1].height != h {
			e.subtrees = append(e.subtrees, perfect{h, hash})
			return nil
		}
		hash = tlog.NodeHash(e.subtrees[n-1].hash, hash)
		e.subtrees, h = e.subtrees[:n-1], h+1
	}
}

// extend adds hashes to the tile at the edge of a level.
func (e *edge) extend(level int, hashes []merkle.Hash, lost bool, full visit) error {
	for level >= len(e.rows) {
		e.rows = append(e.rows, row{hashes: make([]merkle.Hash, 0, width)})
	}
	r := &e.rows[level]
	r.hashes, r.lost = append(r.hashes, hashes...), r.lost || lost
	if len(r.hashes) < width {
		return nil
	}
	if !r.lost {
		if err := full(level, sizeAt(level, e.size)/width-1, r.hashes); err != nil {
			return err
		}
	}
	r.hashes, r.lost = r.hashes[:0], false
	return nil
}

// whole returns the size from which on a tree has no tile at its edge that is lost.
func (e *edge) whole() (size uint64) {
	for level, r := range e.rows {
		if !r.lost {
			continue
		}
		leaves := height * (level + 1)
		if leaves >= 63 {
			return math.MaxUint64
		}
		size = max(size, (e.size>>leaves+1)<<leaves)
	}
	return size
}

// frontier returns the tree.
func (e *edge) frontier() (merkle.Frontier, error) {
	var hashes []merkle.Hash
	for _, s := range e.subtrees {
		hashes = append(hashes, s.hash)
	}
	return merkle.NewFrontier(e.size, hashes)
}

// partial calls f with each tile that is not full.
func (e *edge) partial(f visit) error {
	count := e.size
	for level, r := range e.rows {
		if len(r.hashes) > 0 {
			if err := f(level, count/width, r.hashes); err != nil {
				return err
			}
		}
		count /= width
	}
	return nil
}

// loadEdge reads the right edge of a tree of a certain size.
func loadEdge(size uint64, read func(name string, bytes int) ([]byte, error)) (*edge, error) {
	e := &edge{}
	// From the top, each tile goes on where the one above it ends.
	for level := 63 / height; level >= 0; level-- {
		count := sizeAt(level, size)
		w := int(count % width)
		if w == 0 {
			continue
		}
		name := tilePath(level, count/width, w)
		b, err := read(name, w*len(merkle.Hash{}))
		if err != nil {
			return nil, err
		}
		if err := e.take(level, b, w); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return e, nil
}

// take adds the first w hashes of a tile, of which none fills a tile.
func (e *edge) take(level int, tile []byte, w int) error {
	if len(tile) < w*len(merkle.Hash{}) {
		return fmt.Errorf("it holds %d bytes, too few for %d hashes", len(tile), w)
	}
	for ; w > 0; w-- {
		if err := e.add(level*height, merkle.Hash(tile), nil); err != nil {
			return err
		}
		tile = tile[len(merkle.Hash{}):]
	}
	return nil
}
