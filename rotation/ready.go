// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
)

// clear removes a new segment that could not be finished, durably: after a power cut
// it would otherwise be back, beside what was written in its place.
func (w *writer) clear() error {
	if w.debris == "" {
		return nil
	}
	if err := durable.Remove(w.dir, w.debris); err != nil {
		return fmt.Errorf("remove the unfinished segment %s: %w", w.debris, err)
	}
	w.debris = ""
	return nil
}

// errInterfered: somebody else has changed the active segment.
var errInterfered = errors.New("it was changed from outside")

// inspect compares the active segment's file with what the log has written.
func (w *writer) inspect() error {
	a := w.active
	name := a.name.String()
	at, err := w.dir.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the active segment %s is gone: %w", name, errInterfered)
	}
	if err != nil {
		return fmt.Errorf("look at the active segment: %w", err)
	}
	open, err := a.file.Stat()
	if err != nil {
		return fmt.Errorf("look at the active segment: %w", err)
	}
	switch {
	case !w.dir.Same(at, open):
		return fmt.Errorf("the active segment %s has been replaced: %w", name, errInterfered)
	case at.Size() < a.size:
		return fmt.Errorf("the active segment %s has %d bytes, but %d were written: %w", name, at.Size(), a.size, errInterfered)
	case at.Size() > a.size:
		return fmt.Errorf("the active segment %s has %d bytes, but only %d were written: %w", name, at.Size(), a.size, errInterfered)
	}
	return nil
}

// room refuses a commit that would leave less free space than it should.
func (w *writer) room(g *group) error {
	free, err := w.dir.Free()
	if err != nil {
		return fail(reasonIO, err)
	}
	w.opts.Observer.FreeSpace(free)
	if g.prunes() {
		// What is about to make room may use what is kept in reserve.
		return nil
	}
	if err := w.promised(g.bytes()); err != nil {
		return err
	}
	need := uint64(w.opts.MinFreeBytes)
	for _, c := range g.calls {
		for _, b := range c.Batches {
			need += uint64(b.Bytes())
		}
	}
	if free < need {
		return &Error{Reason: reasonDiskFull, Err: fmt.Errorf("the file system of the audit log has %d bytes left, and %d are needed with the configured reserve: make room, or lower min_free_space_mib", free, need)}
	}
	return nil
}
