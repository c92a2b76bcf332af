// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Copies of a log that a collector writes, seals, compresses, changes the keys of and deletes
// from, under load: each verifies, and extends the one before.
func TestSnapshotsOfACollectorsLog(t *testing.T) {
	s := newSite(t, "rotation: {max_size_mib: 1}\n    retention: {max_segments: 4}")
	s.signing = "rotate_key: segment"
	code, _ := runAuditlog(t, "keygen", "--algorithm", "ed25519", "--out", s.key)
	require.Zero(t, code)
	key, err := os.ReadFile(s.public)
	require.NoError(t, err)
	public := filepath.Join(s.dir, "first.pub.pem")
	require.NoError(t, os.WriteFile(public, key, 0o600))
	p := s.start(t)
	stop := load(t, s.newClient(t, newAccount(), "a", 50, 2000), s.newClient(t, newAccount(), "b", 50, 2000))
	first := ""
	to := t.TempDir()
	for i := 0; ; i++ {
		require.Less(t, i, 200, "nothing has been deleted meanwhile")
		dest := filepath.Join(to, fmt.Sprint(i))
		if i%2 == 0 {
			code, out := runAuditlog(t, "snapshot", s.log, dest)
			require.Zero(t, code, "%s", out)
		} else {
			code, out := runAuditlog(t, "snapshot", s.log, "-")
			for tries := 1; code == 2 && tries < 5; tries++ { // retention was faster, which can't be undone in a stream
				code, out = runAuditlog(t, "snapshot", s.log, "-")
			}
			require.Zero(t, code)
			require.NoError(t, os.Mkdir(dest, 0o700))
			require.NoError(t, os.WriteFile(dest+".tar", out, 0o600))
			require.NoError(t, exec.CommandContext(t.Context(), "tar", "-C", dest, "-xf", dest+".tar").Run())
		}
		args := []string{"--key", public}
		if i > 0 {
			args = append(args, "--checkpoint", filepath.Join(to, fmt.Sprint(i-1), "checkpoint"))
		}
		code, report := runVerify(t, dest, args...)
		require.Zero(t, code, "copy %d: %+v", i, report)
		assert.Equal(t, report.TotalEvents, report.VerifiedEvents)
		if names := segments(t, dest); i == 0 {
			first = names[0]
		} else if names[0] > first && i > 10 {
			break
		}
	}
	stop()
	p.stop(t)
	// The last copy is all there is.
	dest := filepath.Join(to, "last")
	code, _ = runAuditlog(t, "snapshot", s.log, dest)
	require.Zero(t, code)
	require.NoError(t, exec.CommandContext(t.Context(), "diff", "-r", "--exclude=.lock", s.log, dest).Run())
}
