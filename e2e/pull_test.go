// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What becomes of the lines of a file that come while the log cannot be written, as
// docs/reliability.md says: they are kept if the receiver tries again and the collector
// runs until the log can be written. If it ends before, or the receiver does not try
// again, they are lost, and so the log cannot be said to hold all lines.
func TestLinesThatComeWhileTheLogCannotBeWritten(t *testing.T) {
	for name, tc := range map[string]struct {
		receiver string
		ends     func(*process, *testing.T) // the collector, meanwhile
		want     []any
	}{
		"it tries again":               {"enabled: true, max_elapsed_time: 0", nil, []any{"first", "meanwhile-1", "meanwhile-2", "meanwhile-3", "last"}},
		"it does not try again":        {"enabled: false", nil, []any{"first", "last"}},
		"it tries again and stops":     {"enabled: true, max_elapsed_time: 0", (*process).end, []any{"first", "last"}},
		"it tries again and is killed": {"enabled: true, max_elapsed_time: 0", (*process).kill, []any{"first", "last"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := tmpfs(t, "8m")
			s := newSite(t, "")
			s.log, s.retry = filepath.Join(d.path, "audit-log"), tc.receiver
			awaitLines := func(n int) {
				t.Helper()
				eventually(t, "the lines are in the log", func() bool {
					_, report := runVerify(t, s.log, "--key", s.public)
					return report != nil && report.TotalEvents-report.OwnEvents >= uint64(n)
				})
			}
			require.NoError(t, os.WriteFile(s.tailed, []byte("first\n"), 0o600))
			p := s.start(t)
			awaitLines(1)
			makeRoom := d.fill(t, 0)
			appendTo(t, s.tailed, "meanwhile-1\nmeanwhile-2\nmeanwhile-3\n")
			eventually(t, "the lines are refused", func() bool {
				return strings.Contains(p.output.String(), "none of 3 records is in the audit log")
			})
			if tc.ends != nil {
				tc.ends(p, t)
			}
			makeRoom()
			if tc.ends != nil {
				p = s.start(t)
			}
			appendTo(t, s.tailed, "last\n")
			awaitLines(len(tc.want))
			p.stop(t)
			var bodies []any
			for _, e := range show(t, s.log) {
				if e.Body != nil {
					bodies = append(bodies, e.Body)
				}
			}
			assert.ElementsMatch(t, tc.want, bodies)
		})
	}
}
