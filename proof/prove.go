// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
	"github.com/otel-auditlog/auditlogexporter/internal/keyhistory"
	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/logtree"
	"github.com/otel-auditlog/auditlogexporter/internal/ownevent"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/signednote"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// Query names the event to prove.
type Query struct {
	// EventID is the event's id, if ByIndex is not set. The log is searched for it.
	EventID string
	// Index is the event's leaf index, if ByIndex is set.
	Index   uint64
	ByIndex bool
	// Progress is called now and then with the number of stored bytes searched so far
	// and in all. It may be nil.
	Progress func(done, total int64)
}

// Errors of [Prove], besides [logdir.ErrNoLog], [logdir.ErrNoCheckpoint], and [logdir.ErrDamaged]
// if the log does not fit its own checkpoint, so that nothing in it can be proven.
var (
	// ErrNoEvent: the log has no such event.
	ErrNoEvent = errors.New("the log has no such event")
	// ErrPruned: the event, or a hash that leads to it, lay in segments that retention has
	// deleted, as the log says.
	ErrPruned = logtree.ErrPruned
	// ErrMissing: the event, or what leads to it, is gone, and not by retention.
	ErrMissing = errors.New("the oldest leaves of the log are gone, and it does not say that retention deleted them: run auditlog verify")
	// ErrRepeated: several events have the id.
	ErrRepeated = errors.New("several events have this id")
)

// errUnprovable: the log does not fit its own checkpoint.
var errUnprovable = fmt.Errorf("%w, so that nothing in it can be proven: run auditlog verify", logdir.ErrDamaged)

// Prove returns the proof that an event is in the log in the root of fsys: its line,
// and the path from it to the newest checkpoint, or, if that has none, to the newest
// checkpoint with cosignatures that covers the event. It reads the segment that holds
// the event, the newest one, and the heads of some others; to find an event by its id,
// all segments. The proof fits the checkpoint; whose signatures that bears has not
// been checked.
//
// The log may be in use.
func Prove(ctx context.Context, fsys fs.FS, q Query) (p *Inclusion, err error) {
	err = logfile.Retry(ctx, func() (err error) { p, err = prove(ctx, fsys, q); return err })
	return p, err
}

func prove(ctx context.Context, fsys fs.FS, q Query) (*Inclusion, error) {
	tree, err := logtree.Open(ctx, fsys)
	if err != nil {
		return nil, asUnprovable(err)
	}
	p := &Inclusion{Index: q.Index, Log: tree.Log()}
	if q.ByIndex {
		p.Line, err = lineAt(ctx, tree, q.Index)
	} else {
		p.Index, p.Line, err = find(ctx, tree, q)
	}
	if err != nil {
		return nil, err
	}
	for _, note := range checkpointsFor(fsys, tree) {
		if err := complete(ctx, p, tree, note); err == nil || !errors.Is(err, errUnprovable) {
			if err != nil {
				return nil, asUnprovable(err)
			}
			c, err := signing.ParseCheckpoint(p.Checkpoint)
			if err != nil {
				return nil, err
			}
			if p.KeyChanges, err = keyChangesFor(ctx, fsys, c.Size); err != nil {
				return nil, err
			}
			if err := leadToKeyChange(ctx, p, tree); err != nil {
				return nil, err
			}
			return p, addCommit(ctx, p, tree, c.Size)
		}
	}
	return nil, errUnprovable
}

// asUnprovable has an error say that nothing can be proven, if it is about what the log holds.
func asUnprovable(err error) error {
	if errors.Is(err, logdir.ErrDamaged) || logfile.Malformed(err) && !errors.Is(err, rootfs.ErrNotRegular) {
		return fmt.Errorf("%w: %w", errUnprovable, err)
	}
	return err
}

// lineAt returns the event line of a leaf.
func lineAt(ctx context.Context, tree *logtree.Tree, index uint64) ([]byte, error) {
	if index >= tree.Size() {
		if err := afterCheckpoint(tree); err != nil {
			return nil, fmt.Errorf("leaf %d: %w", index, err)
		}
		return nil, fmt.Errorf("%w: the log has %d leaves, and leaf %d is none of them", ErrNoEvent, tree.Size(), index)
	}
	line, err := tree.Line(ctx, index)
	if errors.Is(err, ErrPruned) {
		var gone pruned
		if err := tree.Leaves(ctx, 0, nil, gone.readLine); err != nil {
			return nil, asUnprovable(err)
		}
		return nil, fmt.Errorf("leaf %d: %w", index, gone.errorFor(tree))
	}
	if err != nil {
		return nil, asUnprovable(err)
	}
	switch segment.KindOf(line) {
	case segline.KindHeader:
		return nil, fmt.Errorf("%w: leaf %d is the header of a segment", ErrNoEvent, index)
	case segline.KindCommit:
		return nil, fmt.Errorf("%w: leaf %d is the end of a commit", ErrNoEvent, index)
	}
	return line, nil
}

// find searches the log for an event's id.
func find(ctx context.Context, tree *logtree.Tree, q Query) (index uint64, line []byte, err error) {
	id := []byte(q.EventID)
	var at []uint64
	var gone pruned
	// The id as it stands on a line: most lines need not be parsed. Whatever else the
	// log may say there is found out by parsing.
	quoted := jcs.AppendString(nil, id)
	err = tree.Leaves(ctx, 0, q.Progress, func(i uint64, l []byte) error {
		if err := gone.readLine(i, l); err != nil {
			return err
		}
		if !bytes.Contains(l, quoted) || segment.KindOf(l) != segline.KindEvent {
			return nil
		}
		parsed, err := segment.ParseEvent(nil, l)
		var sum eventjson.Summary
		if err != nil || eventjson.Scan(parsed.Canonical, &sum) != nil || !bytes.Equal(sum.ID, id) {
			return nil
		}
		if at = append(at, i); len(at) == 1 {
			index, line = i, bytes.Clone(l)
		}
		return nil
	})
	switch {
	case err != nil:
		return 0, nil, asUnprovable(err)
	case len(at) == 0 && tree.Base() > 0:
		return 0, nil, fmt.Errorf("%w with the id %q among those that are left: %w", ErrNoEvent, q.EventID, gone.errorFor(tree))
	case len(at) == 0 && afterCheckpoint(tree) != nil:
		return 0, nil, fmt.Errorf("the id %q: %w", q.EventID, afterCheckpoint(tree))
	case len(at) == 0:
		return 0, nil, fmt.Errorf("%w with the id %q", ErrNoEvent, q.EventID)
	case len(at) > 1:
		return 0, nil, fmt.Errorf("%w, at the leaves %s: say which by its index", ErrRepeated, someOf(at))
	}
	return index, line, nil
}

// afterCheckpoint says what follows the newest checkpoint, or nil if nothing does.
func afterCheckpoint(tree *logtree.Tree) error {
	lines, refuted := tree.Behind()
	switch {
	case refuted:
		return fmt.Errorf("%w: behind its checkpoint over %d leaves there are others that do not fit", errUnprovable, tree.Size())
	case lines > 0:
		return fmt.Errorf("%w up to its newest checkpoint, over %d leaves; what follows that, %d lines, has not been acknowledged", ErrNoEvent, tree.Size(), lines)
	}
	return nil
}

// pruned is what the log says of the leaves that are gone.
type pruned struct{ before uint64 }

// readLine notes what a line says of the leaves that are gone.
func (p *pruned) readLine(_ uint64, line []byte) error {
	if !ownevent.MayBeOn(line, logevent.Pruned) {
		return nil
	}
	parsed, err := segment.ParseEvent(nil, line)
	if err != nil {
		return nil
	}
	if said, ok := ownevent.In(parsed.Canonical); ok && said.Action == logevent.Pruned {
		p.before = max(p.before, said.Before)
	}
	return nil
}

// errorFor returns the error for what is gone.
func (p *pruned) errorFor(tree *logtree.Tree) error {
	if p.before < tree.Base() {
		return fmt.Errorf("%w (leaves %d to %d)", ErrMissing, p.before, tree.Base()-1)
	}
	return fmt.Errorf("%w: leaves 0 to %d, as the log says", ErrPruned, tree.Base()-1)
}

func someOf(at []uint64) string {
	const most = 10
	if len(at) > most {
		return fmt.Sprintf("%d … (%d in all)", at[:most], len(at))
	}
	return fmt.Sprint(at)
}

// checkpointsFor returns the checkpoints that a proof may end in, the best first: one
// that witnesses have cosigned, if there is one, then the newest.
func checkpointsFor(fsys fs.FS, tree *logtree.Tree) (notes [][]byte) {
	cosigned := tree.Cosigned()
	if onDisk, err := logfile.Checkpoint(fsys); err == nil && hasCosignatures(onDisk) {
		if a, err := signing.ParseCheckpoint(onDisk); err == nil {
			if b, err := signing.ParseCheckpoint(cosigned); err != nil || a.Size > b.Size {
				cosigned = onDisk
			}
		}
	}
	if cosigned != nil {
		notes = append(notes, cosigned)
	}
	return append(notes, tree.Checkpoint())
}

// hasCosignatures reports whether a note has a signature line of another name than
// the log's.
func hasCosignatures(note []byte) bool {
	c, err := signing.ParseCheckpoint(note)
	if err != nil {
		return false
	}
	_, signatures, err := signednote.Split(note)
	if err != nil {
		return false
	}
	for line := range bytes.Lines(signatures) {
		if !bytes.HasPrefix(line, []byte("\u2014 "+c.Origin+" ")) {
			return true
		}
	}
	return false
}

// complete adds a checkpoint and the path to it. The error wraps errUnprovable if
// they do not fit.
func complete(ctx context.Context, p *Inclusion, tree *logtree.Tree, note []byte) error {
	c, err := signing.ParseCheckpoint(note)
	if err != nil || c.Size > tree.Size() || c.Size <= p.Index {
		return errUnprovable
	}
	path, err := tlog.ProveRecord(int64(c.Size), int64(p.Index), tree.Hashes(ctx))
	if err != nil {
		return err
	}
	if !within(path, c.Size, c.Root, p) {
		return errUnprovable
	}
	p.Path, p.Checkpoint = path, note
	return nil
}

// leadToKeyChange adds the path to the first key change behind the event, which the key
// signed that the log had until then: whoever comes by a later one cannot make it up.
func leadToKeyChange(ctx context.Context, p *Inclusion, tree *logtree.Tree) error {
	for _, text := range p.KeyChanges {
		n, err := signing.OpenKeyChange(text)
		if err != nil {
			return err // it has been checked
		}
		if n.Index <= p.Index {
			continue
		}
		if p.KeyChangePath, err = tlog.ProveRecord(int64(n.Index), int64(p.Index), tree.Hashes(ctx)); err != nil {
			return asUnprovable(err)
		}
		if !within(p.KeyChangePath, n.Index, n.Root, p) {
			return fmt.Errorf("%w: the change of the key at leaf %d is of another tree", errUnprovable, n.Index)
		}
		break
	}
	return nil
}

// addCommit adds the commit that the event is part of, in the tree that the key of the time
// has signed: what bounds a key in time is held against that.
func addCommit(ctx context.Context, p *Inclusion, tree *logtree.Tree, size uint64) (err error) {
	for _, text := range p.KeyChanges {
		n, err := signing.OpenKeyChange(text)
		if err != nil {
			return err // it has been checked
		}
		if n.Index > p.Index {
			size = n.Index
			break
		}
	}
	if p.CommitIndex, p.Commit, err = tree.Commit(ctx, p.Index); err != nil {
		return asUnprovable(err)
	}
	if p.CommitIndex >= size {
		return fmt.Errorf("%w: no commit covers leaf %d before the log goes over to another key", errUnprovable, p.Index)
	}
	if p.CommitPath, err = tlog.ProveRecord(int64(size), int64(p.CommitIndex), tree.Hashes(ctx)); err != nil {
		return asUnprovable(err)
	}
	return nil
}

// within reports whether a path leads from a proof's line to a tree's root.
func within(path tlog.RecordProof, size uint64, root [32]byte, p *Inclusion) bool {
	return tlog.CheckRecord(path, int64(size), root, int64(p.Index), tlog.RecordHash(p.Line)) == nil
}

// keyChangesFor returns the key changes that lead to the signer of the checkpoint of a
// size, for who knows the log's first key only.
func keyChangesFor(ctx context.Context, fsys fs.FS, size uint64) (notes [][]byte, err error) {
	history, err := keyhistory.Read(ctx, fsys)
	if err != nil {
		return nil, err
	}
	listing, err := segment.List(fsys)
	if err != nil {
		return nil, err
	}
	changes := history.Changes
	// The newest may not be in the file yet.
	if n := len(listing.Segments); n > 0 {
		last := history.Last()
		// One that cannot be read introduces no key that could be followed.
		if n, err := keyhistory.Introducing(ctx, fsys, listing.Segments[n-1]); err == nil && n != nil && (last == nil || last.Index < n.Index) {
			changes = append(changes, *n)
		}
	}
	var before *signing.KeyChange
	for _, n := range changes {
		if n.Index >= size {
			break // the checkpoint of that size is the last one under the old key
		}
		if before != nil && !follows(*before, n) {
			notes = nil // who trusts a key before the gap cannot be led over it
		}
		before, notes = &n, append(notes, n.Note)
	}
	return notes, nil
}
