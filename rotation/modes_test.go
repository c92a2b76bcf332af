// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otel-auditlog/auditlogexporter/rotation"
)

// What a copy that was put back lets others do with the log's files a start takes away, and
// says so. Other files are left as they are.
func TestFilesAreClosedToOthers(t *testing.T) {
	o := options(t)
	reopen := func() int {
		core, logged := observer.New(zap.WarnLevel)
		o.Logger = zap.New(core)
		l, err := rotation.Open(t.Context(), o)
		require.NoError(t, err)
		require.NoError(t, l.Close(t.Context()))
		return logged.FilterMessageSnippet("could be read or written by others").Len()
	}
	assert.Zero(t, reopen())
	notes := filepath.Join(o.Directory, "notes")
	require.NoError(t, os.WriteFile(notes, nil, 0o600))
	entries, err := os.ReadDir(o.Directory)
	require.NoError(t, err)
	require.Greater(t, len(entries), 3)
	for _, mode := range []fs.FileMode{0o644, 0o660, 0o602} {
		for _, e := range entries {
			require.NoError(t, os.Chmod(filepath.Join(o.Directory, e.Name()), mode))
		}
		assert.Equal(t, 1, reopen(), "%#o", mode)
		for _, e := range entries {
			info, err := os.Stat(filepath.Join(o.Directory, e.Name()))
			require.NoError(t, err)
			if e.Name() == "notes" {
				assert.Equal(t, mode, info.Mode(), "%#o: it is not the log's", mode)
				continue
			}
			assert.Equal(t, fs.FileMode(0o600), info.Mode(), "%#o: %s", mode, e.Name())
		}
		assert.Zero(t, reopen(), "%#o", mode)
	}
}
