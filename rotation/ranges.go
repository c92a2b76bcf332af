// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/otel-auditlog/auditlogexporter/internal/consistency"
	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/pruned"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// rangesBuffer is how much of the file of pruned ranges is written at a time.
const rangesBuffer = 256 << 10

// prunedRanges writes the file of pruned ranges, for upkeep. It reads sealed segments, which do
// not change.
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
		info, err := p.dir.Lstat(sidefile.PrunedRangesName)
		end.known = err == nil && info.Size() == end.at
	}
	if end.known && end.size >= after.Size() {
		return nil // the segment has not been deleted since
	}
	p.end.known = false // until all of this has gone well
	if !end.known {
		if end, err = p.check(ctx, before); err != nil {
			return fmt.Errorf("check the file %s: %w", sidefile.PrunedRangesName, err)
		}
	}
	if end.at, err = p.append(ctx, end, name, before, after); err != nil {
		return fmt.Errorf("write the file %s: %w", sidefile.PrunedRangesName, err)
	}
	p.end = rangesEnd{known: true, at: end.at, size: after.Size()}
	return nil
}

// append writes the segment's ranges where the file ends.
func (p *prunedRanges) append(ctx context.Context, end rangesEnd, name segment.Name, before, after merkle.Frontier) (at int64, err error) {
	return durable.Extend(p.dir, sidefile.PrunedRangesName, end.at, func(out io.Writer) error {
		w := &rangeWriter{out: out}
		if end.size < before.Size() { // the file begins anew
			w.add(sidefile.PrunedRange{Size: before.Size(), Subtrees: before.Hashes()})
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
	f, err := p.dir.Edit(sidefile.PrunedRangesName)
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
	if err == nil {
		at, err = rangesIn(ctx, f, before)
	}
	if cerr := f.Close(); cerr != nil {
		return rangesEnd{}, errors.Join(err, cerr)
	}
	switch {
	case err == nil:
		return rangesEnd{at: at, size: before.Size()}, nil
	case errors.Is(err, pruned.ErrNone): // as a crash leaves it that came when it had just been begun anew
		p.reportGone()
		return rangesEnd{}, nil
	case !logfile.Malformed(err):
		return rangesEnd{}, err
	}
	return rangesEnd{}, p.log.reportSetAside(sidefile.PrunedRangesName, "its lines do not lead to the tree that the oldest segment follows")
}

func (p *prunedRanges) reportGone() {
	p.log.reportDamaged(sidefile.PrunedRangesName, "what the file "+sidefile.PrunedRangesName+" held is gone, and it begins anew")
}

// rangesIn returns where the line of the file ends whose ranges, with those above, lead to the
// tree.
func rangesIn(ctx context.Context, f durable.File, to merkle.Frontier) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return pruned.ReadFrom(ctx, io.NewSectionReader(f, 0, info.Size()), to.Size(), to.Root(), nil)
}

// prunedRoot returns the root of the tree when it had so many leaves, which have been deleted
// since, nil if the file of pruned ranges does not show it. first is the tree that the oldest
// segment follows, which is known.
func prunedRoot(ctx context.Context, dir fs.FS, size uint64, first merkle.Frontier) (*merkle.Hash, error) {
	var root *merkle.Hash
	err := pruned.Read(ctx, dir, first.Size(), first.Root(), func(_ sidefile.PrunedRange, after *merkle.Frontier) error {
		if after.Size() == size {
			then := after.Root()
			root = &then
		}
		return nil
	})
	switch {
	case err == nil:
		return root, nil
	case errors.Is(err, pruned.ErrNone), logfile.Malformed(err):
		return nil, nil
	default:
		return nil, err
	}
}

// writeRanges writes the ranges between the checkpoints of a segment.
func writeRanges(ctx context.Context, dir fs.FS, w *rangeWriter, name segment.Name, before, after merkle.Frontier) error {
	r, err := segment.Open(dir, name.String(), -1)
	if err != nil {
		return err
	}
	defer r.Close()
	tree := before
	mark := consistency.NewMark(&tree)
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
		if kind == segline.KindCheckpoint {
			continue
		}
		consistency.Append(&tree, merkle.LeafHash(line), []*consistency.Mark{mark})
		// A commit is a leaf, and its checkpoint is over all up to it.
		if kind == segline.KindCommit {
			w.add(sidefile.PrunedRange{Size: tree.Size(), Subtrees: mark.Range(&tree)})
			mark = consistency.NewMark(&tree)
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

func (w *rangeWriter) add(r sidefile.PrunedRange) {
	w.buf = append(sidefile.AppendPrunedRange(w.buf, r), '\n')
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
