// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// refuse starts a collector that is not to come up, and returns what it wrote.
func (s *site) refuse(t *testing.T) string {
	t.Helper()
	path := filepath.Join(s.dir, "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte(s.config()), 0o600))
	p := launch(t, s.dir, collector, "--config", path)
	eventually(t, "the collector ends", p.ended)
	require.Error(t, p.err)
	p.killed = true // what it wrote is expected
	return p.output.String()
}

func moved(t *testing.T, from, to string) {
	t.Helper()
	require.NoError(t, os.Rename(from, to))
}

// A log that is not where it was is not begun anew without a word: the collector does not
// start, and names the command that permits it. The new log says what it succeeds.
func TestLogThatIsMissing(t *testing.T) {
	for name, instead := range map[string]func(t *testing.T, dir string){
		"emptied":     func(t *testing.T, dir string) { require.NoError(t, os.Mkdir(dir, 0o700)) },
		"not mounted": func(*testing.T, string) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "")
			p := s.start(t)
			require.NoError(t, s.post(request(10, "before")))
			p.stop(t)
			kept := filepath.Join(s.dir, "kept")
			_, checkpoint := runAuditlog(t, "checkpoint", s.log)
			require.NoError(t, os.WriteFile(kept, checkpoint, 0o600))
			moved(t, s.log, s.log+"-away")
			instead(t, s.log)

			said := s.refuse(t)
			assert.Contains(t, said, "the log is missing")
			command := regexp.MustCompile(`auditlog begin-anew \\?"([^"\\]+)\\?"`).FindStringSubmatch(said)
			require.NotNil(t, command, said)

			// Brought back, it goes on.
			require.NoError(t, os.RemoveAll(s.log))
			moved(t, s.log+"-away", s.log)
			p = s.start(t)
			require.NoError(t, s.post(request(10, "again")))
			p.stop(t)
			code, _ := runVerify(t, s.log, "--key", s.public, "--checkpoint", kept)
			require.Zero(t, code)

			// Or else somebody says that it may begin anew.
			require.NoError(t, os.RemoveAll(s.log))
			code, out := runAuditlog(t, "begin-anew", command[1])
			require.Zero(t, code, "%s", out)
			p = s.start(t)
			require.NoError(t, s.post(request(10, "after")))
			p.stop(t)
			content, err := os.ReadFile(filepath.Join(s.log, segments(t, s.log)[0]))
			require.NoError(t, err)
			assert.Contains(t, string(content), `"succeeds":{"log":"`)
			code, _ = runVerify(t, s.log, "--key", s.public)
			require.Zero(t, code)
			code, _ = runVerify(t, s.log, "--key", s.public, "--checkpoint", kept)
			require.NotZero(t, code, "it is another log")

			// Once.
			require.NoError(t, os.RemoveAll(s.log))
			assert.Contains(t, s.refuse(t), "the log is missing")
		})
	}
}

// An older copy of the log is refused. One of the whole machine, with the state, is not told
// from it: only a checkpoint that was kept elsewhere shows what is gone.
func TestOlderCopyOfTheLog(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	s.exporter = "state_directory: " + filepath.Join(s.dir, "state")
	p := s.start(t)
	require.NoError(t, s.post(request(10, "first")))
	p.stop(t)
	for _, dir := range []string{s.log, filepath.Join(s.dir, "state")} {
		require.NoError(t, os.CopyFS(dir+"-older", os.DirFS(dir)))
	}
	p = s.start(t)
	require.NoError(t, s.post(request(10, "second")))
	p.stop(t)
	kept := filepath.Join(s.dir, "kept")
	_, checkpoint := runAuditlog(t, "checkpoint", s.log)
	require.NoError(t, os.WriteFile(kept, checkpoint, 0o600))

	moved(t, s.log, s.log+"-newer")
	require.NoError(t, os.CopyFS(s.log, os.DirFS(s.log+"-older")))
	require.NoError(t, os.Chmod(s.log, 0o700))
	assert.Contains(t, s.refuse(t), "the directory does not hold all of the log")

	require.NoError(t, os.RemoveAll(filepath.Join(s.dir, "state")))
	moved(t, filepath.Join(s.dir, "state-older"), filepath.Join(s.dir, "state"))
	require.NoError(t, os.Chmod(filepath.Join(s.dir, "state"), 0o700))
	p = s.start(t)
	require.NoError(t, s.post(request(10, "third")))
	p.stop(t)
	code, _ := runVerify(t, s.log, "--key", s.public)
	require.Zero(t, code)
	code, _ = runVerify(t, s.log, "--key", s.public, "--checkpoint", kept)
	require.Equal(t, 1, code)
}

// A log that comes without its state is taken as it is, and says so.
func TestLogIsAdopted(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	p := s.start(t)
	require.NoError(t, s.post(request(10, "first")))
	p.stop(t)
	states, err := filepath.Glob(filepath.Join(s.dir, "*.state"))
	require.NoError(t, err)
	require.Len(t, states, 1)
	require.NoError(t, os.Remove(states[0]))
	p = s.start(t)
	p.stop(t)
	_, says := contents(t, s.log)
	assert.Equal(t, 1, says["state_adopted"])
	code, _ := runVerify(t, s.log, "--key", s.public)
	require.Zero(t, code)
}
