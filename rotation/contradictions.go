// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/logevent"
)

const (
	// maxContradictions is how many contradictions of one witness the log tells of in a
	// contradictionPeriod. The others are counted.
	maxContradictions   = 8
	contradictionPeriod = 24 * time.Hour
)

// contradictions is what the log has told of a witness that contradicts it. A witness may
// go on with that for ever, with something else each time, and agree in between: what it
// makes the log write must be bounded.
type contradictions struct {
	since time.Time // when the first of these was told
	told  []contradicted
	// untold counts those that were not, since then; last is the last of them.
	untold int
	last   *contradiction
}

// contradicted is what tells one contradiction of a witness from another.
type contradicted struct {
	reason string
	size   uint64
}

// take reports whether the log is to tell of a contradiction.
func (s *contradictions) take(c *contradiction, now time.Time) bool {
	key := contradicted{c.reason, c.size}
	if slices.Contains(s.told, key) || len(s.told) == maxContradictions {
		s.untold, s.last = s.untold+1, c
		return false
	}
	if len(s.told) == 0 {
		s.since = now
	}
	s.told = append(s.told, key)
	return true
}

// contradict has the log tell of a contradiction, unless it has told enough of them.
func (l *Log) contradict(c *cosigner, other *contradiction) {
	if !c.contradictions.take(other, l.opts.Now()) {
		return
	}
	l.opts.Logger.Error("A witness contradicts the audit log", zap.String("witness", c.Name()), zap.String("reason", other.reason), zap.Uint64("witnessed_size", other.size), zap.Error(other))
	l.pending = append(l.pending, logevent.Event{
		Action: logevent.Contradicted, Detail: other.Error(), Reason: other.reason, Size: other.size, Witness: c.Name(),
	})
	_ = l.commit(nil) // if it fails, with the next one
}

// countContradictions has the log tell how many contradictions it has not told of, once
// the period is over, or for good.
func (l *Log) countContradictions(forGood bool) {
	for _, c := range l.witnessing.all {
		s := &c.contradictions
		if len(s.told) == 0 || !forGood && l.opts.Now().Sub(s.since) < contradictionPeriod {
			continue
		}
		if s.untold > 0 {
			l.pending = append(l.pending, logevent.Event{
				Action: logevent.Contradicted, Reason: s.last.reason, Size: s.last.size, Witness: c.Name(),
				Detail: fmt.Sprintf("since %s it has contradicted the log %d more times, the last time so: %s", s.since.UTC().Format(time.RFC3339), s.untold, s.last.Error()),
			})
			_ = l.commit(nil) // if it fails, with the next one
		}
		*s = contradictions{}
	}
}
