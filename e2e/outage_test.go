// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// While a call keeps failing, clients are told to try again and the exporter says
// why, in its status and its metrics; when it works again, all goes on by itself, and
// the log says what happened.
func TestCallsKeepFailing(t *testing.T) {
	needStrace(t)
	for _, tt := range []struct {
		call   systemCall
		error  string
		reason string // of the refusals; "" if there are none
		says   string
	}{
		{systemCall{name: "pwrite64"}, "ENOSPC", "disk_full", "no space left on device"},
		{systemCall{name: "pwrite64"}, "EDQUOT", "disk_full", "disk quota exceeded"},
		{systemCall{name: "pwrite64"}, "EIO", "io", "input/output error"},
		{systemCall{name: "pwrite64"}, "EROFS", "io", "read-only file system"},
		{systemCall{name: "fdatasync"}, "EIO", "sync_failed", "input/output error"},
		{systemCall{name: "fdatasync"}, "ENOSPC", "disk_full", "no space left on device"},
		{systemCall{name: "fsync"}, "EIO", "sync_failed", "input/output error"},
		{systemCall{name: "openat", byPath: true}, "EMFILE", "io", "too many open files"},
		{systemCall{name: "openat", byPath: true}, "EROFS", "io", "read-only file system"},
		{systemCall{name: "fstatfs", byPath: true}, "EIO", "io", "input/output error"},
		{systemCall{name: "newfstatat", byPath: true}, "EIO", "io", "input/output error"},
		{systemCall{name: "pwrite64,fdatasync,fsync,ftruncate"}, "EIO", "io", "input/output error"},
		// Commits do without these; upkeep tries again.
		{systemCall{name: "renameat", byPath: true}, "EIO", "", ""},
		{systemCall{name: "unlinkat", byPath: true}, "EIO", "", ""},
	} {
		t.Run(strings.ReplaceAll(tt.call.name, ",", "+")+"/"+tt.error, func(t *testing.T) {
			t.Parallel()
			w := newWatched(t, "rotation: {max_size_mib: 1}\n    retention: {max_segments: 3}")
			p := w.start(t)
			a := newAccount()
			// Each batch begins a segment.
			c := w.newClient(t, a, "client", 8, 140_000)
			require.NoError(t, c.send(t.Context()))
			require.NoError(t, c.send(t.Context()))

			injected, detach := w.attach(t, p, tt.call, "error="+tt.error)
			for range 3 {
				err := c.send(t.Context())
				if tt.reason == "" {
					require.NoError(t, err)
					continue
				}
				requireRefused(t, err, tt.says)
			}
			if tt.reason != "" {
				w.awaitStatus(t, statusRecoverable)
				assert.Contains(t, w.status(t).Error, tt.says)
				assert.Positive(t, w.refusedFor(t, tt.reason))
			}
			eventually(t, "something was made to fail", func() bool { return injected() > 0 })
			detach()

			c.deliver(t)
			w.awaitStatus(t, statusOK)
			require.NoError(t, c.send(t.Context()))
			w.awaitMaintenance(t, ".jsonl.zst", 3)
			p.stop(t)
			f := a.check(t, w.site)
			assert.Equal(t, tt.reason != "", f.has("resumed", tt.reason), "%v", f.own)
		})
	}
}
