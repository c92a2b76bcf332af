// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/segname"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// recovery makes a writer, and its upkeep, of what a directory holds. It is the only user of both.
type recovery struct {
	*writer
	upkeep *upkeep
}

// recover finds out where the log ends, has the stages recall what it holds, and has the first
// commit say that it was opened.
func (r *recovery) recover(ctx context.Context) error {
	if err := r.load(ctx); err != nil {
		return err
	}
	if err := r.recall(ctx); err != nil {
		return err
	}
	if err := r.closeToOthers(); err != nil {
		return err
	}
	r.pending = append(r.pending, logevent.Event{Action: logevent.Opened, Version: segline.Format})
	r.upkeep.clock = r.opts.Now()
	r.startClock(r.upkeep.clock)
	r.observeSegments()
	return nil
}

// load finds out where the log in the directory ends, and sets aside what a
// crash left behind that.
func (r *recovery) load(ctx context.Context) error {
	listing, err := segment.List(r.dir)
	if err != nil {
		return err
	}
	if err := r.removeTemporary(listing.Temporary); err != nil {
		return err
	}
	for _, f := range listing.Segments {
		if !f.Mode.IsRegular() {
			return fmt.Errorf("%s is not a regular file but %s: remove it, the log never writes such", f.Name, f.Mode.Type())
		}
		if err := r.addListed(ctx, segmentInfo{name: f.Parsed, bytes: f.Size}); err != nil {
			return err
		}
	}
	torn, err := r.loadNewest(ctx)
	if err != nil {
		return err
	}
	// Before anything is set aside.
	if err := r.openState(ctx); err != nil {
		return err
	}
	if torn != nil {
		if err := r.setAsideSegment(*torn); err != nil {
			return err
		}
	}
	if err := r.setAsideTail(); err != nil && reasonOf(fail(reasonIO, err)) != reasonDiskFull {
		return err
	}
	if err := r.loadTorn(listing.Torn); err != nil {
		return err
	}
	if err := r.loadKeyChanges(ctx); err != nil {
		return err
	}
	return r.checkKept()
}

// loadTorn has the next commit say what an earlier start set aside, if that start was
// cut off before it could say so itself: nothing has been committed since.
func (r *recovery) loadTorn(names []string) error {
	for _, name := range names {
		index, _ := sidefile.TornIndex(name)
		if index != r.tree.Size() || r.pendingFile(name) {
			continue
		}
		f, err := r.dir.Edit(name)
		if err != nil {
			return fmt.Errorf("look at what was set aside: %w", err)
		}
		info, err := f.Stat()
		var o logevent.Event
		if err == nil {
			o, err = describe(f, 0, info.Size(), index)
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("look at what was set aside in %s: %w", name, err)
		}
		o.File = name
		r.recovered(o)
	}
	return nil
}

// addListed adds a segment to the list, which is in order. A plain segment and
// its compressed form are both there if a crash came between the two; the plain
// one then goes.
func (r *recovery) addListed(ctx context.Context, s segmentInfo) error {
	if n := len(r.segments); n > 0 && r.segments[n-1].name.FirstIndex == s.name.FirstIndex {
		plain := r.segments[n-1].name
		if plain.Compression != compression.None || segname.Plain(s.name) != plain {
			return fmt.Errorf("%w: %s and %s start at the same leaf: one of them does not belong here", ErrDamaged, plain, s.name)
		}
		if err := sameContent(ctx, r.dir, plain.String(), s.name.String(), s.name.Compression); err != nil {
			return fmt.Errorf("%w: %w: one of them has been changed", ErrDamaged, err)
		}
		// The writer may have been killed before the new name was durable.
		err := r.dir.Sync()
		if err == nil {
			err = r.dir.Remove(plain.String())
		}
		if err != nil {
			return fmt.Errorf("finish the compression of %s: %w", plain, err)
		}
		r.segments = r.segments[:n-1]
	}
	r.segments = append(r.segments, s)
	return nil
}

// removeTemporary removes what was being written when the writer ended.
func (r *recovery) removeTemporary(names []string) error {
	for _, name := range names {
		base := strings.TrimSuffix(name, durable.TempSuffix)
		if _, err := segment.ParseName(base); err != nil && base != sidefile.CheckpointName && !sidefile.IsTornName(base) {
			continue // not ours
		}
		if err := r.dir.Remove(name); err != nil {
			return fmt.Errorf("remove the unfinished file: %w", err)
		}
	}
	return nil
}

// loadNewest reads the newest segment, or, if a crash interrupted its very
// first commit, the one before. It then returns the name of the torn one, or nil.
func (r *recovery) loadNewest(ctx context.Context) (torn *segment.Name, err error) {
	for len(r.segments) > 0 {
		n := len(r.segments) - 1
		newest := r.segments[n]
		s, err := r.scanFile(ctx, newest.name)
		if err != nil {
			return nil, err
		}
		if s.size > 0 {
			return torn, r.resume(newest, s)
		}
		// No checkpoint fits. Its first commit was never acknowledged, but
		// only the newest segment can be in that state.
		if torn != nil || newest.name.Compression != compression.None {
			return nil, fmt.Errorf("%s: %w: no checkpoint in it fits", newest.name, ErrDamaged)
		}
		torn = &newest.name
		r.segments = r.segments[:n]
	}
	return torn, nil
}

// scanFile reads a segment from the disk. What an earlier writer could not sync may
// still be in the cache, looking as good as the rest: a later sync would not write
// it, so it must not be built upon.
func (r *recovery) scanFile(ctx context.Context, name segment.Name) (scanned, error) {
	if name.Compression == compression.None {
		f, err := r.dir.Edit(name.String())
		if err != nil {
			return scanned{}, fmt.Errorf("check %s: %w", name, err)
		}
		f.Forget()
		if err := f.Close(); err != nil {
			return scanned{}, fmt.Errorf("check %s: %w", name, err)
		}
	}
	in, err := segment.Open(r.dir, name.String(), -1)
	if err != nil {
		return scanned{}, err
	}
	defer in.Close()
	s, err := scan(ctx, in, r.opts.Origin, r.keys.candidates(), !r.opts.Sync)
	if err != nil {
		return scanned{}, fmt.Errorf("check %s: %w", name, err)
	}
	if h := s.header; s.size > 0 && h.FirstIndex != name.FirstIndex {
		return s, fmt.Errorf("%s: %w: its header says that it starts at leaf %d", name, ErrDamaged, h.FirstIndex)
	}
	return s, nil
}

// resume continues the log behind the last checkpoint of a segment.
func (r *recovery) resume(info segmentInfo, s scanned) error {
	r.tree, r.mark, r.note = s.tree, s.mark, s.note
	r.header, r.id, r.commits, r.lastTime = s.header, s.header.Log, s.commit.Number, s.commit.Time
	r.atStart, r.pause.until, r.upkeep.pruned = s.atStart, s.held, s.pruned
	if err := r.keys.canFollow(r.header.Keys); err != nil {
		return fmt.Errorf("continue segment %s: %w", info.name, err)
	}
	if info.name.Compression != compression.None {
		if s.end != s.size {
			return fmt.Errorf("%s: %w: bytes follow its last checkpoint", info.name, ErrDamaged)
		}
		r.sealed = "sealed"
		r.keys.adoptKey(s.key)
		return nil
	}
	f, err := r.dir.Edit(info.name.String())
	if err != nil {
		return fmt.Errorf("continue segment %s: %w", info.name, err)
	}
	// A writer that was killed may have left in the cache what is as good as the
	// rest but not durable, the file's name included: nothing must be built upon it
	// before it is, and above all no key be destroyed that an older one is signed with.
	err = durable.Sync(r.dir, f)
	if err != nil {
		return errors.Join(fmt.Errorf("continue segment %s: %w", info.name, err), f.Close())
	}
	r.keys.adoptKey(s.key)
	r.segments[len(r.segments)-1].bytes = 0 // see activeSegment
	r.active = &activeSegment{name: info.name, file: f, size: s.size, events: s.events, times: s.times, opened: r.opts.Now()}
	r.torn = s.end > s.size
	return nil
}

// setAsideSegment renames a segment whose first commit was torn.
func (r *recovery) setAsideSegment(name segment.Name) error {
	f, err := r.dir.Edit(name.String())
	if err != nil {
		return fmt.Errorf("set aside the torn segment: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil {
		err = f.Sync() // what is said of the file must remain true of it
	}
	if err != nil {
		return fmt.Errorf("set aside the torn segment %s: %w", name, err)
	}
	o, err := describe(f, 0, info.Size(), name.FirstIndex)
	if err != nil {
		return fmt.Errorf("set aside the torn segment %s: %w", name, err)
	}
	if err := durable.Rename(r.dir, name.String(), o.File); err != nil {
		return fmt.Errorf("set aside the torn segment: %w", err)
	}
	o.Segment = name.String()
	r.recovered(o)
	return nil
}

// checkKept compares the log with the checkpoint file.
func (r *recovery) checkKept() error {
	note, err := logfile.Checkpoint(r.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil && !logfile.Malformed(err) {
		return fmt.Errorf("read the checkpoint file: %w", err)
	}
	var kept signing.Checkpoint
	if err == nil {
		kept, _, err = signing.OpenCheckpoint(note, r.opts.Origin, r.keys.publicKeys())
	}
	if err != nil {
		// It is a convenience copy, written anew before long, and no crash can
		// be told from meddling here.
		r.opts.Logger.Warn("The audit log's checkpoint file cannot be used and will be written anew", zap.Error(err))
		return nil
	}
	switch {
	case kept.Size < r.tree.Size() || kept.Size == r.tree.Size() && kept.Root == r.tree.Root():
		r.upkeep.checkpoint.note = note
		return nil
	case kept.Size == r.tree.Size():
		return fmt.Errorf("%w: its checkpoint file has the same size but another root hash: the directory holds parts of two logs", ErrDamaged)
	case r.opts.Sync:
		return fmt.Errorf("%w: the file %s says %d leaves, the segments hold %d: restore the missing segments, or, once the loss is understood, move that file out of the directory", errRolledBack, sidefile.CheckpointName, kept.Size, r.tree.Size())
	}
	r.pending = append(r.pending, logevent.Event{Action: logevent.Damaged, Detail: fmt.Sprintf("the log ends at leaf %d, though a checkpoint over %d was signed: sync is off, and the rest never reached the disk", r.tree.Size(), kept.Size)})
	return nil
}
