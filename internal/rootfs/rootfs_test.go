// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package rootfs_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
)

func open(t *testing.T) (dir string, fsys fs.FS) {
	t.Helper()
	dir = t.TempDir()
	require.NoError(t, errors.Join(
		os.MkdirAll(filepath.Join(dir, "log"), 0o700),
		os.WriteFile(filepath.Join(dir, "log", "checkpoint"), []byte("log\n"), 0o600),
	))
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	t.Cleanup(func() { root.Close() })
	return dir, rootfs.Of(root)
}

func TestFS(t *testing.T) {
	_, fsys := open(t)
	assert.NoError(t, fstest.TestFS(fsys, "log/checkpoint"))
	_, err := fsys.Open("../log")
	assert.ErrorIs(t, err, fs.ErrInvalid)
}

// swapped is a directory whose file an intruder replaces after it has been looked at.
type swapped struct {
	fs.FS
	replace func() error
}

func (s swapped) Lstat(name string) (fs.FileInfo, error) {
	info, err := fs.Lstat(s.FS, name)
	return info, errors.Join(err, s.replace())
}

func (s swapped) ReadLink(name string) (string, error) { return fs.ReadLink(s.FS, name) }

// Nobody ever writes to the pipe: this test hangs if opening it waits for that.
func TestAFileThatBecomesAPipe(t *testing.T) {
	for _, below := range []string{".", "log"} {
		t.Run(below, func(t *testing.T) {
			dir, fsys := open(t)
			name, at := "log/checkpoint", filepath.Join(dir, "log", "checkpoint")
			if below != "." {
				sub, err := fs.Sub(fsys, below)
				require.NoError(t, err)
				name, fsys = "checkpoint", sub
			}
			f, err := rootfs.OpenRegular(swapped{fsys, func() error {
				return errors.Join(os.Remove(at), syscall.Mkfifo(at, 0o600))
			}}, name)
			assert.ErrorIs(t, err, rootfs.ErrNotRegular, f)
		})
	}
}

func TestAFileIsReadToItsEnd(t *testing.T) {
	_, fsys := open(t)
	f, err := rootfs.OpenRegular(fsys, "log/checkpoint")
	require.NoError(t, err)
	defer f.Close()
	b, err := io.ReadAll(f)
	assert.Equal(t, "log\n", string(b), b)
	assert.NoError(t, err, b)
	_, ok := f.(*os.File)
	assert.True(t, ok, "%T cannot be compared with what was looked at", f)
}
