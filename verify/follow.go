// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
)

// follow takes the next line.
func (f *follower) follow(l *checked) {
	if f.authority.newer != nil {
		f.followNewer(l)
		return
	}
	if f.commit.line > 0 && l.kind != segline.KindCheckpoint {
		f.uncovered(l)
	}
	switch l.kind {
	case segline.KindCommit:
		f.commitLine(l)
	case segline.KindCheckpoint:
		f.checkpoint(l)
	case segline.KindEvent:
		f.event(l)
	default:
		// What is not known may have been an event, so it takes the place of one.
		f.mustRecheck(l, newFinding(EventMalformed, Tampering, place{line: f.line, index: f.nextIndex()}, "%v", l.bad))
		if l.kind == segline.KindUnknown {
			f.group.unknown++
		}
		f.addLeaf(l, false, false)
	}
}

// followNewer takes the next line of a segment that a newer version has written: of what
// is not a checkpoint, only that it has not been changed can be checked.
func (f *follower) followNewer(l *checked) {
	event := l.kind == segline.KindEvent
	switch {
	case l.kind == segline.KindCheckpoint:
		f.checkpoint(l)
		return
	case event:
		f.group.present.total++
		f.group.present.pending++
	}
	f.addLeaf(l, event, false)
}
