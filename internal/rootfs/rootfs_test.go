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

	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
)

func open(t *testing.T) (dir string, fsys fs.FS) {
	t.Helper()
	dir = t.TempDir()
	if err := errors.Join(
		os.MkdirAll(filepath.Join(dir, "log"), 0o700),
		os.WriteFile(filepath.Join(dir, "log", "checkpoint"), []byte("log\n"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return dir, rootfs.Of(root)
}

func TestFS(t *testing.T) {
	_, fsys := open(t)
	if err := fstest.TestFS(fsys, "log/checkpoint"); err != nil {
		t.Error(err)
	}
	if _, err := fsys.Open("../log"); !errors.Is(err, fs.ErrInvalid) {
		t.Error(err)
	}
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
				if err != nil {
					t.Fatal(err)
				}
				name, fsys = "checkpoint", sub
			}
			f, err := rootfs.OpenRegular(swapped{fsys, func() error {
				return errors.Join(os.Remove(at), syscall.Mkfifo(at, 0o600))
			}}, name)
			if !errors.Is(err, rootfs.ErrNotRegular) {
				t.Errorf("%v, %v", f, err)
			}
		})
	}
}

func TestAFileIsReadToItsEnd(t *testing.T) {
	_, fsys := open(t)
	f, err := rootfs.OpenRegular(fsys, "log/checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if b, err := io.ReadAll(f); string(b) != "log\n" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if _, ok := f.(*os.File); !ok {
		t.Errorf("%T cannot be compared with what was looked at", f)
	}
}
