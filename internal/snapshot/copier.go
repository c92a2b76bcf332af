// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/logend"
	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/internal/segname"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// copier copies one log.
type copier struct {
	ctx  context.Context
	fsys fs.FS
	to   sink
	path string // of the log, in the source and in the copy
	r    *Result
	// taken are the segments that are in the copy, by their plain names; left those files
	// of which it has been said that they are not.
	taken, left map[string]bool
	// anchor is the index of the newest segment that counted when the copying began, or of the
	// last one that has been copied since: all from it on have to be there.
	anchor   uint64
	anchored bool
	// newest is the index of the last segment of the copy.
	newest uint64
}

// copy copies a log; must says that there has to be one.
func (c *copier) copy(must bool) error {
	groups, t, err := c.look(nil)
	if err != nil {
		return err
	}
	if must && len(groups) == 0 {
		return verify.ErrNoLog
	}
	info, err := fs.Stat(c.fsys, ".")
	if err != nil {
		return err
	}
	if err := c.to.directory(c.path, info); err != nil {
		return err
	}
	if t.At < len(groups) {
		// From the newest on, because retention deletes from the oldest on: once one is gone,
		// so are those before it.
		for _, g := range slices.Backward(groups[:t.At]) {
			if _, err := c.segment(g); err != nil {
				return err
			}
		}
		c.anchored, c.anchor = true, groups[t.At].index()
	}
	if err := c.rest(); err != nil {
		return err
	}
	return c.beside()
}

// look lists the segments and finds where the log ends.
func (c *copier) look(f *filed) (groups []forms, e logend.End, _ error) {
	err := logfile.Retry(c.ctx, func() error {
		l, err := segment.List(c.fsys)
		if err != nil {
			return err
		}
		groups = group(l.Segments)
		e, err = c.endOf(groups, f)
		return err
	})
	return groups, e, err
}

// forms are the files of one segment: the plain one, compressed ones, or both while it is
// being compressed.
type forms []segment.File

func (g forms) plain() string { return segname.Plain(g[0].Parsed).String() }

func (g forms) index() uint64 { return g[0].Parsed.FirstIndex }

func group(files []segment.File) (groups []forms) {
	for _, f := range files {
		if n := len(groups); n > 0 && segname.Plain(groups[n-1][0].Parsed) == segname.Plain(f.Parsed) {
			groups[n-1] = append(groups[n-1], f)
		} else {
			groups = append(groups, forms{f})
		}
	}
	return groups
}

const (
	// settling is how long the newest commit is waited for, until it is known to be on
	// stable storage: a writer says so within about a second.
	settling     = 3 * time.Second
	settlingStep = 100 * time.Millisecond
	// maxLooks bounds how often a segment that was being copied may vanish.
	maxLooks = 20
)

// rest copies what the writer has written since, and ends the copy.
func (c *copier) rest() error {
	var target uint64 // what was there when the sealed segments had been copied
	deadline := time.Now().Add(settling)
	for look := 1; look <= maxLooks; {
		// The file is never ahead of the segments that are listed after it was read.
		filed, err := c.filed()
		if err != nil {
			return err
		}
		groups, t, err := c.look(filed)
		if err != nil {
			return err
		}
		if target == 0 {
			target = max(t.Last.Size, 1)
		}
		if len(groups) > 0 && !settled(t, target) {
			if time.Now().Before(deadline) {
				if err := c.pause(); err != nil {
					return err
				}
				continue
			}
			// No writer has said so: there is none, or it waits for witnesses.
			t = c.makeDurable(groups, t)
		}
		if c.anchored && (len(groups) == 0 || groups[0].index() > c.anchor) {
			return ErrOutrun // there may have been others, which are gone, too
		}
		done, err := c.end(groups, t)
		if err != nil {
			return err
		}
		if done {
			return c.checkpoint(filed)
		}
		look++
	}
	return ErrOutrun
}

// end copies what is not in the copy yet; false if a segment has vanished meanwhile.
func (c *copier) end(groups []forms, t logend.End) (done bool, _ error) {
	for _, g := range groups[:t.At] {
		if gone, err := c.segment(g); gone || err != nil {
			return false, err
		}
		c.anchored, c.anchor = true, max(c.anchor, g.index())
	}
	if t.At == len(groups) {
		return true, nil
	}
	gone, err := c.tail(groups[t.At], t)
	return !gone, err
}

func (c *copier) pause() error {
	timer := time.NewTimer(settlingStep)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}

// segment copies a sealed segment, unless that has been done. It is gone if no form of it is
// left.
func (c *copier) segment(g forms) (gone bool, _ error) {
	if c.taken[g.plain()] {
		return false, nil
	}
	names := make([]string, len(g))
	for i, f := range g {
		names[i] = f.Name
	}
	// One that has been compressed since it was listed has another name, which was there
	// before the first one went.
	for _, suffix := range []compression.Method{compression.None, compression.Zstd, compression.Gzip} {
		if name := g.plain() + suffix.Suffix(); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for i, name := range names {
		if i >= len(g) && c.taken[g.plain()] {
			break
		}
		switch err := c.file(name, -1, true); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return false, err
		default:
			c.took(g)
		}
	}
	return !c.taken[g.plain()], nil
}

func (c *copier) took(g forms) {
	c.taken[g.plain()] = true
	c.newest = max(c.newest, g.index())
}

// tail copies the last segment, as far as it counts.
func (c *copier) tail(g forms, t logend.End) (gone bool, _ error) {
	if t.Whole {
		return c.segment(g)
	}
	if c.taken[g.plain()] {
		return false, nil
	}
	err := c.file(g.plain(), t.Durable.End, false)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil // sealed and compressed
	}
	if err == nil {
		c.took(g)
	}
	return false, err
}

// file copies a file, or its first bytes. What cannot be read is left out, and said. The
// error wraps [fs.ErrNotExist] if the file is not there.
func (c *copier) file(name string, size int64, sealed bool) error {
	f, info, err := c.open(name)
	if f == nil {
		return err
	}
	defer f.Close()
	at := path.Join(c.path, name)
	if sealed {
		linked, err := c.to.linked(at, info)
		if err != nil {
			return err
		}
		if linked {
			c.r.Linked++
			c.r.Files++
			return nil
		}
	}
	if size < 0 {
		size = info.Size()
	}
	err = c.to.file(c.ctx, at, info, f, size)
	var about sourceError
	if errors.As(err, &about) {
		c.leave(name, about)
		err = nil
	}
	if err == nil {
		c.r.Files++
		c.r.Bytes += size
	}
	return err
}

// open opens a regular file. Without an error and a file, it was left out.
func (c *copier) open(name string) (fs.File, fs.FileInfo, error) {
	f, err := rootfs.OpenRegular(c.fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	var info fs.FileInfo
	if err == nil {
		if info, err = f.Stat(); err != nil {
			f.Close()
		}
	}
	if err != nil {
		c.leave(name, err)
		return nil, nil, nil
	}
	return f, info, nil
}

func (c *copier) leave(name string, why error) {
	if !c.left[name] {
		c.left[name] = true
		c.r.leave(path.Join(c.path, name), why)
	}
}

// filed is what the file checkpoint held.
type filed struct {
	note []byte
	info fs.FileInfo
}

// filed reads the file checkpoint; nil if there is none to be copied.
func (c *copier) filed() (*filed, error) {
	note, err := logfile.Checkpoint(c.fsys)
	var info fs.FileInfo
	if err == nil {
		info, err = fs.Lstat(c.fsys, sidefile.CheckpointName)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		c.leave(sidefile.CheckpointName, err)
		return nil, nil
	}
	return &filed{note, info}, nil // if it is no checkpoint, the copy is no better than the log
}

func (c *copier) checkpoint(is *filed) error {
	if is == nil {
		return nil
	}
	c.r.Files++
	c.r.Bytes += int64(len(is.note))
	return c.to.file(c.ctx, path.Join(c.path, sidefile.CheckpointName), is.info, bytes.NewReader(is.note), int64(len(is.note)))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// beside copies what stands next to the segments. The files that tell of deleted ones are
// written before these are deleted, so they are read after all others.
func (c *copier) beside() error {
	l, err := segment.List(c.fsys)
	if err != nil {
		return err
	}
	var names []string
	for plain := range c.taken {
		if parsed, err := segment.ParseName(plain); err == nil && slices.Contains(l.Values, segname.Values(parsed)) {
			names = append(names, segname.Values(parsed))
		}
	}
	slices.Sort(names)
	for _, name := range append(names, l.Torn...) {
		if err := ignoreMissing(c.file(name, -1, false)); err != nil {
			return err
		}
	}
	size, err := c.keyChanges()
	if err != nil {
		return err
	}
	if err := ignoreMissing(c.file(sidefile.KeyChangesName, size, false)); err != nil {
		return err
	}
	return ignoreMissing(c.file(sidefile.PrunedRangesName, -1, false))
}

// keyChanges returns how much of the file of key changes belongs to the copy: those that
// introduce no segment after the last one.
func (c *copier) keyChanges() (int64, error) {
	f, info, err := c.open(sidefile.KeyChangesName)
	if f == nil {
		return 0, ignoreMissing(err)
	}
	defer f.Close()
	var end int64
	for one, err := range logfile.KeyChangesIn(c.ctx, f) {
		if c.ctx.Err() != nil {
			return 0, c.ctx.Err()
		}
		if err != nil {
			return info.Size(), nil // what is wrong with the log is wrong with its copy
		}
		if change, err := signing.OpenKeyChange(one.Note); err == nil && change.Index > c.newest {
			break
		}
		end = one.End
	}
	return end, nil
}
