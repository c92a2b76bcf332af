// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"go.opentelemetry.io/collector/component/componentstatus"

	"github.com/otel-auditlog/auditlogexporter"
	"github.com/otel-auditlog/auditlogexporter/internal/logstate"
)

// A log whose directory is empty is not begun anew, with the key that is there or with
// another, and its state lies next to the key unless the configuration says otherwise.
func TestEmptiedDirectoryIsNotBegunAnew(t *testing.T) {
	for name, change := range map[string]func(*auditlogexporter.Config){
		"next to the key": func(*auditlogexporter.Config) {},
		"elsewhere":       func(c *auditlogexporter.Config) { c.StateDirectory = filepath.Join(filepath.Dir(c.Directory), "state") },
	} {
		t.Run(name, func(t *testing.T) {
			c := testConfig(t, change)
			start(t, c).stop(t)
			states := c.StateDirectory
			if states == "" {
				states = filepath.Dir(c.Signing.KeyFile)
			}
			require.FileExists(t, filepath.Join(states, logstate.Name(c.Origin)))
			require.NoError(t, os.Rename(c.Directory, c.Directory+"-away"))
			assert.ErrorContains(t, startError(t, c), "auditlog begin-anew")
			assert.ErrorContains(t, startError(t, c), "name another directory for those of the new log")
			require.NoError(t, os.Rename(c.Signing.KeyFile, c.Signing.KeyFile+"-away"))
			assert.ErrorContains(t, startError(t, c), "bring that key back")
			require.NoFileExists(t, c.Signing.KeyFile)
		})
	}
}

// A partition that is missing is told of at the start, and its senders are to try again;
// the others go on.
func TestMissingPartition(t *testing.T) {
	c := testConfig(t, byTenant)
	r := start(t, c)
	logs := ofTenant("a", "1")
	addTenant(logs, "b", "2")
	require.NoError(t, r.ConsumeLogs(t.Context(), logs))
	r.stop(t)
	a := partitionOf(c, "a").Directory
	require.NoError(t, os.Rename(a, a+"-away"))
	r = start(t, c)
	require.Eventually(t, func() bool { return r.host.says("partition a") && r.host.says("the log is missing") }, waitAtMost, time.Millisecond)
	assert.ErrorContains(t, r.ConsumeLogs(t.Context(), ofTenant("a", "3")), "the log is missing")
	require.NoError(t, r.ConsumeLogs(t.Context(), ofTenant("b", "4")))
	require.NoError(t, os.RemoveAll(a))
	require.NoError(t, os.Rename(a+"-away", a))
	require.Eventually(t, func() bool { return r.ConsumeLogs(t.Context(), ofTenant("a", "3")) == nil }, waitAtMost, 50*time.Millisecond)
	r.stop(t)
	assert.Equal(t, []string{"1", "3"}, writtenIDs(t, partitionOf(c, "a")))
}

// Two exporters of one origin do not share a state.
func TestTwoLogsOfOneOrigin(t *testing.T) {
	c := testConfig(t)
	r := start(t, c)
	second := *c
	second.Directory += "-second"
	assert.ErrorContains(t, startError(t, &second), `the log "test.example/auditlog"`)
	r.stop(t)
	assert.ErrorContains(t, startError(t, &second), "give this one an origin of its own")
}

// A log that is there starts though its state cannot be kept, and says so.
func TestStateThatCannotBeKept(t *testing.T) {
	c := testConfig(t, func(c *auditlogexporter.Config) {
		c.StateDirectory = filepath.Join(filepath.Dir(c.Directory), "state")
	})
	start(t, c).stop(t)
	temporary := filepath.Join(c.StateDirectory, logstate.Name(c.Origin)+".tmp")
	require.NoError(t, os.MkdirAll(filepath.Join(temporary, "in the way"), 0o700))
	r := start(t, c)
	require.Eventually(t, func() bool { return r.host.says("cannot be kept") }, waitAtMost, time.Millisecond)
	assert.Contains(t, r.host.reported(), componentstatus.StatusRecoverableError)
	require.NoError(t, r.ConsumeLogs(t.Context(), ofTenant("", "1")))
	require.NoError(t, os.RemoveAll(temporary))
	require.Eventually(t, func() bool {
		all := r.host.reported()
		return all[len(all)-1] == componentstatus.StatusOK
	}, waitAtMost, 50*time.Millisecond)
	r.stop(t)
}

// The state does not lie where it would go with the log, links followed.
func TestStateDirectoryInTheLogs(t *testing.T) {
	c := testConfig(t)
	c.StateDirectory = filepath.Join(c.Directory, "state")
	assert.ErrorContains(t, c.Validate(), "state_directory: ")
	require.NoError(t, os.MkdirAll(c.Directory, 0o700))
	c.StateDirectory = filepath.Join(filepath.Dir(c.Directory), "link")
	require.NoError(t, os.Symlink(c.Directory, c.StateDirectory))
	require.NoError(t, c.Validate())
	assert.ErrorContains(t, startError(t, c), "state_directory: ")
}
