// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package tiles

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strconv"

	"github.com/otel-auditlog/auditlogexporter/proof"
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

// leftOutName is the file that says which bundles of entries have no encoding, each by its
// number: once the log has lost their leaves, nothing else does.
const leftOutName = ".left-out"

// maxLeftOut bounds what is read of it.
const maxLeftOut = 16 << 20

func (x *export) loadLeftOut() error {
	b, err := x.out.readAtMost(leftOutName, maxLeftOut)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return err
	}
	for line := range bytes.Lines(b) {
		if n, err := strconv.ParseUint(string(bytes.TrimSuffix(line, []byte("\n"))), 10, 64); err == nil {
			x.leftOut = append(x.leftOut, n)
		}
	}
	return nil
}

func (x *export) saveLeftOut() error {
	if !x.leftMore {
		return nil
	}
	var b []byte
	for _, n := range x.leftOut {
		b = append(strconv.AppendUint(b, n, 10), '\n')
	}
	return x.out.replace(leftOutName, b)
}

func (x *export) leaveOut(n uint64) {
	if !slices.Contains(x.leftOut, n) {
		x.leftOut, x.leftMore = append(x.leftOut, n), true
	}
}

// missing says why a bundle of entries is not there, of w leaves: nil if one of them is too
// long for it.
func (x *export) missing(tree *proof.Tree, n uint64, w int) error {
	from := n * width
	if from < tree.Base() {
		// The log does not show it any more.
		if slices.Contains(x.leftOut, n) {
			return nil
		}
		return errNoBundle
	}
	err := errNoBundle
	for leaf, failed := range x.leaves(tree, from, from+uint64(w)) {
		if failed != nil {
			return failed
		}
		if leaf.index >= from && len(leaf.line) > math.MaxUint16 {
			err = nil
			one := Leaf{leaf.index, len(leaf.line)}
			if w < width && !slices.Contains(x.tooLong, one) { // its bundle is not complete yet
				x.tooLong = append(x.tooLong, one)
			}
		}
	}
	return err
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
