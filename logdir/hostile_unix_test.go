// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package logdir_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
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
				if err := set(filepath.Join(dir, file)); err != nil {
					t.Fatal(err)
				}
			}
			root, err := os.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			fsys := rootfs.Of(root)
			segments, err := logdir.Segments(fsys)
			if err != nil || len(segments) != 1 {
				t.Fatalf("%d segments, %v", len(segments), err)
			}
			want := func(what string, err, is error) {
				t.Helper()
				if !errors.Is(err, is) {
					t.Errorf("%s: %v", what, err)
				}
			}
			_, err = logdir.Open(t.Context(), fsys, segments[0])
			want("open", err, rootfs.ErrNotRegular)
			_, err = logdir.ReadHead(t.Context(), fsys, segments[0])
			want("head", err, rootfs.ErrNotRegular)
			_, err = logdir.Checkpoint(fsys)
			want("checkpoint", err, rootfs.ErrNotRegular)
			for _, err := range logdir.KeyChanges(t.Context(), fsys) {
				want("key changes", err, rootfs.ErrNotRegular)
			}
			want("pruned ranges", logdir.PrunedRanges(t.Context(), fsys, 0, merkle.EmptyRoot, nil), rootfs.ErrNotRegular)
			_, err = logdir.DurableCheckpoint(t.Context(), fsys)
			want("durable", err, rootfs.ErrNotRegular)
			for _, err := range logdir.NewTail(fsys, logdir.TailOptions{}).Lines(t.Context()) {
				want("tail", err, rootfs.ErrNotRegular)
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
	if err := os.WriteFile(path, l.files[l.newest()].Data, 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	fsys := rootfs.Of(root)
	segments, err := logdir.Segments(fsys)
	if err != nil {
		t.Fatal(err)
	}
	r, err := logdir.Open(t.Context(), fsys, segments[0])
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n := 0
	for err == nil {
		if _, err = r.Next(); err == nil {
			n++
		}
		if n == 1 {
			if err := errors.Join(os.WriteFile(path+".zst", compressed(t, l.files[l.newest()].Data, compression.Zstd), 0o600), os.Remove(path)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n != len(l.all) {
		t.Errorf("%d lines of %d", n, len(l.all))
	}
	if got := linesOf(t, fsys, segments[0]); len(got) != len(l.all) {
		t.Errorf("%d lines of %d", len(got), len(l.all))
	}
	if err := os.Remove(path + ".zst"); err != nil {
		t.Fatal(err)
	}
	if _, err := logdir.Open(t.Context(), fsys, segments[0]); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
