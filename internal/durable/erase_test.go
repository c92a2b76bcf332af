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

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
				assert.True(t, overwritten, "it was removed before it was overwritten on the disk")
				return
			}
			_, synced := m.Content("file")
			overwritten = !strings.Contains(string(synced), secret[:8])
		}
		require.NoError(t, durable.Erase(m, "file"))
		assert.Empty(t, holding(t, m.Crash(rand.New(rand.NewPCG(seed, 0))).View(), true), "is left")
	}
}

// The content is gone from the file's own blocks, which another name shows.
func TestEraseOverwrites(t *testing.T) {
	path, d := openLocked(t)
	rule{old: secret}.setUp(t, d)
	require.NoError(t, os.Link(filepath.Join(path, "file"), filepath.Join(path, "other")))
	require.NoError(t, durable.Erase(d, "file"))
	b, err := os.ReadFile(filepath.Join(path, "other"))
	if err != nil || len(b) != len(secret) || strings.Contains(string(b), secret[:8]) {
		t.Errorf("%q, %v", b, err)
	}
	_, err = os.Lstat(filepath.Join(path, "file"))
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.NoError(t, durable.Erase(d, "file"), "what is gone")
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
			_, err := os.Lstat(filepath.Join(path, "file"))
			assert.Equal(t, at < 5, err == nil, err)
			assert.NoError(t, durable.Erase(d, "file"), "again")
			assert.Empty(t, holding(t, os.DirFS(path), true))
		})
	}
}

// A link is not followed: what it leads to is not to be destroyed.
func TestEraseOfALink(t *testing.T) {
	path, d := openLocked(t)
	rule{old: secret}.setUp(t, d)
	require.NoError(t, os.Symlink("file", filepath.Join(path, "link")))
	err := durable.Erase(d, "link")
	assert.ErrorContains(t, err, filepath.Join(path, "link"))
	got := holding(t, os.DirFS(path), true)
	assert.Equal(t, secret, got["file"], got)
}
