// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package keyhistory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/otel-auditlog/auditlogexporter/internal/foreign"
	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/ownevent"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// maxUnfit bounds the malformed lines of the file that are reported.
const maxUnfit = 100

// History is what the file of key changes holds.
type History struct {
	// Changes are the regular lines, whose indices rise from one to the next.
	Changes []signing.KeyChange
	// Unfit says what is wrong with others.
	Unfit []string
}

// Read reads the file of key changes, if there is one.
func Read(ctx context.Context, fsys fs.FS) (*History, error) {
	h := &History{}
	for line, err := range logfile.KeyChanges(ctx, fsys) {
		if len(h.Unfit) == maxUnfit {
			h.Unfit = append(h.Unfit, "what follows was not looked at")
			break
		}
		var wrong *logfile.LineError
		switch {
		case errors.As(err, &wrong):
			err = wrong.Err
		case logfile.Malformed(err):
			h.Unfit = append(h.Unfit, err.Error())
			continue
		case err != nil:
			return nil, err
		default:
			err = h.add(line.Note)
		}
		if err != nil {
			h.Unfit = append(h.Unfit, fmt.Sprintf("line %d: %v", line.Line, err))
		}
	}
	return h, nil
}

// add adds what a line of the file holds. The indices rise from line to line; that is checked
// first, since checking signatures takes long.
func (h *History) add(note []byte) error {
	last := h.Last()
	if last != nil {
		if index, ok := indexOf(note); ok && index <= last.Index {
			return fmt.Errorf("a key change at leaf %d after one at leaf %d: they are not in their order, or one is there twice", index, last.Index)
		}
	}
	n, err := signing.OpenKeyChange(note)
	if err != nil {
		return err
	}
	// Nothing that is the same in each is kept for each.
	n.Origin = strings.Clone(n.Origin)
	if last != nil && last.Origin == n.Origin {
		n.Origin = last.Origin
	}
	if last != nil && last.To.Equal(n.From) {
		n.From = last.To
	}
	h.Changes = append(h.Changes, n)
	return nil
}

// Last returns the last change, or nil if there is none.
func (h *History) Last() *signing.KeyChange {
	if n := len(h.Changes); n > 0 {
		return &h.Changes[n-1]
	}
	return nil
}

// indexOf returns what stands where a key change has its index.
func indexOf(note []byte) (index uint64, ok bool) {
	for range 3 {
		_, note, _ = bytes.Cut(note, []byte("\n"))
	}
	line, _, _ := bytes.Cut(note, []byte("\n"))
	index, err := strconv.ParseUint(string(line), 10, 64)
	return index, err == nil
}

// AfterHeader returns the key change that the line after a segment's header tells of, the next
// one that r reads: that is where readers look for it (docs/format.md, section 6.4). It is nil
// if that line is none, or cannot be read.
func AfterHeader(r *foreign.Reader) *signing.KeyChange {
	line, err := r.Next()
	if err != nil || segment.KindOf(line) != segline.KindEvent {
		return nil
	}
	parsed, err := segment.ParseEvent(nil, line)
	if err != nil {
		return nil
	}
	e, ok := ownevent.In(parsed.Canonical)
	if !ok || e.Action != logevent.KeyChanged {
		return nil
	}
	n, err := signing.OpenKeyChange([]byte(e.KeyChange))
	if err != nil {
		return nil
	}
	return &n
}

// Introducing returns the key change that introduces a segment, or nil if there is none.
func Introducing(ctx context.Context, fsys fs.FS, file segment.File) (*signing.KeyChange, error) {
	head, err := logdir.ReadHead(ctx, fsys, logdir.Segment{File: file})
	if err != nil && !errors.Is(err, segment.ErrNewer) {
		return nil, fmt.Errorf("look for a key change: %w", err)
	}
	if head.KeyChanged == nil {
		return nil, nil
	}
	c, err := signing.OpenKeyChange([]byte(head.KeyChanged.KeyChange))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file.Name, err)
	}
	return &c, nil
}
