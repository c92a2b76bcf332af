// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"

	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/receipt"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// Options say of which log receipts are written, and where to.
type Options struct {
	// Log is the log's directory, Origin its name.
	Log    string
	Origin string
	// Directory holds the files of receipts. It is made if it does not exist, and locked.
	Directory string
	// MaxFileBytes is how large a file may get before the next is begun. MaxFiles is how
	// many are kept; 0 means all.
	MaxFileBytes int64
	MaxFiles     int
	// ReserveBytes is what is left free on the file system.
	ReserveBytes uint64
	// Begin is the first leaf that is to have a receipt if there are none yet.
	Begin uint64
}

// Durable is how far a log is on stable storage.
type Durable struct {
	// Segment is the name of the active segment, and Bytes what of it is durable: whole
	// commits.
	Segment string
	Bytes   int64
	// Size is the number of leaves up to there.
	Size uint64
}

// Result is what came of a call.
type Result struct {
	// Receipts is how many were written.
	Receipts int64
	// Missed is how many leaves went without: they had been pruned, or damaged.
	Missed uint64
	// Size is up to which leaf, without it, all events that can have a receipt have one.
	Size uint64
}

// ErrContradicted: receipts that were written before are not for this log as it is now.
// It has been rolled back or replaced, or the directory is that of another log.
var ErrContradicted = errors.New("the receipts there are speak of another log, or of leaves that it does not have: it has been rolled back or replaced, or receipts::directory belongs to another log; run auditlog verify with --receipts, keep those receipts, and name another directory for new ones")

// Issuer writes receipts for one log. It is for one goroutine at a time. After an error
// it must be closed; a new one goes on where it got to.
type Issuer struct {
	opts  Options
	log   *os.Root
	fsys  fs.FS
	out   outbox
	paths receipt.Paths
	group group

	// told is the checkpoint of the newest receipt that was there at the start, until the
	// log has been seen to agree with it.
	told *signing.Checkpoint

	next uint64 // the first leaf that is still to be read
	tree merkle.Frontier
	// name and offset are where that leaf's line begins, if known: then tree is the tree
	// before it.
	name   string
	offset int64
}

// group is the leaves of a commit, as far as they have been read.
type group struct {
	leaves []merkle.Hash
	events []written
	ids    []byte
}

// written is an event of others than the log itself.
type written struct {
	leaf       int // of the group
	start, end int // of its id
}

func (g *group) reset() { g.leaves, g.events, g.ids = g.leaves[:0], g.events[:0], g.ids[:0] }

// Open opens the log's directory for reading and that of the receipts for writing.
func Open(o Options) (_ *Issuer, err error) {
	i := &Issuer{opts: o}
	if i.log, err = os.OpenRoot(o.Log); err != nil {
		return nil, fmt.Errorf("issue receipts: open the log: %w", err)
	}
	i.fsys = i.log.FS()
	if i.out.dir, err = rotation.OpenDirectory(o.Directory); err != nil {
		return nil, errors.Join(fmt.Errorf("issue receipts: %w", err), i.log.Close())
	}
	i.out.maxBytes, i.out.maxFiles, i.out.reserve = o.MaxFileBytes, o.MaxFiles, o.ReserveBytes
	newest, err := i.out.open(o.Begin)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("issue receipts in %s: %w", o.Directory, err), i.Close())
	}
	i.next = i.out.next
	if newest != nil {
		c, err := signing.ParseCheckpoint(newest.Checkpoint)
		if err == nil && c.Origin != o.Origin {
			err = fmt.Errorf("%s holds receipts of the log %q: %w", i.out.name, c.Origin, ErrContradicted)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("issue receipts in %s: %w", o.Directory, err), i.Close())
		}
		// Its commit is read again, to be compared, and may not have been finished.
		i.told, i.next = &c, newest.Index
	}
	return i, nil
}

// Issue writes receipts for what is durable and has none.
func (i *Issuer) Issue(ctx context.Context, to Durable) (r Result, err error) {
	if i.told != nil && i.told.Size > to.Size {
		err = fmt.Errorf("the newest receipt is of a tree of %d leaves, but the log has %d: %w", i.told.Size, to.Size, ErrContradicted)
	} else if i.out.next > to.Size {
		err = fmt.Errorf("%s is for leaves from %d on, but the log has %d: %w", i.out.name, i.out.next, to.Size, ErrContradicted)
	}
	before, gone := i.out.written, 0
	for err == nil && i.next < to.Size {
		if err = i.segment(ctx, to, &r); errors.Is(err, fs.ErrNotExist) && gone < maxGone {
			gone++ // it has been compressed or pruned meanwhile
			i.name, err = "", ctx.Err()
		}
	}
	if err == nil {
		err = i.out.flush()
	}
	r.Receipts, r.Size = i.out.written-before, i.next
	if err != nil {
		return r, fmt.Errorf("issue receipts of the log %s: %w", i.opts.Origin, err)
	}
	return r, nil
}

// Close closes the files. What is buffered has been written by Issue, or is written by
// the next Issuer.
func (i *Issuer) Close() error {
	if err := errors.Join(i.out.close(), i.log.Close()); err != nil {
		return fmt.Errorf("close the receipts in %s: %w", i.opts.Directory, err)
	}
	return nil
}

// maxGone bounds how often segments may be gone before they could be read.
const maxGone = 5

// errDamaged: a segment is not as the writer left it.
var errDamaged = errors.New("it is not as it was written: run auditlog verify")

// segment reads on in the segment that holds the next leaf, up to its end or to what is
// durable.
func (i *Issuer) segment(ctx context.Context, to Durable, r *Result) error {
	f, limit, err := i.find(to)
	if err != nil {
		return err
	}
	if err = i.read(ctx, f, limit, r); err == nil && limit >= 0 && i.next < to.Size {
		err = fmt.Errorf("%s: %w: it ends at leaf %d, but the log has had %d", f.Name, errDamaged, i.next, to.Size)
	}
	if !errors.Is(err, errDamaged) {
		return err
	}
	// The next segment's header says how the tree goes on.
	end, ok, lerr := i.following(f.Parsed.FirstIndex)
	if lerr != nil || !ok {
		return errors.Join(err, lerr)
	}
	i.skipTo(end, r)
	return nil
}

// skipTo leaves out leaves that cannot have receipts.
func (i *Issuer) skipTo(index uint64, r *Result) {
	from := max(i.next, i.out.next)
	if index > from {
		r.Missed += index - from
	}
	i.next, i.name = index, ""
	if i.told != nil && index >= i.told.Size {
		i.told = nil // it cannot be compared any more
	}
}

// find returns the file of the segment that holds the next leaf, and how much of it is
// to be read; all if it is negative. Leaves that have been pruned are skipped by read.
func (i *Issuer) find(to Durable) (f segment.File, limit int64, err error) {
	if i.name == to.Segment {
		f.Name = i.name
		f.Parsed, err = segment.ParseName(i.name)
		return f, to.Bytes, err
	}
	l, err := segment.List(i.fsys)
	if err != nil {
		return f, 0, err
	}
	if len(l.Segments) == 0 {
		return f, 0, errors.New("its segments are gone")
	}
	f = l.Segments[0]
	for _, one := range l.Segments[1:] {
		// Of two files of one segment the plain one comes first.
		if one.Parsed.FirstIndex <= i.next && one.Parsed.FirstIndex > f.Parsed.FirstIndex {
			f = one
		}
	}
	limit = math.MinInt64
	if f.Name == to.Segment {
		limit = to.Bytes
	}
	return f, limit, nil
}

// following returns the first index of the segment behind the one that begins at an
// index.
func (i *Issuer) following(first uint64) (next uint64, ok bool, _ error) {
	l, err := segment.List(i.fsys)
	if err != nil {
		return 0, false, err
	}
	for _, f := range l.Segments {
		if f.Parsed.FirstIndex > first {
			return f.Parsed.FirstIndex, true, nil
		}
	}
	return 0, false, nil
}

// read reads a segment from where the last look ended, or from its beginning.
func (i *Issuer) read(ctx context.Context, f segment.File, limit int64, res *Result) error {
	var r *segment.Reader
	var err error
	begins := f.Name != i.name
	if begins {
		r, err = segment.Open(i.fsys, f.Name, limit)
	} else {
		r, err = segment.OpenAt(i.fsys, f.Name, i.offset, limit)
	}
	if err != nil {
		return err
	}
	defer r.Close()
	i.group.reset()
	for n := 0; ; n++ {
		if n%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		line, err := r.Next()
		if err == io.EOF {
			return i.ended(f, limit)
		}
		if err == nil {
			err = i.line(line, begins && n == 0, f, res)
		}
		if err != nil {
			return damaged(f, r.Line(), begins, err)
		}
		if segment.KindOf(line) == segment.KindCheckpoint {
			i.name, i.offset = f.Name, r.End()
		}
	}
}

// damaged tells what is wrong with a segment from what else went wrong.
func damaged(f segment.File, line int, begins bool, err error) error {
	var path *fs.PathError
	var unwritten *unwrittenError
	switch {
	case errors.As(err, &unwritten):
		return unwritten.err
	case errors.As(err, &path), errors.Is(err, ErrContradicted):
		return err
	case begins:
		return fmt.Errorf("%s, line %d: %w: %w", f.Name, line, errDamaged, err)
	default:
		return fmt.Errorf("%s: %w: %w", f.Name, errDamaged, err)
	}
}

// unwrittenError: the log was read, but the receipt could not be written.
type unwrittenError struct{ err error }

func (e *unwrittenError) Error() string { return e.err.Error() }

// ended is called at the end of what is to be read of a segment.
func (i *Issuer) ended(f segment.File, limit int64) error {
	switch {
	case len(i.group.leaves) > 0:
		return fmt.Errorf("%s: %w: it ends without a checkpoint", f.Name, errDamaged)
	case limit >= 0:
		return nil
	}
	// A sealed segment ends where the next begins; if not, leaves are missing.
	next, ok, err := i.following(f.Parsed.FirstIndex)
	if err != nil {
		return err
	}
	if !ok || next != i.next {
		return fmt.Errorf("%s: %w: it ends at leaf %d, and the next segment does not begin there", f.Name, errDamaged, i.next)
	}
	i.name = ""
	return nil
}

// line takes in the next line of a segment.
func (i *Issuer) line(line []byte, first bool, f segment.File, res *Result) error {
	switch kind := segment.KindOf(line); {
	case first:
		return i.header(line, f, res)
	case kind == segment.KindEvent:
		return i.event(line)
	case kind == segment.KindCheckpoint:
		return i.checkpoint(line)
	default:
		return errors.New("it is neither an event nor a checkpoint")
	}
}

func (i *Issuer) header(line []byte, f segment.File, res *Result) error {
	h, err := segment.ParseHeader(line)
	if err != nil {
		return err
	}
	if h.FirstIndex != f.Parsed.FirstIndex || h.Origin != i.opts.Origin {
		return fmt.Errorf("its header is of leaf %d of the log %q", h.FirstIndex, h.Origin)
	}
	if h.FirstIndex > i.next {
		i.skipTo(h.FirstIndex, res)
	}
	if i.tree, err = merkle.NewFrontier(h.FirstIndex, h.Frontier); err != nil {
		return err
	}
	i.next = h.FirstIndex
	i.group.leaves = append(i.group.leaves, merkle.LeafHash(line))
	return nil
}

// checkpoint issues the receipts of a commit.
func (i *Issuer) checkpoint(line []byte) error {
	note, err := segment.ParseCheckpoint(line)
	if err != nil {
		return err
	}
	c, err := signing.ParseCheckpoint(note)
	if err != nil {
		return err
	}
	i.paths.Set(&i.tree, i.group.leaves)
	tree, err := i.paths.Tree()
	if err != nil {
		return err
	}
	if c.Origin != i.opts.Origin || c.Size != tree.Size() || c.Root != tree.Root() {
		return errors.New("the lines do not lead to the checkpoint behind them")
	}
	if t := i.told; t != nil && c.Size >= t.Size {
		if c.Size != t.Size || c.Root != t.Root {
			return fmt.Errorf("the newest receipt is of a tree of %d leaves, which is another than the log's: %w", t.Size, ErrContradicted)
		}
		i.told = nil
	}
	if err := i.issue(note); err != nil {
		return &unwrittenError{err}
	}
	i.tree, i.next = tree, c.Size
	i.group.reset()
	return nil
}

func (i *Issuer) issue(note []byte) error {
	r := receipt.Receipt{Checkpoint: note}
	checkpoint := segment.AppendString(nil, note)
	for _, e := range i.group.events {
		r.Index = i.next + uint64(e.leaf)
		if r.Index < i.out.next {
			continue
		}
		var err error
		if r.Path, err = i.paths.Of(r.Index); err != nil {
			return err
		}
		r.LeafHash = i.group.leaves[e.leaf]
		r.EventID = ""
		if e.end-e.start <= receipt.MaxEventID {
			r.EventID = string(i.group.ids[e.start:e.end])
		}
		if err := i.out.add(r.Index, func(dst []byte) []byte { return r.AppendWith(dst, checkpoint) }); err != nil {
			return err
		}
	}
	return nil
}

// event takes in an event's leaf.
func (i *Issuer) event(line []byte) error {
	parsed, err := segment.ParseEvent(line)
	if err != nil {
		return err
	}
	g := &i.group
	leaf := len(g.leaves)
	g.leaves = append(g.leaves, merkle.LeafHash(line))
	id, own, err := idOf(parsed.Canonical)
	if err != nil || own {
		return err
	}
	start := len(g.ids)
	g.ids = append(g.ids, id[:min(len(id), receipt.MaxEventID+1)]...)
	g.events = append(g.events, written{leaf, start, len(g.ids)})
	return nil
}
