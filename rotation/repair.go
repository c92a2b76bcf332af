// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// repair is called when a write or an fsync of the active segment failed, or
// when somebody else changed it. It finds out what the disk holds of what has
// been acknowledged, leaves the file ending in the last checkpoint, and has the
// next commit start a segment. While it fails, nothing is acknowledged.
func (w *writer) repair() error {
	a := w.active
	name := a.name.String()
	reason := "write_failed"
	switch {
	case errors.Is(w.doubt, errInterfered):
		reason = "interference"
	case reasonOf(w.doubt) == reasonSyncFailed:
		reason = "sync_failed"
	}
	a.file.Forget()
	intact, err := w.intact()
	if err != nil {
		return fail(reasonIO, fmt.Errorf("check %s after %q: %w", name, w.doubt, err))
	}
	o := logevent.Event{Action: logevent.Recovered, Reason: reason, Segment: name, Detail: w.doubt.Error()}
	switch named, err := w.stillNamed(name); {
	case err != nil:
		return fail(reasonIO, err)
	case !intact:
		// Neither cut nor written again: it is evidence.
		o.Action = logevent.Damaged
		w.forget() // what stages know may be among what is gone
	case named:
		err = w.cut(&o, reason)
		if err != nil {
			return fail(reasonSyncFailed, err)
		}
	default:
		if err := w.restore(name); err != nil {
			return fail(reasonIO, err)
		}
		o.Detail += "; its content has been written again from the open file"
	}
	w.opts.Logger.Error("The active segment of the audit log was in doubt; the log goes on in a new one",
		zap.String("segment", name), zap.Bool("acknowledged_events_intact", intact), zap.Error(w.doubt))
	w.pending = append(w.pending, o)
	w.segments = slices.Clone(w.segments)
	w.segments[len(w.segments)-1].bytes = a.size
	_ = a.file.Close() // what it could still fail to write has been checked
	w.active, w.sealed, w.doubt, w.cutOff = nil, "fault", nil, logevent.Event{}
	return nil
}

// forget has the stages forget what they know of the log.
func (w *writer) forget() {
	for _, s := range w.opts.Stages {
		s.Forget()
	}
}

// intact reports whether the open file still holds all that has been
// acknowledged. The error says that it cannot be read.
func (w *writer) intact() (bool, error) {
	a := w.active
	r := segment.NewReader(io.NewSectionReader(a.file, 0, a.size), a.name.String())
	s, err := scan(context.Background(), r, w.opts.Origin, []*signing.Signer{w.keys.current()}, true)
	if fromSystem(err) {
		return false, err
	}
	return err == nil && s.size == a.size && s.tree.Size() == w.tree.Size() && s.tree.Root() == w.tree.Root(), nil
}

// stillNamed reports whether the open file is the one with the segment's name.
func (w *writer) stillNamed(name string) (bool, error) {
	at, err := w.dir.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	open, err := w.active.file.Stat()
	if err != nil {
		return false, err
	}
	return w.dir.Same(at, open), nil
}

// cut cuts off what follows the last checkpoint. What others appended is kept;
// what a commit of ours failed to write is not, because its callers were told.
func (w *writer) cut(o *logevent.Event, reason string) error {
	a := w.active
	info, err := a.file.Stat()
	if err != nil {
		return fmt.Errorf("look at %s: %w", a.name, err)
	}
	if size := info.Size() - a.size; size > 0 {
		described, err := describe(a.file, a.size, size, w.tree.Size())
		described.File = ""
		if err == nil && reason == "interference" {
			described, err = w.keep(a.file, a.size, size)
		}
		if err != nil {
			return err
		}
		w.cutOff = described
	}
	if err := a.file.Truncate(a.size); err != nil {
		return fmt.Errorf("cut off what follows the last checkpoint: %w", err)
	}
	if err := a.file.Sync(); err != nil {
		return fmt.Errorf("cut off what follows the last checkpoint: %w", err)
	}
	o.File, o.SHA256, o.Size = w.cutOff.File, w.cutOff.SHA256, w.cutOff.Size
	return nil
}

// restore writes the open file's content again under its name, which somebody
// removed or gave to another file.
func (w *writer) restore(name string) error {
	if _, err := w.dir.Lstat(name); err == nil {
		// Whatever took the name is kept beside: rename does not follow links.
		if err := w.dir.Rename(name, "foreign-"+name); err != nil {
			return fmt.Errorf("restore %s: %w", name, err)
		}
	}
	return durable.Replace(w.dir, name, durable.Private, durable.Copy(io.NewSectionReader(w.active.file, 0, w.active.size)))
}
