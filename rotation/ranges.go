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

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// rangesBuffer is how much of the file of pruned ranges is written at a time.
const rangesBuffer = 256 << 10

// keepRanges adds to the file of pruned ranges what stands for a sealed segment that
// is to be deleted: so a checkpoint that somebody kept can still be compared with the
// log. before and after are the trees on both sides of it. Only maintenance calls it,
// without sem, because a sealed segment does not change.
func (l *Log) keepRanges(ctx context.Context, name segment.Name, before, after merkle.Frontier) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write the file %s: %w", segment.PrunedRangesName, err)
		}
	}()
	f, err := l.dir.Edit(segment.PrunedRangesName)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = l.dir.Create(segment.PrunedRangesName)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	settled := l.rangesSettled
	l.rangesSettled = false // until all of this has gone well
	if !settled {
		if err := l.settleRanges(f); err != nil {
			return err
		}
	}
	at, size, err := endOfRanges(f)
	if err != nil {
		return err
	}
	if size >= after.Size() {
		l.rangesSettled = true
		return nil // the segment has not been deleted since
	}
	if size < before.Size() {
		// The first segment that is ever pruned may not be the log's first, nor follow
		// the last one in the file, if somebody meddled with either. The file then
		// begins anew.
		if size > 0 {
			l.opts.Logger.Warn("The audit log's pruned ranges have a gap and begin anew", zap.Uint64("from", size), zap.Uint64("to", before.Size()))
		}
		at, size = 0, 0
	}
	if err := f.Truncate(at); err != nil {
		return err
	}
	w := &rangeWriter{out: f, at: at}
	if size == 0 && before.Size() > 0 {
		w.add(segment.PrunedRange{Size: before.Size(), Subtrees: before.Hashes()})
		size = before.Size()
	}
	if err := l.writeRanges(ctx, w, name, before, after, size); err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), l.dir.Sync()); err != nil {
		return err
	}
	l.rangesSettled = true
	return nil
}

// settleRanges makes the file what the disk holds of it: a writer that was killed, or
// a sync that failed, may have left lines in the cache alone, and a segment must not be
// deleted on their word.
func (l *Log) settleRanges(f File) error {
	if err := errors.Join(f.Sync(), l.dir.Sync()); err != nil {
		return err
	}
	f.Forget()
	return nil
}

// endOfRanges returns where the last whole line of the file ends, and the size on it.
func endOfRanges(f File) (at int64, size uint64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, 0, err
	}
	const window = 32 << 10 // holds more than two lines
	from := max(0, info.Size()-window)
	tail, err := io.ReadAll(io.NewSectionReader(f, from, info.Size()-from))
	if err != nil {
		return 0, 0, err
	}
	for end := bytes.LastIndexByte(tail, '\n') + 1; end > 0; {
		start := bytes.LastIndexByte(tail[:end-1], '\n') + 1
		r, err := segment.ParsePrunedRange(tail[start : end-1])
		if err == nil {
			return from + int64(end), r.Size, nil
		}
		end = start // not written by a log, or torn
	}
	return 0, 0, nil
}

// writeRanges writes the ranges between the checkpoints of a segment behind a size.
func (l *Log) writeRanges(ctx context.Context, w *rangeWriter, name segment.Name, before, after merkle.Frontier, size uint64) error {
	r, err := segment.Open(l.dir, name.String(), -1)
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
		if err != nil {
			return err
		}
		if segment.KindOf(line) != segment.KindCheckpoint {
			if tree.AppendMarked(merkle.LeafHash(line), []*merkle.Mark{mark}); tree.Size() == size {
				mark = merkle.NewMark(&tree) // up to here an interrupted attempt has come
			}
			continue
		}
		note, err := segment.ParseCheckpoint(line)
		if err != nil {
			return err
		}
		c, err := signing.ParseCheckpoint(note)
		if err != nil {
			return err
		}
		if c.Size > size && c.Size == tree.Size() {
			w.add(segment.PrunedRange{Size: c.Size, Subtrees: mark.Range(&tree)})
			mark = merkle.NewMark(&tree)
		}
	}
	if tree.Size() != after.Size() || tree.Root() != after.Root() || mark.Size() != after.Size() {
		return fmt.Errorf("%w: %s does not lead to the tree that the next segment begins with: nothing is deleted before somebody has looked at it", ErrDamaged, name)
	}
	return w.flush()
}

// rangeWriter writes lines to a file.
type rangeWriter struct {
	out io.WriterAt
	at  int64
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
	n, err := w.out.WriteAt(w.buf, w.at)
	w.at, w.buf = w.at+int64(n), w.buf[:0]
	return err
}
