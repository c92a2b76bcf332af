// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/receiptline"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/merkle"
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
	// Missed is how many leaves went without: they had been pruned, or damaged. Why says
	// which it was, of the first of them.
	Missed uint64
	Why    error
	// Size is up to which leaf, without it, all events that can have a receipt have one.
	Size uint64
}

// ErrContradicted: receipts that were written before are not for this log as it is now.
// It has been rolled back or replaced, or the directory is that of another log.
var ErrContradicted = errors.New("the receipts there are speak of another log, or of leaves that it does not have: it has been rolled back or replaced, or receipts::directory belongs to another log; run auditlog verify with --receipts, keep those receipts, and name another directory for new ones")

// Issuer writes receipts for one log. It is for one goroutine at a time. After an error
// it must be closed; a new one goes on where it got to.
type Issuer struct {
	opts   Options
	log    *os.Root
	fsys   fs.FS
	out    outbox
	events eventjson.Scanner
	commit receiptline.Commit
	group  group

	// told is the checkpoint of the newest receipt that was there at the start, until the
	// log has been seen to agree with it.
	told *signing.Checkpoint

	next uint64 // the first leaf that is still to be read
	// tree is the tree before it, if that is known.
	tree  merkle.Frontier
	known bool
	// name and offset are where that leaf's line begins, "" if that is not known.
	name   string
	offset int64
}

// group is the leaves of a commit, as far as they have been read.
type group struct {
	leaves   []merkle.Hash
	events   []written
	ids      []byte
	idLeaves []merkle.Hash // of all events, the log's own included
	commit   []byte        // the commit line, once it has been read
}

// written is an event of others than the log itself.
type written struct {
	leaf       int // of the group
	start, end int // of its id
}

func (g *group) reset() {
	g.leaves, g.events, g.ids = g.leaves[:0], g.events[:0], g.ids[:0]
	g.idLeaves, g.commit = g.idLeaves[:0], g.commit[:0]
}

// Open opens the log's directory for reading and that of the receipts for writing.
func Open(o Options) (_ *Issuer, err error) {
	i := &Issuer{opts: o}
	if i.log, err = os.OpenRoot(o.Log); err != nil {
		return nil, fmt.Errorf("issue receipts: open the log: %w", err)
	}
	i.fsys = rootfs.Of(i.log)
	if i.out.dir, err = durable.OpenLocked(o.Directory); err != nil {
		return nil, errors.Join(fmt.Errorf("issue receipts: %w", err), i.log.Close())
	}
	i.out.maxBytes, i.out.maxFiles, i.out.reserve = o.MaxFileBytes, o.MaxFiles, o.ReserveBytes
	newest, in, err := i.out.open(o.Begin)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("issue receipts in %s: %w", o.Directory, err), i.Close())
	}
	i.next = i.out.next
	if newest != nil {
		c, err := signing.ParseCheckpoint(newest.Checkpoint)
		if err == nil && c.Origin != o.Origin {
			err = fmt.Errorf("%s holds receipts of the log %q: %w", in, c.Origin, ErrContradicted)
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
		switch err = i.segment(ctx, to, &r); {
		case err == nil:
			gone = 0
		case errors.Is(err, fs.ErrNotExist) && gone < maxGone:
			gone++ // it has been pruned meanwhile
			i.name, err = "", ctx.Err()
		}
	}
	var unwritten *unwrittenError
	if errors.As(err, &unwritten) {
		err = unwritten.err
	} else if err == nil {
		err = i.out.finish()
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

// maxGone bounds how often in a row a segment may be gone before it could be read: what
// deletes them may go just ahead.
const maxGone = 5

// errDamaged: a segment is not as the writer left it.
var errDamaged = errors.New("it is not as it was written: run auditlog verify")

// errUnbound: a segment was written while receipts were off.
var errUnbound = errors.New("its commits do not bind the ids of their events: it was written while receipts were off")

// part is what is to be read of the segment that holds the next leaf.
type part struct {
	// File has what of it is durable as its size; all if that is negative.
	segment.File
	// end is the first leaf that it does not hold, or that is not to be read. What stands
	// there all the same is no part of the log: it was never acknowledged, or is not the
	// log's work.
	end uint64
}

// segment reads on in the segment that holds the next leaf.
func (i *Issuer) segment(ctx context.Context, to Durable, r *Result) error {
	p, err := i.find(to)
	if err != nil {
		return err
	}
	if first := p.Parsed.FirstIndex; first >= to.Size { // all up to there has been pruned
		i.skipTo(first, deletedBefore(p), r)
		return nil
	}
	if err = i.read(ctx, p, r); !errors.Is(err, errDamaged) && !errors.Is(err, errUnbound) {
		return err
	}
	// The next segment's header says how the tree goes on.
	next, ok, lerr := i.following(p.Parsed.FirstIndex)
	if lerr != nil || !ok || next <= i.next {
		return errors.Join(err, lerr)
	}
	i.skipTo(next, err, r)
	return nil
}

// skipTo leaves out leaves that cannot have receipts.
func (i *Issuer) skipTo(index uint64, why error, r *Result) {
	if from := max(i.next, i.out.next); index > from {
		r.Missed += index - from
		if r.Why == nil {
			r.Why = why
		}
	}
	i.next, i.name, i.known = index, "", false
	if i.told != nil && index >= i.told.Size {
		i.told = nil // it cannot be compared any more
	}
}

func deletedBefore(p part) error {
	return fmt.Errorf("the segments before %s were deleted before their receipts could be written", p.Name)
}

// find returns what is to be read next. Leaves that have been pruned are skipped by read.
func (i *Issuer) find(to Durable) (p part, err error) {
	p.end = to.Size
	if i.name == to.Segment {
		p.Name, p.Size = i.name, to.Bytes
		p.Parsed, err = segment.ParseName(i.name)
		return p, err
	}
	segments, err := logdir.Segments(i.fsys)
	if err != nil {
		return p, err
	}
	if len(segments) == 0 {
		return p, errors.New("its segments are gone")
	}
	p.File = segments[0].File
	for _, one := range segments[1:] {
		if one.Parsed.FirstIndex > i.next {
			p.end = min(p.end, one.Parsed.FirstIndex)
			break
		}
		p.File = one.File
	}
	p.Size = -1
	if p.Name == to.Segment {
		p.Size = to.Bytes
	}
	return p, nil
}

// following returns the first index of the segment behind the one that begins at an
// index.
func (i *Issuer) following(first uint64) (next uint64, ok bool, _ error) {
	segments, err := logdir.Segments(i.fsys)
	if err != nil {
		return 0, false, err
	}
	for _, s := range segments {
		if s.Parsed.FirstIndex > first {
			return s.Parsed.FirstIndex, true, nil
		}
	}
	return 0, false, nil
}

// read reads a segment from where the last look ended, or from its beginning.
func (i *Issuer) read(ctx context.Context, p part, res *Result) error {
	begins, from := p.Name != i.name, i.offset
	if begins {
		from = 0
	}
	r, err := logfile.Open(ctx, i.fsys, p.File, from)
	if err != nil {
		return cmp.Or(ctx.Err(), damaged(p, 0, err))
	}
	defer r.Close()
	i.group.reset()
	for n := 0; begins && n == 0 || i.next < p.end; n++ {
		line, err := r.Next()
		if err == io.EOF {
			err = fmt.Errorf("it ends at leaf %d, but the log has had more of it, up to leaf %d", i.next, p.end)
		} else if err == nil {
			err = i.line(line, begins && n == 0, p, res)
		}
		if err != nil {
			at := 0
			if begins {
				at = r.Line()
			}
			return cmp.Or(ctx.Err(), damaged(p, at, err))
		}
		if len(i.group.leaves) == 0 && p.Parsed.Compression == compression.None {
			i.name, i.offset = p.Name, r.End()
		}
	}
	return nil
}

// damaged tells what is wrong with a segment from what else went wrong.
func damaged(p part, line int, err error) error {
	var path *fs.PathError
	var unwritten *unwrittenError
	switch {
	case errors.As(err, &unwritten), errors.As(err, &path), errors.Is(err, ErrContradicted):
		return err
	case errors.Is(err, errUnbound):
		return fmt.Errorf("%s: %w", p.Name, err)
	case line > 0:
		return fmt.Errorf("%s, line %d: %w: %w", p.Name, line, errDamaged, err)
	default:
		return fmt.Errorf("%s: %w: %w", p.Name, errDamaged, err)
	}
}

// unwrittenError: the log was read, but the receipt could not be written. Nothing that is
// wrong with the files of receipts is to be taken for a fault of the log's.
type unwrittenError struct{ err error }

func (e *unwrittenError) Error() string { return e.err.Error() }

// line takes in the next line of a segment.
func (i *Issuer) line(line []byte, first bool, p part, res *Result) error {
	var err error
	switch kind := segment.KindOf(line); {
	case first:
		err = i.header(line, p, res)
	case len(i.group.commit) > 0:
		if kind != segline.KindCheckpoint {
			return errors.New("no checkpoint follows its commit")
		}
		return i.checkpoint(line)
	case kind == segline.KindCommit:
		i.group.commit = append(i.group.commit, line...)
		i.group.leaves = append(i.group.leaves, merkle.LeafHash(line))
	case kind == segline.KindEvent:
		err = i.event(line)
	default:
		return errors.New("it is neither an event nor a commit")
	}
	if err != nil {
		return err
	}
	// No more is kept of a commit than the log can have.
	if i.next+uint64(len(i.group.leaves)) > p.end {
		return fmt.Errorf("it goes on, without a checkpoint, beyond leaf %d, up to which it can be part of the log", p.end)
	}
	return nil
}

func (i *Issuer) header(line []byte, p part, res *Result) error {
	h, err := segment.ParseHeader(line)
	if err != nil {
		return err
	}
	if h.FirstIndex != p.Parsed.FirstIndex || h.Origin != i.opts.Origin {
		return fmt.Errorf("its header is of leaf %d of the log %q", h.FirstIndex, h.Origin)
	}
	if !slices.Contains(h.Features, segline.FeatureIDs) {
		return errUnbound
	}
	tree, err := merkle.NewFrontier(h.FirstIndex, h.Frontier)
	switch {
	case err != nil:
		return err
	case i.known && h.FirstIndex == i.next && tree.Root() != i.tree.Root():
		return errors.New("its header does not go on with the tree before it")
	case h.FirstIndex > i.next:
		i.skipTo(h.FirstIndex, deletedBefore(p), res)
	}
	i.next, i.tree, i.known = h.FirstIndex, tree, true
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
	i.commit.Set(&i.tree, i.group.leaves, i.group.idLeaves)
	tree, err := i.commit.Tree()
	if err != nil {
		return err
	}
	if c.Origin != i.opts.Origin || c.Size != tree.Size() || c.Root != tree.Root() {
		return errors.New("the lines do not lead to the checkpoint behind them")
	}
	if err := i.bound(); err != nil {
		return err
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

// bound checks that the commit line binds the ids of the commit's events.
func (i *Issuer) bound() error {
	commit, err := segment.ParseCommit(i.group.commit)
	if err != nil {
		return err
	}
	ids, err := i.commit.IDs()
	if err != nil {
		return err
	}
	if commit.IDs == nil || *commit.IDs != ids {
		return errors.New("its commit does not bind the ids of its events")
	}
	return nil
}

func (i *Issuer) issue(note []byte) error {
	i.commit.Sign(i.group.commit, note)
	for _, e := range i.group.events {
		index := i.next + uint64(e.leaf)
		if index < i.out.next {
			continue
		}
		if err := i.out.add(index, &i.commit, e.leaf, i.group.ids[e.start:e.end]); err != nil {
			return err
		}
	}
	return nil
}

// event takes in an event's leaf.
func (i *Issuer) event(line []byte) error {
	parsed, err := segment.ParseEvent(nil, line)
	if err != nil {
		return err
	}
	g := &i.group
	leaf := len(g.leaves)
	g.leaves = append(g.leaves, merkle.LeafHash(line))
	var said eventjson.Summary
	if err := i.events.Scan(parsed.Canonical, &said); err != nil {
		return err
	}
	g.idLeaves = append(g.idLeaves, merkle.LeafHash(said.ID))
	if said.Log != nil {
		return nil // the log's own
	}
	start := len(g.ids)
	g.ids = append(g.ids, said.ID[:min(len(said.ID), receiptline.MaxEventID+1)]...)
	g.events = append(g.events, written{leaf, start, len(g.ids)})
	return nil
}
