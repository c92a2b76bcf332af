// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package realpath_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/realpath"
)

func TestWithin(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(root, "log", "below"), 0o700))
	require.NoError(t, os.Symlink("log", filepath.Join(root, "link")))
	require.NoError(t, os.Symlink(filepath.Join("log", "below"), filepath.Join(root, "into")))
	t.Chdir(root)
	for path, want := range map[string]bool{
		"log": true, "log/": true, "log/x": true, "log/x/y": true, "log/below/x": true, "link": true, "link/x/y": true, "into/x": true, "log/../log/x": true,
		".": false, "x": false, "logs": false, "logs/log": false, "into/../../x": false, "/": false,
	} {
		for _, path := range []string{path, filepath.Join(root, path)} {
			got, err := realpath.Within(path, "log")
			if filepath.IsAbs(path) && path == root+"/" {
				continue
			}
			assert.NoError(t, err, path)
			assert.Equal(t, want, got, path)
		}
	}
	// Of a directory that is not there yet.
	for path, want := range map[string]bool{"log/new": true, "link/new/key": true, "log/new/key": true, "log/newer": false, "log": false} {
		got, err := realpath.Within(path, "link/new")
		assert.NoError(t, err, path)
		assert.Equal(t, want, got, path)
	}
	real, err := realpath.Of("link/x/y")
	assert.NoError(t, err)
	assert.Equal(t, filepath.Join(root, "log", "x", "y"), real)
	require.NoError(t, os.WriteFile("file", nil, 0o600))
	_, err = realpath.Of("file/x")
	assert.Error(t, err, "a file is no directory")
}
