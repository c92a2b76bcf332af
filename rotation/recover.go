// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// load finds out where the log in the directory ends, and sets aside what a
// crash left behind that.
func (l *Log) load(ctx context.Context) error {
	listing, err := segment.List(l.dir)
	if err != nil {
		return err
	}
	if err := l.removeTemporary(listing.Temporary); err != nil {
		return err
	}
	for _, f := range listing.Segments {
		if !f.Mode.IsRegular() {
			return fmt.Errorf("%s is not a regular file but %s: remove it, the log never writes such", f.Name, f.Mode.Type())
		}
		if err := l.addListed(ctx, segmentInfo{name: f.Parsed, bytes: f.Size}); err != nil {
			return err
		}
	}
	l.sealed, l.id = "first", newLogID()
	torn, err := l.loadNewest(ctx)
	if err != nil {
		return err
	}
	// Before anything is set aside.
	if err := l.openState(ctx); err != nil {
		return err
	}
	if torn != nil {
		if err := l.setAsideSegment(*torn); err != nil {
			return err
		}
	}
	if err := l.setAsideTail(); err != nil && reasonOf(fail(ReasonIO, err)) != ReasonDiskFull {
		return err
	}
	if err := l.loadTorn(listing.Torn); err != nil {
		return err
	}
	if err := l.loadKeyChanges(ctx); err != nil {
		return err
	}
	return l.checkKept()
}

// loadTorn has the next commit say what an earlier start set aside, if that start was
// cut off before it could say so itself: nothing has been committed since.
func (l *Log) loadTorn(names []string) error {
	for _, name := range names {
		index, _ := segment.TornIndex(name)
		if index != l.tree.Size() || l.pendingFile(name) {
			continue
		}
		f, err := l.dir.Edit(name)
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
		l.recovered(o)
	}
	return nil
}

// addListed adds a segment to the list, which is in order. A plain segment and
// its compressed form are both there if a crash came between the two; the plain
// one then goes.
func (l *Log) addListed(ctx context.Context, s segmentInfo) error {
	if n := len(l.segments); n > 0 && l.segments[n-1].name.FirstIndex == s.name.FirstIndex {
		plain := l.segments[n-1].name
		if plain.Compression != segment.None || s.name.Plain() != plain {
			return fmt.Errorf("%w: %s and %s start at the same leaf: one of them does not belong here", ErrDamaged, plain, s.name)
		}
		if err := sameContent(ctx, l.dir, plain.String(), s.name.String(), s.name.Compression); err != nil {
			return fmt.Errorf("%w: %w: one of them has been changed", ErrDamaged, err)
		}
		// The writer may have been killed before the new name was durable.
		err := l.dir.Sync()
		if err == nil {
			err = l.dir.Remove(plain.String())
		}
		if err != nil {
			return fmt.Errorf("finish the compression of %s: %w", plain, err)
		}
		l.segments = l.segments[:n-1]
	}
	l.segments = append(l.segments, s)
	return nil
}

// removeTemporary removes what was being written when the writer ended.
func (l *Log) removeTemporary(names []string) error {
	for _, name := range names {
		base := strings.TrimSuffix(name, segment.TempSuffix)
		if _, err := segment.ParseName(base); err != nil && base != segment.CheckpointName && !segment.IsTornName(base) {
			continue // not ours
		}
		if err := l.dir.Remove(name); err != nil {
			return fmt.Errorf("remove the unfinished file: %w", err)
		}
	}
	return nil
}

// loadNewest reads the newest segment, or, if a crash interrupted its very
// first commit, the one before. It then returns the name of the torn one, or nil.
func (l *Log) loadNewest(ctx context.Context) (torn *segment.Name, err error) {
	for len(l.segments) > 0 {
		n := len(l.segments) - 1
		newest := l.segments[n]
		s, err := l.scanFile(ctx, newest.name)
		if err != nil {
			return nil, err
		}
		if s.size > 0 {
			return torn, l.resume(newest, s)
		}
		// No checkpoint fits. Its first commit was never acknowledged, but
		// only the newest segment can be in that state.
		if torn != nil || newest.name.Compression != segment.None {
			return nil, fmt.Errorf("%s: %w: no checkpoint in it fits", newest.name, ErrDamaged)
		}
		torn = &newest.name
		l.segments = l.segments[:n]
	}
	return torn, nil
}

// scanFile reads a segment from the disk. What an earlier writer could not sync may
// still be in the cache, looking as good as the rest: a later sync would not write
// it, so it must not be built upon.
func (l *Log) scanFile(ctx context.Context, name segment.Name) (scanned, error) {
	if name.Compression == segment.None {
		f, err := l.dir.Edit(name.String())
		if err != nil {
			return scanned{}, fmt.Errorf("check %s: %w", name, err)
		}
		f.Forget()
		if err := f.Close(); err != nil {
			return scanned{}, fmt.Errorf("check %s: %w", name, err)
		}
	}
	r, err := segment.Open(l.dir, name.String(), -1)
	if err != nil {
		return scanned{}, err
	}
	defer r.Close()
	s, err := scan(ctx, r, l.opts.Origin, l.keys.candidates(), !l.opts.Sync)
	if err != nil {
		return scanned{}, fmt.Errorf("check %s: %w", name, err)
	}
	if h := s.header; s.size > 0 && h.FirstIndex != name.FirstIndex {
		return s, fmt.Errorf("%s: %w: its header says that it starts at leaf %d", name, ErrDamaged, h.FirstIndex)
	}
	return s, nil
}

// resume continues the log behind the last checkpoint of a segment.
func (l *Log) resume(info segmentInfo, s scanned) error {
	l.tree, l.mark, l.note = s.tree, s.mark, s.note
	l.header, l.id, l.commits, l.lastTime = s.header, s.header.Log, s.commit.Number, s.commit.Time
	l.atStart, l.clock.until, l.pruned = s.atStart, s.held, s.pruned
	if err := l.keys.canFollow(l.header.Keys); err != nil {
		return fmt.Errorf("continue segment %s: %w", info.name, err)
	}
	if info.name.Compression != segment.None {
		if s.end != s.size {
			return fmt.Errorf("%s: %w: bytes follow its last checkpoint", info.name, ErrDamaged)
		}
		l.sealed = "sealed"
		l.keys.adoptKey(s.key)
		return nil
	}
	f, err := l.dir.Edit(info.name.String())
	if err != nil {
		return fmt.Errorf("continue segment %s: %w", info.name, err)
	}
	// A writer that was killed may have left in the cache what is as good as the
	// rest but not durable, the file's name included: nothing must be built upon it
	// before it is, and above all no key be destroyed that an older one is signed with.
	err = durable.Sync(l.dir, f)
	if err != nil {
		return errors.Join(fmt.Errorf("continue segment %s: %w", info.name, err), f.Close())
	}
	l.keys.adoptKey(s.key)
	l.segments[len(l.segments)-1].bytes = 0 // see activeSegment
	l.active = &activeSegment{name: info.name, file: f, size: s.size, events: s.events, times: s.times, opened: l.opts.Now()}
	l.torn = s.end > s.size
	return nil
}

// setAsideTail moves the bytes behind the active segment's last checkpoint into
// a file of their own. It can be interrupted anywhere and done again: the
// file's name says what it holds.
func (l *Log) setAsideTail() error {
	a := l.active
	if !l.torn {
		return nil
	}
	info, err := a.file.Stat()
	if err != nil {
		return fmt.Errorf("look at the torn tail of %s: %w", a.name, err)
	}
	// An earlier try may have cut it off, and failed only to make that durable.
	if size := info.Size() - a.size; size > 0 {
		o, err := l.keep(a.file, a.size, size)
		if err != nil {
			return err
		}
		o.Segment = a.name.String()
		l.recovered(o)
	}
	if err := a.file.Truncate(a.size); err != nil {
		return fmt.Errorf("cut off the torn tail of %s: %w", a.name, err)
	}
	if err := a.file.Sync(); err != nil {
		return fmt.Errorf("cut off the torn tail of %s: %w", a.name, err)
	}
	l.torn = false
	return nil
}

// setAsideSegment renames a segment whose first commit was torn.
func (l *Log) setAsideSegment(name segment.Name) error {
	f, err := l.dir.Edit(name.String())
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
	if err := durable.Rename(l.dir, name.String(), o.File); err != nil {
		return fmt.Errorf("set aside the torn segment: %w", err)
	}
	o.Segment = name.String()
	l.recovered(o)
	return nil
}

// recovered has the next commit say what has been set aside, once for each file.
func (l *Log) recovered(o logevent.Event) {
	if l.pendingFile(o.File) {
		return
	}
	l.pending = append(l.pending, o)
	l.opts.Logger.Warn("What followed the last checkpoint of the audit log was never acknowledged and has been set aside",
		zap.String("segment", o.Segment), zap.String("kept_in", o.File), zap.Uint64("bytes", o.Size), zap.String("sha256", o.SHA256))
}

// pendingFile reports whether the next commit names a file that was set aside.
func (l *Log) pendingFile(name string) bool {
	return slices.ContainsFunc(l.pending, func(o logevent.Event) bool { return o.File == name })
}

// describe hashes bytes that are set aside, and names the file for them.
func describe(r io.ReaderAt, at, size int64, index uint64) (logevent.Event, error) {
	h := sha256.New()
	if n, err := io.Copy(h, io.NewSectionReader(r, at, size)); err != nil || n != size {
		return logevent.Event{}, errors.Join(err, fmt.Errorf("read %d of %d bytes", n, size))
	}
	sum := [32]byte(h.Sum(nil))
	return logevent.Event{
		Action: logevent.Recovered,
		Reason: "torn_tail",
		File:   segment.TornName(index, sum),
		SHA256: hex.EncodeToString(sum[:]),
		Size:   uint64(size),
	}, nil
}

// keep copies bytes into a torn file, durable when it returns.
func (l *Log) keep(r io.ReaderAt, at, size int64) (logevent.Event, error) {
	o, err := describe(r, at, size, l.tree.Size())
	if err == nil {
		err = durable.Replace(l.dir, o.File, durable.Private, durable.Copy(io.NewSectionReader(r, at, size)))
	}
	if err != nil {
		return logevent.Event{}, fmt.Errorf("set aside a torn tail: %w", err)
	}
	return o, nil
}

// checkKept compares the log with the checkpoint file.
func (l *Log) checkKept() error {
	note, err := logdir.Checkpoint(l.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil && !logdir.Malformed(err) {
		return fmt.Errorf("read the checkpoint file: %w", err)
	}
	var kept signing.Checkpoint
	if err == nil {
		kept, _, err = signing.OpenCheckpoint(note, l.opts.Origin, l.keys.publicKeys())
	}
	if err != nil {
		// It is a convenience copy, written anew before long, and no crash can
		// be told from meddling here.
		l.opts.Logger.Warn("The audit log's checkpoint file cannot be used and will be written anew", zap.Error(err))
		return nil
	}
	switch {
	case kept.Size < l.tree.Size() || kept.Size == l.tree.Size() && kept.Root == l.tree.Root():
		l.filed = note
		return nil
	case kept.Size == l.tree.Size():
		return fmt.Errorf("%w: its checkpoint file has the same size but another root hash: the directory holds parts of two logs", ErrDamaged)
	case l.opts.Sync:
		return fmt.Errorf("%w: the file %s says %d leaves, the segments hold %d: restore the missing segments, or, once the loss is understood, move that file out of the directory", ErrRolledBack, segment.CheckpointName, kept.Size, l.tree.Size())
	}
	l.pending = append(l.pending, logevent.Event{Action: logevent.Damaged, Detail: fmt.Sprintf("the log ends at leaf %d, though a checkpoint over %d was signed: sync is off, and the rest never reached the disk", l.tree.Size(), kept.Size)})
	return nil
}

// newLogID chooses the id of a log, at random.
func newLogID() (id signing.LogID) {
	_, _ = rand.Read(id[:]) // never fails
	return id
}
