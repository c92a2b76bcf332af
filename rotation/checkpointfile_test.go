// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
)

// What somebody makes of the checkpoint file while the log is open, and has nothing new to
// write to it, is written over: by an open log before long, by one that is closed at once.
func TestCheckpointFileMeddledWithWhileOpen(t *testing.T) {
	for name, replace := range map[string]func(t *testing.T, path string, older []byte){
		"removed": func(t *testing.T, path string, _ []byte) { require.NoError(t, os.Remove(path)) },
		"emptied": func(t *testing.T, path string, _ []byte) { require.NoError(t, os.Truncate(path, 0)) },
		"an older one": func(t *testing.T, path string, older []byte) {
			require.NoError(t, os.WriteFile(path, older, 0o600))
		},
		"a link out": func(t *testing.T, path string, _ []byte) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.Symlink(os.DevNull, path))
		},
		"a pipe": func(t *testing.T, path string, _ []byte) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, syscall.Mkfifo(path, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := options(t)
				path := filepath.Join(o.Directory, sidefile.CheckpointName)
				l := open(t, o)
				mustAppend(t, l, o, "a")
				older := l.Checkpoint()
				mustAppend(t, l, o, "b")
				want := l.Checkpoint()
				holds := func(when string) {
					t.Helper()
					// Lstat first: a pipe that nobody writes to would be waited for.
					info, err := os.Lstat(path)
					require.NoError(t, err, when)
					require.True(t, info.Mode().IsRegular(), "%s it is %s", when, info.Mode())
					got, err := os.ReadFile(path)
					require.NoError(t, err, when)
					assert.Equal(t, string(want), string(got), when)
				}
				pass := func() {
					time.Sleep(time.Minute) // of the bubble
					synctest.Wait()
				}
				pass()
				holds("before")
				replace(t, path, older)
				pass()
				holds("while the log is open")
				replace(t, path, older)
				closeLog(t, l)
				holds("once it is closed")
				checkGood(t, o.Directory, o.Signer)
			})
		})
	}
}
