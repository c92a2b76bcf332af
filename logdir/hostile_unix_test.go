// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package logdir_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/pruned"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// Nobody ever writes to the pipes, and /dev/zero never ends: this test hangs if one of them is
// waited for or followed.
func TestADirectoryOfTraps(t *testing.T) {
	traps := map[string]func(path string) error{
		"pipes": func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"links": func(path string) error { return os.Symlink("/dev/zero", path) },
	}
	for name, set := range traps {
		t.Run(name, func(t *testing.T) {
			l := newLog(t)
			dir := t.TempDir()
			for _, file := range []string{l.newest(), sidefile.CheckpointName, sidefile.KeyChangesName, sidefile.PrunedRangesName} {
				require.NoError(t, set(filepath.Join(dir, file)))
			}
			root, err := os.OpenRoot(dir)
			require.NoError(t, err)
			defer root.Close()
			fsys := rootfs.Of(root)
			segments, err := logdir.Segments(fsys)
			require.NoError(t, err)
			require.Len(t, segments, 1)
			want := func(what string, err, is error) {
				t.Helper()
				assert.ErrorIs(t, err, is, what)
			}
			_, err = logfile.Open(t.Context(), fsys, segments[0].File, 0)
			want("open", err, rootfs.ErrNotRegular)
			_, err = logfile.OpenBackward(t.Context(), fsys, segments[0].File)
			want("open from the end", err, rootfs.ErrNotRegular)
			_, err = logdir.ReadHead(t.Context(), fsys, segments[0])
			want("head", err, rootfs.ErrNotRegular)
			_, err = logfile.Checkpoint(fsys)
			want("checkpoint", err, rootfs.ErrNotRegular)
			for _, err := range logfile.KeyChanges(t.Context(), fsys) {
				want("key changes", err, rootfs.ErrNotRegular)
			}
			want("pruned ranges", pruned.Read(t.Context(), fsys, 0, new(merkle.Frontier).Root(), nil), rootfs.ErrNotRegular)
			_, err = logdir.DurableCheckpoint(t.Context(), fsys)
			want("durable", err, rootfs.ErrNotRegular)
			for _, err := range logdir.Lines(t.Context(), fsys, logdir.LinesOptions{}) {
				want("lines", err, rootfs.ErrNotRegular)
			}
		})
	}
}

// A segment is replaced by its compressed form on a real file system while its lines are read.
func TestAFileThatIsOpenStaysReadable(t *testing.T) {
	l := newLog(t)
	l.commit(2000)
	dir := t.TempDir()
	path := filepath.Join(dir, l.newest())
	require.NoError(t, os.WriteFile(path, l.files[l.newest()].Data, 0o600))
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	fsys := rootfs.Of(root)
	n := 0
	for _, err := range logdir.Lines(t.Context(), fsys, logdir.LinesOptions{}) {
		require.NoError(t, err)
		if n++; n == 1 {
			require.NoError(t, errors.Join(os.WriteFile(path+".zst", compressed(t, l.files[l.newest()].Data, compression.Zstd), 0o600), os.Remove(path)))
		}
	}
	assert.Equal(t, len(l.all), n)
	assert.Len(t, linesIn(t, fsys, logdir.LinesOptions{}), len(l.all))
}
