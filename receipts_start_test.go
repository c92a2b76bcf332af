// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package auditlogexporter_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"golang.org/x/sys/unix"

	auditlogexporter "github.com/otel-auditlog/auditlogexporter"
	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// mountMemory mounts a file system in memory, and skips the test where it may not.
func mountMemory(t *testing.T, path, options string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(path, 0o700))
	if err := unix.Mount("tmpfs", path, "tmpfs", 0, options+",mode=0700"); err != nil {
		t.Skipf("no file system can be mounted here: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(path, unix.MNT_DETACH)) })
}

// fill leaves no room in a file system.
func fill(t *testing.T, directory string) (makeRoom func()) {
	t.Helper()
	path := filepath.Join(directory, "ballast")
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	require.ErrorIs(t, err, unix.ENOSPC)
	return func() { require.NoError(t, os.Remove(path)) }
}

// spoilt are directories of receipts that cannot be used, and how that is mended.
var spoilt = map[string]func(t *testing.T, dir string) (mend func()){
	"a file": func(t *testing.T, dir string) func() {
		require.NoError(t, os.WriteFile(dir, nil, 0o600))
		return func() { require.NoError(t, os.Remove(dir)) }
	},
	"a named pipe": func(t *testing.T, dir string) func() {
		require.NoError(t, unix.Mkfifo(dir, 0o600))
		return func() { require.NoError(t, os.Remove(dir)) }
	},
	"a link to nothing": func(t *testing.T, dir string) func() {
		require.NoError(t, os.Symlink(dir+"-nowhere", dir))
		return func() { require.NoError(t, os.Remove(dir)) }
	},
	"a link to a named pipe": func(t *testing.T, dir string) func() {
		require.NoError(t, unix.Mkfifo(dir+"-pipe", 0o600))
		require.NoError(t, os.Symlink(dir+"-pipe", dir))
		return func() { require.NoError(t, os.Remove(dir)) }
	},
	"below a file": func(t *testing.T, dir string) func() {
		require.NoError(t, os.WriteFile(filepath.Dir(dir), nil, 0o600))
		return func() { require.NoError(t, os.Remove(filepath.Dir(dir))) }
	},
	"others can write to it": func(t *testing.T, dir string) func() {
		require.NoError(t, os.MkdirAll(dir, 0o700))
		require.NoError(t, os.Chmod(dir, 0o777))
		return func() { require.NoError(t, os.Chmod(dir, 0o700)) }
	},
	"a directory in the place of its lock": func(t *testing.T, dir string) func() {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, durable.LockName), 0o700))
		return func() { require.NoError(t, os.Remove(filepath.Join(dir, durable.LockName))) }
	},
	"a named pipe in the place of its lock": func(t *testing.T, dir string) func() {
		require.NoError(t, os.MkdirAll(dir, 0o700))
		require.NoError(t, unix.Mkfifo(filepath.Join(dir, durable.LockName), 0o600))
		return func() { require.NoError(t, os.Remove(filepath.Join(dir, durable.LockName))) }
	},
	"full": func(t *testing.T, dir string) func() {
		mountMemory(t, dir, "size=64k")
		return fill(t, dir)
	},
	"without a free inode": func(t *testing.T, dir string) func() {
		mountMemory(t, dir, "size=1m,nr_inodes=2")
		require.NoError(t, os.WriteFile(filepath.Join(dir, "ballast"), nil, 0o600))
		return func() {
			require.NoError(t, unix.Mount("", dir, "", unix.MS_REMOUNT, "size=1m,nr_inodes=20"))
		}
	},
	"read-only": func(t *testing.T, dir string) func() {
		mountMemory(t, dir, "size=1m")
		require.NoError(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, "size=1m"))
		return func() { require.NoError(t, unix.Mount("", dir, "", unix.MS_REMOUNT, "size=1m")) }
	},
}

// The log does not depend on the directory for its receipts, at a start as little as later:
// whatever is wrong with that, events are acknowledged, the status tells, and what has come
// since the start has its receipts once the directory is well.
func TestTheLogStartsWhateverIsWrongWithItsReceipts(t *testing.T) {
	for kind, change := range map[string]func(*auditlogexporter.Config){"one log": func(*auditlogexporter.Config) {}, "partitions": byTenant} {
		for name, spoil := range spoilt {
			t.Run(kind+"/"+name, func(t *testing.T) {
				c := testConfig(t, change)
				c.MinFreeSpaceMiB = 0
				c.Receipts.Directory = filepath.Join(t.TempDir(), "above", "receipts")
				if name != "below a file" {
					require.NoError(t, os.Mkdir(filepath.Dir(c.Receipts.Directory), 0o700))
				}
				mend := spoil(t, c.Receipts.Directory)
				r := start(t, c)
				require.NoError(t, r.ConsumeLogs(t.Context(), records("a", "b")))
				require.Eventually(t, func() bool { return r.host.says("receipts") }, waitAtMost, pollEvery)
				assert.Contains(t, r.host.reported(), componentstatus.StatusRecoverableError)
				require.NoError(t, r.ConsumeLogs(t.Context(), records("c")))
				mend()
				r.stop(t) // which tries once more
				dir := c.Receipts.Directory
				if c.PartitionBy != "" {
					dir = filepath.Join(dir, "_none")
				}
				assert.Equal(t, []string{"a", "b", "c"}, idsOfReceipts(receiptsIn(t, dir)))
			})
		}
	}
}

// What stands in the place of a file of receipts keeps nobody from the log either.
func TestTheLogStartsWithWhatIsNoFileOfReceipts(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"a named pipe": func(path string) error { return unix.Mkfifo(path, 0o600) },
		"a directory":  func(path string) error { return os.Mkdir(path, 0o700) },
		"a link":       func(path string) error { return os.Symlink("/dev/zero", path) },
		"a loop":       func(path string) error { return os.Symlink(filepath.Base(path), path) },
	} {
		t.Run(name, func(t *testing.T) {
			c := testConfig(t, receipted)
			require.NoError(t, os.Mkdir(c.Receipts.Directory, 0o700))
			at := filepath.Join(c.Receipts.Directory, "receipts-00000000000000000000.jsonl")
			require.NoError(t, make(at))
			r := start(t, c)
			require.NoError(t, r.ConsumeLogs(t.Context(), records("a")))
			require.Eventually(t, func() bool { return r.host.says("receipts") }, waitAtMost, pollEvery)
			require.NoError(t, os.Remove(at))
			r.stop(t)
			assert.Equal(t, []string{"a"}, idsOfReceipts(receiptsIn(t, c.Receipts.Directory)))
		})
	}
}

// A key for the next segment that cannot be written keeps no collector from starting:
// senders are told to try again, the status says why, and all goes on by itself.
func TestAStartWithoutRoomForTheNextKey(t *testing.T) {
	c := testConfig(t, inScope(segline.ScopeEvent))
	c.Signing.RotateKey = "segment"
	keys := filepath.Join(t.TempDir(), "keys")
	mountMemory(t, keys, "size=64k")
	c.Signing.KeyFile = filepath.Join(keys, "log.pem")
	r := start(t, c)
	first, err := keyfile.LoadPublic(keyfile.PublicPath(c.Signing.KeyFile))
	require.NoError(t, err)
	require.NoError(t, r.ConsumeLogs(t.Context(), records("a")))
	r.stop(t)

	makeRoom := fill(t, keys)
	c.Signing.Scope = segline.ScopeCheckpoint // so that a segment begins, and needs a key
	r = start(t, c)
	assert.Contains(t, r.host.reported(), componentstatus.StatusRecoverableError)
	assert.True(t, r.host.says("next key"), "%v", r.host.lastError())
	err = r.ConsumeLogs(t.Context(), records("b"))
	require.Error(t, err)
	assert.False(t, consumererror.IsPermanent(err), "%v", err)
	makeRoom()
	require.Eventually(t, func() bool { return r.ConsumeLogs(t.Context(), records("c")) == nil }, waitAtMost, pollEvery)
	require.Eventually(t, func() bool { return r.host.lastError() == nil }, waitAtMost, pollEvery)
	r.stop(t)
	assert.Equal(t, []string{"a", "c"}, writtenIDs(t, c))
	report, err := verify.Log(t.Context(), os.DirFS(c.Directory), verify.Options{Keys: []*signing.PublicKey{first}})
	require.NoError(t, err)
	assert.False(t, report.TamperingDetected, "%+v", report.Findings)
}
