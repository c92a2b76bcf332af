// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logdir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/otel-auditlog/auditlogexporter/internal/ctxread"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// PrunedRanges reads the file pruned-ranges up to the tree that the oldest segment follows,
// and calls visit, if it is not nil, with each range and the tree after it. What visit has
// been told counts only if there is no error: then the file leads to that tree.
//
// The error wraps [ErrNoRanges] if there is no such file. It is a [LineError] if the file does
// not lead to the tree, and wraps [ErrIncomplete] if it ends before. That of visit is returned
// as it is.
func PrunedRanges(ctx context.Context, fsys fs.FS, size uint64, root merkle.Hash, visit func(r sidefile.PrunedRange, after *merkle.Frontier) error) error {
	f, err := rootfs.OpenRegular(fsys, sidefile.PrunedRangesName)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNoRanges
	}
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = PrunedRangesIn(ctx, f, size, root, visit)
	return err
}

// PrunedRangesIn is PrunedRanges for what src holds. It returns where the line ends that
// leads to the tree.
func PrunedRangesIn(ctx context.Context, src io.Reader, size uint64, root merkle.Hash, visit func(r sidefile.PrunedRange, after *merkle.Frontier) error) (end int64, err error) {
	r := newRanges(ctx, src)
	for r.tree.Size() < size {
		one, err := r.next()
		switch {
		case err == io.EOF && r.lines.number == 0:
			return 0, ErrNoRanges
		case err == io.EOF:
			return 0, &LineError{sidefile.PrunedRangesName, r.lines.number, &incomplete{fmt.Sprintf("it ends at leaf %d, but the first segment begins at leaf %d", r.tree.Size(), size)}}
		case err != nil:
			return 0, err
		}
		if visit != nil {
			if err := visit(one, &r.tree); err != nil {
				return 0, err
			}
		}
	}
	if r.tree.Size() != size || r.tree.Root() != root {
		return 0, &LineError{sidefile.PrunedRangesName, 0, fmt.Errorf("it does not lead to the tree of %d leaves that the first segment begins with", size)}
	}
	return r.lines.end, nil
}

// LastPrunedRange returns how many leaves the file pruned-ranges tells of, as far as its lines
// are in good form; 0 if there is no such line.
func LastPrunedRange(ctx context.Context, fsys fs.FS) (size uint64, err error) {
	f, err := rootfs.OpenRegular(fsys, sidefile.PrunedRangesName)
	if errors.Is(err, fs.ErrNotExist) || Malformed(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for r := newRanges(ctx, f); ; {
		if _, err := r.next(); err == io.EOF || Malformed(err) {
			return r.tree.Size(), nil
		} else if err != nil {
			return 0, err
		}
	}
}

// ranges reads pruned ranges. tree is the one that those make that have been read.
type ranges struct {
	lines *lines
	tree  merkle.Frontier
}

func newRanges(ctx context.Context, src io.Reader) *ranges {
	return &ranges{lines: newLines(ctxread.New(ctx, src), sidefile.PrunedRangesName, sidefile.MaxPrunedRangeBytes)}
}

func (r *ranges) next() (one sidefile.PrunedRange, err error) {
	line, err := r.lines.next()
	if err != nil {
		return one, err
	}
	if one, err = sidefile.ParsePrunedRange(line); err == nil {
		err = one.Extend(&r.tree)
	}
	if err != nil {
		return one, &LineError{sidefile.PrunedRangesName, r.lines.number, err}
	}
	return one, nil
}

// incomplete is ErrIncomplete in the words of a file.
type incomplete struct{ why string }

func (e *incomplete) Error() string { return e.why }

func (e *incomplete) Is(target error) bool { return target == ErrIncomplete }
