// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/logevent"
)

// setAsideTail moves the bytes behind the active segment's last checkpoint into
// a file of their own. It can be interrupted anywhere and done again: the
// file's name says what it holds.
func (w *writer) setAsideTail() error {
	a := w.active
	if !w.torn {
		return nil
	}
	info, err := a.file.Stat()
	if err != nil {
		return fmt.Errorf("look at the torn tail of %s: %w", a.name, err)
	}
	// An earlier try may have cut it off, and failed only to make that durable.
	if size := info.Size() - a.size; size > 0 {
		o, err := w.keep(a.file, a.size, size)
		if err != nil {
			return err
		}
		o.Segment = a.name.String()
		w.recovered(o)
	}
	if err := a.file.Truncate(a.size); err != nil {
		return fmt.Errorf("cut off the torn tail of %s: %w", a.name, err)
	}
	if err := a.file.Sync(); err != nil {
		return fmt.Errorf("cut off the torn tail of %s: %w", a.name, err)
	}
	w.torn = false
	return nil
}

// recovered has the next commit say what has been set aside, once for each file.
func (w *writer) recovered(o logevent.Event) {
	if w.pendingFile(o.File) {
		return
	}
	w.pending = append(w.pending, o)
	w.opts.Logger.Warn("What followed the last checkpoint of the audit log was never acknowledged and has been set aside",
		zap.String("segment", o.Segment), zap.String("kept_in", o.File), zap.Uint64("bytes", o.Size), zap.String("sha256", o.SHA256))
}

// pendingFile reports whether the next commit names a file that was set aside.
func (w *writer) pendingFile(name string) bool {
	return slices.ContainsFunc(w.pending, func(o logevent.Event) bool { return o.File == name })
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
		File:   sidefile.TornName(index, sum),
		SHA256: hex.EncodeToString(sum[:]),
		Size:   uint64(size),
	}, nil
}

// keep copies bytes into a torn file, durable when it returns.
func (w *writer) keep(r io.ReaderAt, at, size int64) (logevent.Event, error) {
	o, err := describe(r, at, size, w.tree.Size())
	if err == nil {
		err = durable.Replace(w.dir, o.File, durable.Private, durable.Copy(io.NewSectionReader(r, at, size)))
	}
	if err != nil {
		return logevent.Event{}, fmt.Errorf("set aside a torn tail: %w", err)
	}
	return o, nil
}

// setAside renames a file that is not the log's own work, or not any longer, so that it
// stays as evidence, and returns its new name.
func setAside(dir durable.FS, name string) (kept string, err error) {
	kept = "foreign-" + name
	// What was set aside before is evidence, too.
	for n := 2; ; n++ {
		if _, err := dir.Lstat(kept); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return "", fmt.Errorf("set %s aside: %w", name, err)
		}
		kept = fmt.Sprintf("foreign-%d-%s", n, name)
	}
	if err := durable.Rename(dir, name, kept); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("set %s aside: %w", name, err)
	}
	return kept, nil
}

// keptAs says of a file that was set aside why, and where it is.
func keptAs(kept, why string) string {
	return why + "; it is kept as " + kept + ", and written anew"
}

// setAside sets a file aside, and has the log say so.
func (r *recovery) setAside(name, why string) (kept string, err error) {
	if kept, err = setAside(r.dir, name); err == nil {
		r.sayDamaged(name, keptAs(kept, why))
	}
	return kept, err
}
