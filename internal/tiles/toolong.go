// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package tiles

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"strconv"

	"github.com/otel-auditlog/auditlogexporter/internal/logtree"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// Leaf is a leaf of the log.
type Leaf struct {
	Index uint64
	Bytes int
}

// Bundle returns the first and the last leaf of the bundle of entries that it belongs to.
func (l Leaf) Bundle() (first, last uint64) {
	first = l.Index / width * width
	return first, first + width - 1
}

// tooLongDir holds, for each bundle of entries that has no encoding, under the bundle's
// number, a line that is too long for it. Once the log has lost the line, nothing else shows
// that the bundle was not taken away; and nobody can make another line with its hash.
const tooLongDir = ".too-long"

func tooLongName(n uint64) string { return tooLongDir + "/" + strconv.FormatUint(n, 10) }

// keepTooLong keeps a line because of which the n-th bundle has no encoding.
func (x *export) keepTooLong(n uint64, line []byte) error { return x.out.replace(tooLongName(n), line) }

// keptTooLong reports whether a line is kept that is too long for the n-th bundle, whose
// leaves have these hashes.
func (x *export) keptTooLong(n uint64, hashes []merkle.Hash) (bool, error) {
	f, err := x.out.open(tooLongName(n))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return false, err
	}
	defer f.Close()
	h := sha256.New()
	h.Write([]byte{0}) // as merkle.LeafHash
	bytes, err := io.Copy(h, io.LimitReader(f, segline.MaxBytes+1))
	return bytes > math.MaxUint16 && slices.Contains(hashes, merkle.Hash(h.Sum(nil))), err
}

// missing says why a bundle of entries is not there, whose leaves have these hashes: nil if
// one of them is too long for it.
func (x *export) missing(tree *logtree.Tree, n uint64, hashes []merkle.Hash) error {
	kept, err := x.keptTooLong(n, hashes)
	if err != nil {
		return err
	}
	from := n * width
	if from < tree.Base() {
		// The log does not show it any more.
		if !kept {
			return errNoBundle
		}
		return nil
	}
	for leaf, err := range x.leaves(tree, from, from+uint64(len(hashes))) {
		if err != nil {
			return err
		}
		if leaf.index < from || len(leaf.line) <= math.MaxUint16 || merkle.LeafHash(leaf.line) != hashes[leaf.index-from] {
			continue
		}
		if !kept {
			if err := x.keepTooLong(n, leaf.line); err != nil {
				return err
			}
			kept = true
		}
		one := Leaf{leaf.index, len(leaf.line)}
		if len(hashes) < width && !slices.Contains(x.tooLong, one) { // its bundle is not complete yet
			x.tooLong = append(x.tooLong, one)
		}
	}
	if !kept {
		return errNoBundle
	}
	return nil
}

var errNoBundle = errors.New("it is not there")

// orHashesOnly says why a bundle of that name is missing that should be there: an export of
// the hashes alone has no entries at all, and from any other it was taken away.
func (x *export) orHashesOnly(err error, name string) error {
	if !errors.Is(err, errNoBundle) {
		return err
	}
	if _, err := x.out.root.Lstat("tile/entries"); err == nil {
		return fmt.Errorf("%w: %s is gone", ErrChanged, name)
	}
	return fmt.Errorf("hashes only were exported before, so that the entries of %s are missing: go on with hashes only, or begin anew in another directory", name)
}
