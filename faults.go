// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// faults are why something cannot be done in partitions, put together to what the
// exporter's status says.
type faults struct {
	report func(error)
	mu     sync.Mutex
	of     map[string]error
}

// set tells whether a partition can be written.
func (f *faults) set(name string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil && f.of[name] == nil {
		return
	}
	if err == nil {
		delete(f.of, name)
	} else {
		f.of[name] = err
	}
	f.report(f.sum())
}

// sum tells of the first fault by name, and how many there are.
func (f *faults) sum() error {
	names := sortedKeys(f.of)
	switch len(names) {
	case 0:
		return nil
	case 1:
		if names[0] == "" { // there are no partitions
			return f.of[""]
		}
		return fmt.Errorf("partition %s: %w", names[0], f.of[names[0]])
	default:
		return fmt.Errorf("partition %s and %d more: %w", names[0], len(names)-1, f.of[names[0]])
	}
}

// partitionObserver is the observer of a partition's log.
type partitionObserver struct {
	observer
	faults, states *faults
	name           string
}

func (o partitionObserver) Fault(err error) { o.faults.set(o.name, err) }

func (o partitionObserver) Healthy() { o.faults.set(o.name, nil) }

func (o partitionObserver) StateFault(err error) { o.states.set(o.name, err) }

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
