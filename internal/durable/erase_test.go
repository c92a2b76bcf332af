// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package durable_test

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/durable/durabletest"
)

const secret = "the private key, which is longer than a few bytes"

// What is erased is overwritten on the disk before its name goes: no power cut leaves it on the
// disk without a name by which it would be erased again.
func TestErase(t *testing.T) {
	for seed := range uint64(100) {
		m := durabletest.New()
		rule{old: secret}.setUp(t, m)
		overwritten := false
		m.Step = func() {
			if len(m.Names()) == 0 {
				if !overwritten {
					t.Error("it was removed before it was overwritten on the disk")
				}
				return
			}
			_, synced := m.Content("file")
			overwritten = !strings.Contains(string(synced), secret[:8])
		}
		if err := durable.Erase(m, "file"); err != nil {
			t.Fatal(err)
		}
		if got := holding(t, m.Crash(rand.New(rand.NewPCG(seed, 0))).View(), true); len(got) != 0 {
			t.Errorf("%q is left", got)
		}
	}
}

// The content is gone from the file's own blocks, which another name shows.
func TestEraseOverwrites(t *testing.T) {
	path, d := openLocked(t)
	rule{old: secret}.setUp(t, d)
	if err := os.Link(filepath.Join(path, "file"), filepath.Join(path, "other")); err != nil {
		t.Fatal(err)
	}
	if err := durable.Erase(d, "file"); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(path, "other"))
	if err != nil || len(b) != len(secret) || strings.Contains(string(b), secret[:8]) {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := os.Lstat(filepath.Join(path, "file")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if err := durable.Erase(d, "file"); err != nil {
		t.Errorf("what is gone: %v", err)
	}
}

func TestEraseFails(t *testing.T) {
	for at, op := range []string{"edit", "write", "sync", "close", "remove", "sync directory"} {
		t.Run(op, func(t *testing.T) {
			path, d := openLocked(t)
			rule{old: secret}.setUp(t, d)
			f := &durabletest.Failing{FS: d, Fail: func(asked, _ string) error {
				if asked == op {
					return syscall.EIO
				}
				return nil
			}}
			if err := durable.Erase(f, "file"); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), op) || !strings.Contains(err.Error(), "file") {
				t.Errorf("%v", err)
			}
			// As long as it may not be overwritten on the disk, it has its name.
			if _, err := os.Lstat(filepath.Join(path, "file")); (err == nil) != (at < 5) {
				t.Errorf("%v", err)
			}
			if err := durable.Erase(d, "file"); err != nil {
				t.Errorf("again: %v", err)
			}
			if got := holding(t, os.DirFS(path), true); len(got) != 0 {
				t.Errorf("%q", got)
			}
		})
	}
}

// A link is not followed: what it leads to is not to be destroyed.
func TestEraseOfALink(t *testing.T) {
	path, d := openLocked(t)
	rule{old: secret}.setUp(t, d)
	if err := os.Symlink("file", filepath.Join(path, "link")); err != nil {
		t.Fatal(err)
	}
	if err := durable.Erase(d, "link"); err == nil || !strings.Contains(err.Error(), filepath.Join(path, "link")) {
		t.Errorf("%v", err)
	}
	if got := holding(t, os.DirFS(path), true); got["file"] != secret {
		t.Errorf("%q", got)
	}
}
