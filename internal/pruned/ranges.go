// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package pruned reads the file pruned-ranges, which keeps of the segments that retention has
// deleted what a checkpoint of that time can still be compared with (docs/format.md).
package pruned

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/merkle"
)

var (
	// ErrNone: there is no file pruned-ranges, or no whole line in it, as a writer leaves it
	// that was killed when it began the file.
	ErrNone = fmt.Errorf("there is no line of the file %s", sidefile.PrunedRangesName)
	// ErrIncomplete: the file ends before the tree that it has to lead to.
	ErrIncomplete = errors.New("the file is incomplete")
)

// Read reads the file pruned-ranges up to the tree that the oldest segment follows,
// and calls visit, if it is not nil, with each range and the tree after it. What visit has
// been told counts only if there is no error: then the file leads to that tree.
//
// The error wraps [ErrNone] if there is no such file. It is a [logfile.LineError] if the file does
// not lead to the tree, and wraps [ErrIncomplete] if it ends before. That of visit is returned
// as it is.
func Read(ctx context.Context, fsys fs.FS, size uint64, root merkle.Hash, visit func(r sidefile.PrunedRange, after *merkle.Frontier) error) error {
	f, err := rootfs.OpenRegular(fsys, sidefile.PrunedRangesName)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNone
	}
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = ReadFrom(ctx, f, size, root, visit)
	return err
}

// ReadFrom is Read for what src holds. It returns where the line ends that
// leads to the tree.
func ReadFrom(ctx context.Context, src io.Reader, size uint64, root merkle.Hash, visit func(r sidefile.PrunedRange, after *merkle.Frontier) error) (end int64, err error) {
	r := newRanges(ctx, src)
	for r.tree.Size() < size {
		one, err := r.next()
		switch {
		case err == io.EOF && r.lines.Number == 0:
			return 0, ErrNone
		case err == io.EOF:
			return 0, &logfile.LineError{File: sidefile.PrunedRangesName, Line: r.lines.Number, Err: &incomplete{fmt.Sprintf("it ends at leaf %d, but the first segment begins at leaf %d", r.tree.Size(), size)}}
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
		return 0, &logfile.LineError{File: sidefile.PrunedRangesName, Err: fmt.Errorf("it does not lead to the tree of %d leaves that the first segment begins with", size)}
	}
	return r.lines.End, nil
}

// Last returns how many leaves the file pruned-ranges tells of, as far as its lines
// are in good form; 0 if there is no such line.
func Last(ctx context.Context, fsys fs.FS) (size uint64, err error) {
	f, err := rootfs.OpenRegular(fsys, sidefile.PrunedRangesName)
	if errors.Is(err, fs.ErrNotExist) || logfile.Malformed(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for r := newRanges(ctx, f); ; {
		if _, err := r.next(); err == io.EOF || logfile.Malformed(err) {
			return r.tree.Size(), nil
		} else if err != nil {
			return 0, err
		}
	}
}

// ranges reads pruned ranges. tree is the one that those make that have been read.
type ranges struct {
	lines *logfile.Lines
	tree  merkle.Frontier
}

func newRanges(ctx context.Context, src io.Reader) *ranges {
	return &ranges{lines: logfile.NewLines(ctx, src, sidefile.PrunedRangesName, sidefile.MaxPrunedRangeBytes)}
}

func (r *ranges) next() (one sidefile.PrunedRange, err error) {
	line, err := r.lines.Next()
	if err != nil {
		return one, err
	}
	if one, err = sidefile.ParsePrunedRange(line); err == nil {
		err = one.Extend(&r.tree)
	}
	if err != nil {
		return one, &logfile.LineError{File: sidefile.PrunedRangesName, Line: r.lines.Number, Err: err}
	}
	return one, nil
}

// incomplete is ErrIncomplete in the words of a file.
type incomplete struct{ why string }

func (e *incomplete) Error() string { return e.why }

func (e *incomplete) Is(target error) bool { return target == ErrIncomplete }
