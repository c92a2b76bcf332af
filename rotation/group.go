// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"slices"

	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/logevent"
)

// call is one Append.
type call struct {
	stage.Call
	placement Placement
	err       error // what keeps this call out of the commit
}

// group is the calls that share a commit, or what the log is to say in one.
type group struct {
	calls []*call
	says  []logevent.Event // of the log's own: they count only if this commit does
	done  chan struct{}    // closed once err and the placements are set
	err   error
}

func (g *group) batches() (n int) {
	for _, c := range g.calls {
		n += len(c.Batches)
	}
	return n
}

func (g *group) bytes() (n int64) {
	for _, c := range g.calls {
		for _, b := range c.Batches {
			n += b.Totals().Bytes
		}
	}
	return n
}

// prunes reports whether the group has the log say what retention deletes.
func (g *group) prunes() bool {
	return slices.ContainsFunc(g.says, func(o logevent.Event) bool { return o.Action == logevent.Pruned })
}

// place says where the group's events stand in a log that ends there, from an index on.
func (g *group) place(end tip, index uint64) {
	for _, c := range g.calls {
		c.placement = Placement{FirstIndex: index, TreeSize: end.tree.Size()}
		if end.active != nil {
			c.placement.Segment = end.active.name.String()
		}
		index += uint64(c.Events())
	}
}

// rejectStaleKey takes those calls out of the group whose events are signed with another
// key than this.
func (g *group) rejectStaleKey(keyID string) {
	stale := func(b *stage.Batch) bool { return b.KeyID() != "" && b.KeyID() != keyID }
	g.calls = slices.DeleteFunc(g.calls, func(c *call) bool {
		if slices.ContainsFunc(c.Batches, stale) {
			c.err = ErrKeyChanged
		}
		return c.err != nil
	})
}

func (g *group) events() (n int) {
	for _, c := range g.calls {
		n += c.Events()
	}
	return n
}

// join adds a call to the group that waits for the commit under way to end. The
// first to join leads the group.
func (l *Log) join(c *call) (_ *group, leader bool, _ error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		l.opts.Observer.Refused(reasonClosed, len(c.Batches), c.Events())
		return nil, false, &Error{Reason: reasonClosed, Err: errClosed}
	}
	if l.next == nil {
		l.next = &group{done: make(chan struct{})}
		leader = true
	}
	l.next.calls = append(l.next.calls, c)
	return l.next, leader, nil
}

// lead commits the group as soon as the commit before it has ended. Until then
// others go on joining.
func (l *Log) lead(g *group) {
	l.writer.hold(func() {
		l.mu.Lock()
		l.next = nil
		l.mu.Unlock()
		g.err = l.writer.commit(g)
	})
	close(g.done)
}
