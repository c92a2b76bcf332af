// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// rangesBuffer is how much of the file of pruned ranges is written at a time.
const rangesBuffer = 256 << 10

// prunedRanges writes the file of pruned ranges. Maintenance alone uses it, without sem, because
// a sealed segment does not change.
type prunedRanges struct {
	dir durable.FS
	log damageReporter
	end rangesEnd
}

// damageReporter has the log say that a file is not as the log has written it. It waits for
// the commit under way.
type damageReporter interface {
	reportDamaged(file, detail string)
	// reportSetAside renames the file, so that it stays as evidence.
	reportSetAside(file, why string) error
}

// rangesEnd is what is known of the file's end, all of it having been written or checked.
type rangesEnd struct {
	known bool
	at    int64  // where the last line ends
	size  uint64 // the size on it
}

// keep adds to the file what stands for a sealed segment that is to be deleted: so a checkpoint
// that somebody kept can still be compared with the log. before and after are the trees on both
// sides of it.
func (p *prunedRanges) keep(ctx context.Context, name segment.Name, before, after merkle.Frontier) (err error) {
	end := p.end
	if end.known {
		// Or else what somebody has cut off would be filled up with zeros.
		info, err := p.dir.Lstat(segment.PrunedRangesName)
		end.known = err == nil && info.Size() == end.at
	}
	if end.known && end.size >= after.Size() {
		return nil // the segment has not been deleted since
	}
	p.end.known = false // until all of this has gone well
	if !end.known {
		if end, err = p.check(ctx, before); err != nil {
			return fmt.Errorf("check the file %s: %w", segment.PrunedRangesName, err)
		}
	}
	if end.at, err = p.append(ctx, end, name, before, after); err != nil {
		return fmt.Errorf("write the file %s: %w", segment.PrunedRangesName, err)
	}
	p.end = rangesEnd{known: true, at: end.at, size: after.Size()}
	return nil
}

// append writes the segment's ranges where the file ends.
func (p *prunedRanges) append(ctx context.Context, end rangesEnd, name segment.Name, before, after merkle.Frontier) (at int64, err error) {
	return durable.Extend(p.dir, segment.PrunedRangesName, end.at, func(out io.Writer) error {
		w := &rangeWriter{out: out}
		if end.size < before.Size() { // the file begins anew
			w.add(segment.PrunedRange{Size: before.Size(), Subtrees: before.Hashes()})
		}
		return writeRanges(ctx, p.dir, w, name, before, after)
	})
}

// check finds the line of the file up to which the oldest segment's tree leads. What
// follows it is of segments that are still there, and written again. If there is no such
// line, the file is not the log's work any longer, and begins anew.
func (p *prunedRanges) check(ctx context.Context, before merkle.Frontier) (rangesEnd, error) {
	if before.Size() == 0 {
		return rangesEnd{}, nil
	}
	f, err := p.dir.Edit(segment.PrunedRangesName)
	if errors.Is(err, fs.ErrNotExist) {
		p.reportGone()
		return rangesEnd{}, nil
	}
	if err != nil {
		return rangesEnd{}, err
	}
	// A writer that was killed may have left lines in the cache alone, and a segment must
	// not be deleted on their word.
	err = durable.Sync(p.dir, f)
	f.Forget()
	var at int64
	var empty bool
	if err == nil {
		at, err = rangesIn(ctx, f, before)
	}
	if err == nil {
		empty, err = hasNoLine(f)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return rangesEnd{}, err
	}
	switch {
	case at > 0:
		return rangesEnd{at: at, size: before.Size()}, nil
	case empty: // as a crash leaves it that came when it had just been begun anew
		p.reportGone()
		return rangesEnd{}, nil
	}
	return rangesEnd{}, p.log.reportSetAside(segment.PrunedRangesName, "its lines do not lead to the tree that the oldest segment follows")
}

func (p *prunedRanges) reportGone() {
	p.log.reportDamaged(segment.PrunedRangesName, "what the file "+segment.PrunedRangesName+" held is gone, and it begins anew")
}

// hasNoLine reports whether a file holds no whole line. It looks as far as a line may be
// long.
func hasNoLine(f durable.File) (bool, error) {
	beginning := make([]byte, segment.MaxPrunedRangeBytes+1)
	n, err := f.ReadAt(beginning, 0)
	if err != nil && err != io.EOF {
		return false, err
	}
	return n < len(beginning) && bytes.IndexByte(beginning[:n], '\n') < 0, nil
}

// rangesIn is endOfRanges for the file as it is now.
func rangesIn(ctx context.Context, f durable.File, to merkle.Frontier) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return endOfRanges(ctx, io.NewSectionReader(f, 0, info.Size()), to, nil)
}

// endOfRanges returns where the line ends whose ranges, with those above, lead to the tree;
// 0 if none does. visit is given the tree after each line, which counts only if that is so.
func endOfRanges(ctx context.Context, f io.Reader, to merkle.Frontier, visit func(*merkle.Frontier)) (int64, error) {
	r := segment.NewReader(interruptible{ctx, f}, segment.PrunedRangesName)
	var tree merkle.Frontier
	for tree.Size() < to.Size() {
		line, err := r.Next()
		switch {
		case ctx.Err() != nil:
			return 0, ctx.Err() // of the file, that says nothing
		case fromSystem(err):
			return 0, err
		case err != nil:
			return 0, nil // its end, or no line of ours
		}
		one, err := segment.ParsePrunedRange(line)
		if err != nil || one.Extend(&tree) != nil {
			return 0, nil
		}
		if visit != nil {
			visit(&tree)
		}
	}
	if tree.Size() != to.Size() || tree.Root() != to.Root() {
		return 0, nil
	}
	return r.End(), nil
}

// prunedRoot returns the root of the tree when it had so many leaves, which have been deleted
// since, nil if the file of pruned ranges does not show it. first is the tree that the oldest
// segment follows, which is known.
func prunedRoot(ctx context.Context, dir fs.FS, size uint64, first merkle.Frontier) (*merkle.Hash, error) {
	f, err := segment.OpenRegular(dir, segment.PrunedRangesName)
	if errors.Is(err, fs.ErrNotExist) || err != nil && !fromSystem(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var root *merkle.Hash
	end, err := endOfRanges(ctx, f, first, func(tree *merkle.Frontier) {
		if tree.Size() == size {
			then := tree.Root()
			root = &then
		}
	})
	if err != nil || end == 0 {
		return nil, err
	}
	return root, nil
}

// writeRanges writes the ranges between the checkpoints of a segment.
func writeRanges(ctx context.Context, dir fs.FS, w *rangeWriter, name segment.Name, before, after merkle.Frontier) error {
	r, err := segment.Open(dir, name.String(), -1)
	if err != nil {
		return err
	}
	defer r.Close()
	tree := before
	mark := merkle.NewMark(&tree)
	for {
		if r.Line()%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		line, err := r.Next()
		if err == io.EOF {
			break
		}
		if fromSystem(err) {
			return err
		}
		if err != nil {
			return &discrepancy{name.String(), err.Error()}
		}
		kind := segment.KindOf(line)
		if kind == segment.KindCheckpoint {
			continue
		}
		tree.AppendMarked(merkle.LeafHash(line), []*merkle.Mark{mark})
		// A commit is a leaf, and its checkpoint is over all up to it.
		if kind == segment.KindCommit {
			w.add(segment.PrunedRange{Size: tree.Size(), Subtrees: mark.Range(&tree)})
			mark = merkle.NewMark(&tree)
		}
	}
	if tree.Size() != after.Size() || tree.Root() != after.Root() || mark.Size() != after.Size() {
		return &discrepancy{name.String(), "it does not lead to the tree that the next segment begins with"}
	}
	return w.flush()
}

// rangeWriter writes lines to a file.
type rangeWriter struct {
	out io.Writer
	buf []byte
	err error
}

func (w *rangeWriter) add(r segment.PrunedRange) {
	w.buf = append(segment.AppendPrunedRange(w.buf, r), '\n')
	if len(w.buf) >= rangesBuffer {
		w.err = errors.Join(w.err, w.flush())
	}
}

func (w *rangeWriter) flush() error {
	if w.err != nil {
		return w.err
	}
	_, err := w.out.Write(w.buf)
	w.buf = w.buf[:0]
	return err
}
