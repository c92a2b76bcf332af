// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A log whose key is changed by the configuration and by the command, and then with
// each segment, is followed from its first key; so is the proof of an event, and what is
// exported for others. A checkpoint that was kept shows a log that was put back.
func TestTrustOutlivesKeys(t *testing.T) {
	for _, scope := range []string{"event", "checkpoint"} {
		t.Run(scope, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := func(name string) string { return filepath.Join(dir, name) }
			s := newSite(t, "rotation: {max_size_mib: 1}")
			s.scope = scope
			p := s.start(t)
			s.fill(t, "first", 500)
			p.stop(t)
			first, public := s.key, s.public

			// By the configuration.
			code, _ := runAuditlog(t, "keygen", "--out", file("second.pem"), "--algorithm", "ed25519")
			require.Zero(t, code)
			s.key, s.signing = file("second.pem"), "previous_key_file: "+first
			p = s.start(t)
			s.fill(t, "second", 500)
			p.stop(t)
			require.NoError(t, os.Remove(first))

			// By the command.
			code, _ = runAuditlog(t, "rotate-key", s.log, "--key", s.key, "--new-key", file("third.pem"))
			require.Zero(t, code)
			code, kept := runAuditlog(t, "checkpoint", s.log)
			require.Zero(t, code)
			require.NoError(t, os.WriteFile(file("kept"), kept, 0o600))
			before := file("before")
			require.NoError(t, os.CopyFS(before, os.DirFS(s.log)))

			// With each segment.
			s.key, s.signing = file("third.pem"), "rotate_key: segment"
			p = s.start(t)
			s.fill(t, "third", 6000)
			p.stop(t)

			code, report := runVerify(t, s.log, "--key", public, "--checkpoint", file("kept"))
			require.Zero(t, code, "%+v", report)
			assert.EqualValues(t, 7000, report.VerifiedEvents-report.OwnEvents)
			keys := map[string]bool{}
			for _, one := range report.Segments {
				keys[one.KeyID] = true
			}
			assert.GreaterOrEqual(t, len(keys), 4)
			assert.NoFileExists(t, file("third.pem.retired"))

			for _, id := range []string{"first-00000", "second-00499", "third-05999"} {
				code, text := runAuditlog(t, "prove", s.log, "--event-id", id)
				require.Zero(t, code, id)
				require.NoError(t, os.WriteFile(file(id), text, 0o600))
				code, out := runAuditlog(t, "check", file(id), "--key", public)
				require.Zero(t, code, id)
				assert.Contains(t, string(out), "OK: this event is leaf")
			}
			code, _ = runAuditlog(t, "tiles", s.log, "--out", file("tiles"), "--key", public)
			require.Zero(t, code)

			// What was before is good by itself, and not what it was since.
			code, newest := runAuditlog(t, "checkpoint", s.log)
			require.Zero(t, code)
			require.NoError(t, os.WriteFile(file("newest"), newest, 0o600))
			code, _ = runVerify(t, before, "--key", public, "--checkpoint", file("kept"))
			assert.Zero(t, code)
			// The newest is signed with a key that the older copy does not know of: that is no
			// accusation, and no OK.
			code, report = runVerify(t, before, "--key", public, "--checkpoint", file("newest"))
			assert.Equal(t, 2, code, "%+v", report)
			code, _ = runAuditlog(t, "tiles", before, "--out", file("tiles"), "--key", public)
			assert.Equal(t, 1, code, "what was exported goes further than the log")
		})
	}
}
