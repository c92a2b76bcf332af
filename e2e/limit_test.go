// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// limit sets a limit of a running process, as prlimit does.
func (p *process) limit(t *testing.T, resource int, to uint64) {
	t.Helper()
	var old unix.Rlimit
	require.NoError(t, unix.Prlimit(p.cmd.Process.Pid, resource, nil, &old))
	require.NoError(t, unix.Prlimit(p.cmd.Process.Pid, resource, &unix.Rlimit{Cur: to, Max: old.Max}, nil))
}

// newestSize returns the size of the newest segment.
func newestSize(t *testing.T, s *site) uint64 {
	t.Helper()
	names := segments(t, s.log)
	info, err := os.Stat(filepath.Join(s.log, names[len(names)-1]))
	require.NoError(t, err)
	return uint64(info.Size())
}

// A limit of the size of files refuses what does not fit whole, and the log goes on in
// a new segment, or, if that has no room either, when the limit has gone.
func TestFileSizeLimit(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		room     uint64 // beyond the active segment
		absolute uint64
		goesOn   bool
	}{
		"active full":   {room: 1000, goesOn: true},
		"none has room": {absolute: 3000},
		"no bytes":      {absolute: 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWatched(t, "")
			a := newAccount()
			c := w.newClient(t, a, "client", 10, 1000)
			p := w.start(t)
			for range 5 {
				require.NoError(t, c.send(t.Context()))
			}
			to := tt.absolute
			if tt.room > 0 {
				to = newestSize(t, w.site) + tt.room
			}
			p.limit(t, unix.RLIMIT_FSIZE, to)
			requireRefused(t, c.send(t.Context()), "file too large")
			if tt.goesOn {
				c.deliver(t)
				w.awaitStatus(t, statusOK)
			} else {
				for range 3 {
					requireRefused(t, c.send(t.Context()), "file too large")
				}
				w.awaitStatus(t, statusRecoverable)
			}
			assert.Positive(t, w.refusedFor(t, "io"))
			p.limit(t, unix.RLIMIT_FSIZE, unix.RLIM_INFINITY)
			c.deliver(t)
			w.awaitStatus(t, statusOK)
			p.stop(t)
			f := a.check(t, w.site)
			assert.True(t, f.has("recovered", "write_failed"), "%v", f.actions)
			assert.True(t, f.has("resumed", "io"), "%v", f.actions)
		})
	}
}

// Without another file descriptor no segment can be begun; the one there is goes on
// being written.
func TestNoMoreDescriptors(t *testing.T) {
	t.Parallel()
	w := newWatched(t, "rotation: {max_size_mib: 1}")
	a := newAccount()
	small := w.newClient(t, a, "small", 1, 100)
	large := w.newClient(t, a, "large", 8, 140_000) // begins a segment each time
	p := w.start(t)
	require.NoError(t, large.send(t.Context()))
	require.NoError(t, small.send(t.Context()))
	// What asks for the status must be connected before.
	w.status(t)
	w.refusedFor(t, "io")
	p.limit(t, unix.RLIMIT_NOFILE, 3) // what is open stays open
	for range 3 {
		requireRefused(t, large.send(t.Context()), "too many open files")
		w.awaitStatus(t, statusRecoverable)
		require.NoError(t, small.send(t.Context()), "what needs no new file is written")
	}
	assert.Positive(t, w.refusedFor(t, "io"))
	p.limit(t, unix.RLIMIT_NOFILE, 1024)
	large.deliver(t)
	for range 3 {
		require.NoError(t, large.send(t.Context()))
	}
	w.awaitStatus(t, statusOK)
	w.awaitMaintenance(t, ".jsonl.zst", 0)
	p.stop(t)
	f := a.check(t, w.site)
	assert.True(t, f.has("resumed", "io"), "%v", f.actions)
}
