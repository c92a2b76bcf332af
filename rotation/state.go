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
	"path/filepath"
	"slices"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/logstate"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// How far the log has come is kept away from its directory: its id, size and root, once
// what they name is durable. So they are a lower bound, which the directory must extend: a
// directory that was emptied, is not mounted or is an older copy is not mistaken for the
// beginning of a log, or for its end.

var (
	// errMissing: the directory holds no log, and there was one.
	errMissing = errors.New("the log is missing")
	// errNotExtended: the directory holds a log that is not known to be the one there was,
	// with all that it held.
	errNotExtended = errors.New("the directory does not hold all of the log")
)

// keeper keeps the state in its file. It is upkeep's, and Open's before that.
type keeper struct {
	directory string     // "" without fs: no state is kept
	fs        durable.FS // replaces the directory, for tests
	origin    string
	logger    *zap.Logger
	observer  Observer

	lock    io.Closer // nil if it could not be taken
	kept    bool      // since the start
	segment uint64    // the first index of the newest segment then
	saved   []byte    // what the file holds, as far as is known
	fault   string    // what the observer has been told last
}

func newKeeper(o *Options) keeper {
	return keeper{directory: o.StateDirectory, fs: o.StateFS, origin: o.Origin, logger: o.Logger, observer: o.Observer}
}

func (k *keeper) keeps() bool { return k.directory != "" || k.fs != nil }

// path names a file in the state directory in errors.
func (k *keeper) path(name string) string { return filepath.Join(k.directory, name) }

// open opens the directory for one use.
func (k *keeper) open() (durable.FS, error) {
	if k.fs != nil {
		return k.fs, nil
	}
	return durable.OpenShared(k.directory)
}

func (k *keeper) closeDirectory(dir durable.FS) error {
	if k.fs != nil {
		return nil
	}
	return dir.Close()
}

// openState holds what was read of the directory against the state. It is called before
// anything in the directory is changed.
func (r *recovery) openState(ctx context.Context) (err error) {
	if !r.upkeep.keeper.keeps() {
		return nil
	}
	begins := r.tree.Size() == 0
	dir, err := r.upkeep.keeper.open()
	if err != nil {
		if begins {
			return newLogNeedsState(err)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("look for the state of the log: %w", err)
		}
		// There is none and none can be made, which is tried again.
		r.adoptState("there is no state directory, and none can be made")
		r.upkeep.keeper.report(err)
		return nil
	}
	defer func() { err = errors.Join(err, r.upkeep.keeper.closeDirectory(dir)) }()
	if err := r.upkeep.keeper.lockFile(dir, begins); err != nil {
		return err
	}
	state, err := r.upkeep.keeper.read(dir)
	if err != nil {
		return err
	}
	switch {
	case begins:
		return r.beginWith(dir, state)
	case state == nil:
		r.adoptState(fmt.Sprintf("there was no file %s", logstate.Name(r.opts.Origin)))
		return nil
	default:
		return r.extends(ctx, state)
	}
}

// lockFile makes sure that no other log of this origin keeps its state in the directory.
// One that cannot be written holds no lock, which is no reason for a log that is there not
// to go on.
func (k *keeper) lockFile(dir durable.FS, begins bool) error {
	lock, err := dir.Lock(logstate.Name(k.origin) + durable.LockName)
	switch {
	case err == nil:
		k.lock = lock
		return nil
	case errors.Is(err, ErrLocked):
		return fmt.Errorf("the state of the log %q in %s: %w: another log of this origin is being written, from another directory: give each log an origin of its own", k.origin, k.directory, ErrLocked)
	case begins:
		return newLogNeedsState(err)
	default:
		k.logger.Warn("The state of the audit log cannot be locked; another log of its origin would not be noticed", zap.Error(err))
		return nil
	}
}

// newLogNeedsState: what is not remembered from its beginning could be begun anew unseen.
func newLogNeedsState(err error) error {
	return fmt.Errorf("a new log is begun only where its state can be kept: name a directory for it that can be written, in state_directory: %w", err)
}

// read returns the state, or nil if there is none.
func (k *keeper) read(dir durable.FS) (*logstate.State, error) {
	name := logstate.Name(k.origin)
	content, err := logstate.ReadFile(dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the state of the log: %w", err)
	}
	s, err := logstate.Parse(content)
	if err == nil && s.Origin != k.origin {
		err = fmt.Errorf("it is of the log %q", s.Origin)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: restore it from a copy; or, once the log has been verified against a checkpoint from elsewhere, move it away, and it is made anew", k.path(name), err)
	}
	k.saved = content
	return &s, nil
}

// adoptState takes in a log of which no state is known.
func (r *recovery) adoptState(why string) {
	r.opts.Logger.Warn("The state of the audit log is missing; it is made of what the directory holds. If the log is not new to its state directory, verify it against a checkpoint that was kept elsewhere", zap.String("origin", r.opts.Origin), zap.Uint64("tree_size", r.tree.Size()))
	r.pending = append(r.pending, logevent.Event{Action: logevent.StateAdopted, Detail: why, Size: r.tree.Size()})
}

// beginWith begins a log: the first of its origin, or one in the place of another if that is
// permitted. The state says so first: whatever happens then, the log has one id, and says
// what it succeeds.
func (r *recovery) beginWith(dir durable.FS, state *logstate.State) error {
	begun := logstate.State{Origin: r.opts.Origin, Log: r.id, Root: new(merkle.Frontier).Root()}
	switch {
	case state == nil:
	case state.Begins():
		r.id, r.succeeds = state.Log, state.Succeeds
		return nil
	default:
		permitted, err := logstate.ReadFile(dir, logstate.AnewName(r.opts.Origin))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("look for the permission to begin a log anew: %w", err)
		}
		if !bytes.Equal(permitted, r.upkeep.keeper.saved) {
			return r.missing(state)
		}
		begun.Succeeds = &segline.Predecessor{Log: state.Log, Size: state.Size, Root: state.Root}
		r.succeeds = begun.Succeeds
		r.opts.Logger.Warn("The audit log is begun anew, in the place of one that is missing, as was permitted", zap.Stringer("log", state.Log), zap.Uint64("tree_size", state.Size))
	}
	if err := r.upkeep.keeper.write(dir, begun); err != nil {
		return newLogNeedsState(err)
	}
	// The permission is for what is not the state any more.
	if err := durable.Remove(dir, logstate.AnewName(r.opts.Origin)); err != nil {
		r.opts.Logger.Warn("The permission to begin the audit log anew could not be removed; it permits nothing any more", zap.Error(err))
	}
	return nil
}

func (r *recovery) missing(s *logstate.State) error {
	path := r.upkeep.keeper.path(logstate.Name(r.opts.Origin))
	return fmt.Errorf("%w: %s says that there is a log %s of at least %d leaves, and the directory holds none: mount what it lies on, or restore it; if another log has this origin, give this one an origin of its own; to have a new log begin in its place, which then says so, run: auditlog begin-anew %q, and if receipts were written, name another directory for those of the new log", errMissing, path, s.Log, s.Size, path)
}

// anew says what is left where the log cannot be brought back. To go on with a part of it,
// without the state, would be another history after that part: every checkpoint that was
// kept contradicts it.
func anew(path string) string {
	return fmt.Sprintf("if that cannot be done, move the directory away, to keep it as evidence, and have a new log begin in its place, which then says so: auditlog begin-anew %q", path)
}

// extends fails unless the log in the directory holds all that the state names.
func (r *recovery) extends(ctx context.Context, s *logstate.State) error {
	path := r.upkeep.keeper.path(logstate.Name(r.opts.Origin))
	if s.Log != r.id {
		return fmt.Errorf("%w: it holds the log %s, but %s says that the log of this origin is %s: bring that one back; if another log has this origin, give this one an origin of its own; if the one in the directory is the right one, move that file away; or %s", errNotExtended, r.id, path, s.Log, anew(path))
	}
	root, err := r.rootAt(ctx, s.Size)
	if err != nil {
		return fmt.Errorf("compare the log with its state: %w (restore it, or %s)", err, anew(path))
	}
	switch {
	case root == nil:
		return fmt.Errorf("%w: it has %d leaves, but %s says that there are at least %d: it was rolled back, or cut short: restore the rest, or %s", errNotExtended, r.tree.Size(), path, s.Size, anew(path))
	case *root != s.Root:
		return fmt.Errorf("%w: its first %d leaves are others than those that %s names: restore the log, or %s", errNotExtended, s.Size, path, anew(path))
	}
	return nil
}

// rootAt returns the root of the tree when it had so many leaves, nil if it never had. What
// is read for it leads to the tree.
func (r *recovery) rootAt(ctx context.Context, size uint64) (*merkle.Hash, error) {
	switch {
	case size > r.tree.Size():
		return nil, nil
	case size == r.tree.Size():
		root := r.tree.Root()
		return &root, nil
	case size == 0:
		root := new(merkle.Frontier).Root()
		return &root, nil
	}
	from := len(r.segments) - 1
	for from > 0 && r.segments[from].name.FirstIndex > size {
		from--
	}
	end := int64(-1)
	if r.active != nil {
		end = r.active.size
	}
	t := newTracer(r.dir, &r.snapshot)
	t.at = size
	found, err := t.trace(ctx, slices.Clone(r.segments[from:]), &r.tree, end)
	if err != nil || t.root != nil {
		return t.root, err
	}
	// A state from a backup, or one that could not be replaced for long, may be older than what
	// retention has left.
	root, err := prunedRoot(ctx, r.dir, size, found[0].facts.before)
	if err != nil {
		return nil, fmt.Errorf("read the file %s: %w", sidefile.PrunedRangesName, err)
	}
	if root == nil {
		return nil, fmt.Errorf("%w: the segments begin at leaf %d, so that nothing shows what the first %d leaves were, nor does the file %s: restore the older segments, or that file", errNotExtended, r.segments[from].name.FirstIndex, size, sidefile.PrunedRangesName)
	}
	return root, nil
}

// state returns the state of a log that is on stable storage.
func (s *snapshot) state() logstate.State {
	return logstate.State{Origin: s.opts.Origin, Log: s.id, Size: s.tree.Size(), Root: s.tree.Root()}
}

// due reports whether there is something to keep: at the start, when a segment has been sealed,
// and again where that failed.
func (k *keeper) due(s *snapshot) bool {
	return k.keeps() && s.tree.Size() > 0 && (!k.kept || k.segment != s.header.FirstIndex)
}

// keepState keeps the state if it is due.
func (u *upkeep) keepState() error {
	if s := u.log.Snapshot(); !u.keeper.due(&s) {
		return nil
	}
	s, err := u.log.Durable()
	if err == nil {
		err = u.keeper.save(s.state())
	}
	u.keeper.kept, u.keeper.segment = err == nil, s.header.FirstIndex
	u.keeper.report(err)
	return err
}

// report tells the observer whether the state is kept, when that changes.
func (k *keeper) report(err error) {
	fault := ""
	if err != nil {
		fault = err.Error()
		err = fmt.Errorf("how far the audit log has come cannot be kept in its state directory; until it can, an older copy of the log is not told from it: %w", err)
	}
	if fault != k.fault {
		k.fault = fault
		k.observer.StateFault(err)
	}
}

// unlock gives back what lockFile has taken.
func (k *keeper) unlock() error {
	if k.lock == nil {
		return nil
	}
	lock := k.lock
	k.lock = nil
	return lock.Close()
}

func (k *keeper) save(s logstate.State) (err error) {
	dir, err := k.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.closeDirectory(dir)) }()
	return k.write(dir, s)
}

// write replaces the file.
func (k *keeper) write(dir durable.FS, s logstate.State) error {
	content := s.Marshal()
	if bytes.Equal(content, k.saved) {
		return nil
	}
	if err := dir.CheckOwner(); err != nil {
		return err
	}
	if err := durable.Replace(dir, logstate.Name(s.Origin), durable.Private, durable.Bytes(content)); err != nil {
		return fmt.Errorf("%s: %w", k.directory, err)
	}
	k.saved = content
	return nil
}
