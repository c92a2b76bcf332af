// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.uber.org/zap"
)

// status is the exporter's status: well if the logs can be written, events can be signed,
// receipts, where there are some, can be written, the state can be kept and, where there are
// witnesses, a quorum of them keeps up. The host is told when that changes, and only then.
type status struct {
	host   component.Host
	logger *zap.Logger // a line a minute

	failing atomic.Bool // whether events cannot be signed, to be read for every call

	mu sync.Mutex
	// Why logs cannot be written, events signed, and receipts written; why witnesses do not
	// vouch for the log, and why the logs' state cannot be kept.
	unwritten, unsigned, unwitnessed, unreceipted, unremembered problem
}

// problem is why something cannot be done, by partition. Without partitions, their name is
// empty.
type problem struct {
	in  map[string]error
	all error // what the status says of them; nil if there are none
}

// signed tells whether events can be signed.
func (s *status) signed(err error) {
	if err == nil && !s.failing.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing.Store(err != nil)
	if err == nil {
		s.logger.Info("Events are signed again")
	} else {
		s.logger.Warn("Events cannot be signed", zap.Error(err))
	}
	s.change(&s.unsigned, "", err)
}

// set tells of a problem in a partition, or, with a nil error, of its end.
func (s *status) set(what *problem, partition string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.change(what, partition, err)
}

// change is set; the caller holds mu.
func (s *status) change(what *problem, partition string, err error) {
	before := s.gravest()
	if !what.set(partition, err) {
		return
	}
	switch after := s.gravest(); {
	case after == nil:
		componentstatus.ReportStatus(s.host, componentstatus.NewEvent(componentstatus.StatusOK))
	case after == before && after == &s.unsigned:
		// What is wrong with signing may be worded differently with each event.
	case after != before || after == what:
		componentstatus.ReportStatus(s.host, componentstatus.NewRecoverableErrorEvent(after.all))
	}
}

// gravest returns the gravest problem there is, or nil.
func (s *status) gravest() *problem {
	for _, what := range []*problem{&s.unwritten, &s.unsigned, &s.unwitnessed, &s.unreceipted, &s.unremembered} {
		if what.all != nil {
			return what
		}
	}
	return nil
}

// set reports whether there is or was such a problem in the partition.
func (p *problem) set(partition string, err error) bool {
	if err == nil && p.in[partition] == nil {
		return false
	}
	if err == nil {
		delete(p.in, partition)
	} else {
		if p.in == nil {
			p.in = map[string]error{}
		}
		p.in[partition] = err
	}
	p.all = p.sum()
	return true
}

// sum tells of the first partition by name, and how many more there are.
func (p *problem) sum() error {
	names := slices.Sorted(maps.Keys(p.in))
	switch {
	case len(names) == 0:
		return nil
	case names[0] == "":
		return p.in[""]
	case len(names) == 1:
		return fmt.Errorf("partition %s: %w", names[0], p.in[names[0]])
	default:
		return fmt.Errorf("partition %s and %d more: %w", names[0], len(names)-1, p.in[names[0]])
	}
}
