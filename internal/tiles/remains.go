// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package tiles

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/logtree"
)

// adoptRemains looks at what a directory without a checkpoint holds: nothing, or what an
// interrupted first export of this log has left. What another log has left would be served
// with this one's checkpoint, so it is refused. Files that the export is going to write are
// compared then.
func (x *export) adoptRemains(tree *logtree.Tree, to uint64) error {
	if _, err := x.out.root.Lstat("tile"); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fs.WalkDir(x.out.root.FS(), "tile", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir(), strings.HasSuffix(name, durable.TempSuffix):
			return nil
		}
		level, n, w, ok := parseTilePath(name)
		if !ok || level == entries && x.o.HashesOnly || sizeAt(level, to) < n*width+uint64(w) || n < sizeAt(level, x.minimum)/width {
			return notOurs(name)
		}
		if w == width || n == sizeAt(level, to)/width && w == int(sizeAt(level, to)%width) {
			return nil // to be compared when it is written
		}
		return x.compareRemains(tree, name, level, n, w)
	})
}

func notOurs(name string) error {
	return fmt.Errorf("the directory has no checkpoint, and holds %s, which is not of this log: it is what is left of another export: choose another directory, or remove what is in it", name)
}

// compareRemains compares a tile that was not full with the log.
func (x *export) compareRemains(tree *logtree.Tree, name string, level int, n uint64, w int) error {
	indexes := make([]int64, w)
	for i := range indexes {
		indexes[i] = tlog.StoredHashIndex(max(level, 0)*height, int64(n)*width+int64(i))
	}
	hashes, err := tree.Hashes(x.ctx).ReadHashes(indexes)
	if err != nil {
		return err
	}
	there, err := x.out.readAtMost(name, w*(2+math.MaxUint16))
	if err != nil {
		return err
	}
	if level == entries && checkBundle(name, there, hashes) != nil || level != entries && !bytes.Equal(there, join(hashes)) {
		return notOurs(name)
	}
	return nil
}

// parseTilePath is the reverse of tilePath.
func parseTilePath(name string) (level int, n uint64, w int, ok bool) {
	rest, isTile := strings.CutPrefix(name, "tile/")
	first, rest, hasRest := strings.Cut(rest, "/")
	if !isTile || !hasRest {
		return 0, 0, 0, false
	}
	if level = entries; first != "entries" {
		var err error
		if level, err = strconv.Atoi(first); err != nil || level < 0 || level > 63/height {
			return 0, 0, 0, false
		}
	}
	w = width
	if whole, part, partial := strings.Cut(rest, ".p/"); partial {
		var err error
		if w, err = strconv.Atoi(part); err != nil || w < 1 || w >= width {
			return 0, 0, 0, false
		}
		rest = whole
	}
	for digits := range strings.SplitSeq(rest, "/") {
		v, err := strconv.ParseUint(strings.TrimPrefix(digits, "x"), 10, 64)
		if err != nil || n > math.MaxUint64/1000/1000 {
			return 0, 0, 0, false
		}
		n = n*1000 + v
	}
	return level, n, w, tilePath(level, n, w) == name
}
