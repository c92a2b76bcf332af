// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package cosign

import (
	"slices"
	"sync"
	"time"

	"github.com/otel-auditlog/auditlogexporter/logevent"
)

// progress is how far the log has come, and its witnesses after it. It is what the log and
// the agent's goroutine share; nothing is called while its lock is held.
type progress struct {
	mu sync.Mutex
	// size is that of the tree, relevant what it was with the last leaf worth a witness's
	// while.
	size, relevant uint64
	// quorumSize and quorumNote are of the newest checkpoint that a quorum has cosigned
	// since the start. since is when there was the last progress, or when that was all
	// there was to cosign; late says that this is too long ago.
	quorumSize uint64
	quorumNote []byte
	since      time.Time
	late       bool
}

// worthCosigning reports whether a log's own events are worth a witness's while. Those about
// witnesses are not, or else an idle log would never come to rest; one of them may be what
// seals a segment.
func worthCosigning(own []logevent.Event) bool {
	return slices.ContainsFunc(own, func(e logevent.Event) bool {
		return e.Action != logevent.Witnessed && e.Action != logevent.Rotated
	})
}

func (p *progress) published(size uint64, relevant bool, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size = size
	if !relevant {
		return
	}
	if p.relevant <= p.quorumSize {
		p.since = now
	}
	p.relevant = size
}

// beyond reports whether the log holds something worth a witness's while after a tree.
func (p *progress) beyond(size uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.relevant > size
}

// quorum records that a quorum has cosigned a checkpoint. It reports whether the checkpoint
// is as new as any of which that was known, and whether it is newer.
func (p *progress) quorum(size uint64, note []byte, now time.Time) (newest, newer bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if size < p.quorumSize {
		return false, false
	}
	newer = size > p.quorumSize
	if newer {
		p.since = now
	}
	p.quorumSize, p.quorumNote = size, note
	return true, newer
}

// lag says how many leaves no quorum has cosigned, and since when. It is late if that is
// longer than may be.
func (p *progress) lag(now time.Time, limit time.Duration) (late bool, leaves uint64, since time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	since = now.Sub(p.since)
	p.late = p.relevant > p.quorumSize && since > limit
	return p.late, p.size - p.quorumSize, since
}

func (p *progress) checkpoint(newest []byte, closing bool) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.relevant > p.quorumSize && (p.late || closing) {
		return newest
	}
	return p.quorumNote
}
