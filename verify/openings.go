// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"errors"
	"io"
	"io/fs"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/opening"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/segname"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// An event may hold a commitment instead of a value. What opens it is in a file next to the
// segment, which is no part of the tree and may be deleted, whole or in part: what is missing
// is withheld, and what is there must fit.

// openOpenings opens the file of openings of a segment, if the directory has it.
func (f *follower) openOpenings() error {
	name := segname.Values(f.file.Parsed)
	if _, ok := slices.BinarySearch(f.c.values, name); !ok {
		return nil
	}
	file, err := rootfs.OpenRegular(f.c.fsys, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case logfile.Malformed(err):
		f.badOpening(name, 0, "%v", err)
		return nil
	case err != nil:
		return err
	}
	f.openings = &openings{name: name, file: file, r: segment.NewReader(file, name)}
	return f.nextOpening()
}

func (f *follower) closeOpenings() {
	if f.openings != nil {
		f.openings.file.Close()
	}
}

// badOpening says what is wrong with the file of openings.
func (f *follower) badOpening(name string, line int, format string, args ...any) {
	f.findings.add(f.c.perSegment, valueInvalid(name, line, format, args...))
}

func valueInvalid(name string, line int, format string, args ...any) Finding {
	return newFinding(ValueInvalid, Tampering, place{segment: name, line: line}, format, args...)
}

// addOfOpening says what is wrong with an opening. It may be of an event that no checkpoint that
// has been read covers, and then it counts when one does.
func (f *follower) addOfOpening(leaf uint64, format string, args ...any) {
	if f.end != nil && leaf < f.end.size {
		f.badOpening(f.openings.name, f.openings.r.Line(), format, args...)
		return
	}
	if g := &f.group; len(g.ofOpenings) < f.c.perSegment {
		g.ofOpenings = append(g.ofOpenings, valueInvalid(f.openings.name, f.openings.r.Line(), format, args...))
	}
}

// nextOpening reads the next one. What is malformed ends the reading.
func (f *follower) nextOpening() error {
	o := f.openings
	o.next = nil
	line, err := o.r.Next()
	switch {
	case err == io.EOF, errors.Is(err, segline.ErrPartial) && f.active():
		return nil // a line may be being written
	case logfile.Malformed(err):
		f.badOpening(o.name, o.r.Line(), "%v", err)
		return nil
	case err != nil:
		return err
	}
	next, err := opening.Parse(line)
	switch {
	case err != nil:
		f.badOpening(o.name, o.r.Line(), "%v", err)
	case o.any && next.Leaf < o.last:
		f.badOpening(o.name, o.r.Line(), "an opening for leaf %d after one for leaf %d", next.Leaf, o.last)
	default:
		o.next, o.last, o.any = next, next.Leaf, true
	}
	return nil
}

// open compares the openings of a leaf with what it withholds, and counts what is not
// opened. It returns how many are and are not.
func (f *follower) open(index uint64, withheld []opening.Commitment) (opened, closed uint64, err error) {
	o := f.openings
	closed = uint64(len(withheld))
	if o == nil {
		return 0, closed, nil
	}
	var commitments map[opening.Place]event.Withheld
	for o.next != nil && o.next.Leaf <= index {
		n := o.next
		if commitments == nil && n.Leaf == index {
			commitments = make(map[opening.Place]event.Withheld, len(withheld))
			for _, c := range withheld {
				commitments[c.Place] = c.Value
			}
		}
		place := n.Place()
		value, ok := commitments[place]
		switch {
		case n.Leaf < index || !ok:
			f.addOfOpening(n.Leaf, "an opening for a place of leaf %d, %.200q, where no value is withheld, or is opened already", n.Leaf, n.Pointer)
		case value != n.Commitment():
			f.addOfOpening(n.Leaf, "the opening for %.200q of leaf %d is not of the value that was withheld there", n.Pointer, n.Leaf)
		default:
			opened++
			closed--
		}
		if ok {
			delete(commitments, place)
		}
		if err := f.nextOpening(); err != nil {
			return opened, closed, err
		}
	}
	return opened, closed, nil
}

// endOpenings says so if there are openings of other leaves than those of the segment's
// events. Those of events that no checkpoint covers yet may be there before them: only their
// form counts.
func (f *follower) endOpenings() error {
	o := f.openings
	if o == nil {
		return nil
	}
	if o.next != nil && f.authority.newer == nil && (!f.active() && !f.unread || f.end != nil && o.next.Leaf < f.end.size) {
		f.badOpening(o.name, o.r.Line(), "an opening for leaf %d, which is not in the segment, or holds no event", o.next.Leaf)
	}
	for o.next != nil {
		if err := f.nextOpening(); err != nil {
			return err
		}
	}
	return nil
}
