// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package durable_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
)

// holder is the environment variable that makes the test binary a process that locks a
// directory until its input ends.
const holder = "AUDITLOG_TEST_HOLDS"

func TestMain(m *testing.M) {
	path := os.Getenv(holder)
	if path == "" {
		os.Exit(m.Run())
	}
	_, err := durable.OpenLocked(path)
	fmt.Println(err)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// hold has another process lock a directory, and returns what came of it, and how to kill it.
func hold(t *testing.T, path string) (said string, kill func()) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), holder+"="+path)
	in, err := c.StdinPipe()
	require.NoError(t, err)
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	killed := false
	kill = func() {
		if !killed {
			killed = true
			_ = c.Process.Kill()
			_ = c.Wait()
			in.Close()
		}
	}
	t.Cleanup(kill)
	said, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(said), kill
}

func TestLockOfADirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dir")
	refused := func() {
		t.Helper()
		if _, err := durable.OpenLocked(path); !errors.Is(err, durable.ErrLocked) || !strings.Contains(err.Error(), path) {
			t.Errorf("%v", err)
		}
	}
	d, err := durable.OpenLocked(path)
	require.NoError(t, err)
	refused()
	if said, kill := hold(t, path); !strings.Contains(said, durable.ErrLocked.Error()) {
		t.Errorf("another process: %s", said)
	} else {
		kill()
	}
	// A lock file that is taken for a stale one.
	require.NoError(t, os.Remove(filepath.Join(path, durable.LockName)))
	refused()
	require.NoError(t, d.Close())
	said, kill := hold(t, path)
	require.Equal(t, "<nil>", said, "after the lock was given back")
	refused()
	kill()
	d, err = durable.OpenLocked(path)
	require.NoError(t, err, "after the process that held it was killed")
	assert.NoError(t, d.Close())
}

func TestLockOfAFile(t *testing.T) {
	path := t.TempDir()
	a, err := durable.OpenShared(path)
	require.NoError(t, err)
	defer a.Close()
	b, err := durable.OpenShared(path)
	require.NoError(t, err)
	defer b.Close()
	one, err := a.Lock("one.lock")
	require.NoError(t, err)
	if _, err := b.Lock("one.lock"); !errors.Is(err, durable.ErrLocked) || !strings.Contains(err.Error(), filepath.Join(path, "one.lock")) {
		t.Errorf("%v", err)
	}
	other, err := b.Lock("other.lock")
	assert.NoError(t, err, "a lock of another name")
	assert.NoError(t, errors.Join(one.Close(), other.Close()))
	again, err := b.Lock("one.lock")
	require.NoError(t, err, "after it was given back")
	assert.NoError(t, again.Close())
	for name, make := range map[string]func(path string) error{
		"pipe": func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"link": func(path string) error { return os.Symlink("one.lock", path) },
		"dir":  func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		require.NoError(t, make(filepath.Join(path, name)))
		_, err := a.Lock(name)
		assert.ErrorContains(t, err, "not a regular file", name)
	}
}

func TestDirectoryIsMadeForItsOwnerAlone(t *testing.T) {
	old := syscall.Umask(0)
	t.Cleanup(func() { syscall.Umask(old) })
	path := filepath.Join(t.TempDir(), "a", "b")
	d, err := durable.OpenLocked(path)
	require.NoError(t, err)
	defer d.Close()
	for _, made := range []string{path, filepath.Dir(path)} {
		if info, err := os.Stat(made); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", made, info.Mode(), err)
		}
	}
	assert.NoError(t, d.CheckOwner())
	require.NoError(t, os.Chmod(path, 0o770))
	err = d.CheckOwner()
	assert.ErrorContains(t, err, "chmod 700 "+path)
	_, err = durable.OpenLocked(path)
	assert.Error(t, err, "a directory that others can write to")
	assert.NotErrorIs(t, err, durable.ErrLocked, "a directory that others can write to")
}

func TestWhatIsNoDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	for name, open := range map[string]func(string) (durable.FS, error){"Open": durable.Open, "OpenShared": durable.OpenShared, "OpenLocked": durable.OpenLocked} {
		_, err := open(path)
		assert.ErrorContains(t, err, path, name)
	}
	_, err := durable.Open(path + "-gone")
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorIs(t, durable.In(filepath.Join(path+"-gone", "file"), durable.Erase), fs.ErrNotExist)
}

func TestDirectoryThatIsGone(t *testing.T) {
	path, d := openLocked(t)
	assert.NoError(t, d.Present())
	require.NoError(t, os.Rename(path, path+"-away"))
	assert.ErrorIs(t, d.Present(), fs.ErrNotExist)
	require.NoError(t, os.Mkdir(path, 0o700))
	assert.ErrorIs(t, d.Present(), durable.ErrReplaced)
}

// An error of the operating system names the file with its path, and what was done to it.
func TestErrorsNameTheFile(t *testing.T) {
	path, d := openLocked(t)
	require.NoError(t, os.Symlink("elsewhere", filepath.Join(path, "link")))
	open := func(f durable.File, err error) error { return err }
	for op, err := range map[string]error{
		"open":   open(d.Edit("gone")),
		"create": open(d.Create("link")),
		"follow": open(d.Edit("link")),
		"rename": d.Rename("gone", "other"),
		"remove": d.Remove("gone"),
	} {
		assert.ErrorContains(t, err, path, op)
	}
	_, err := d.Create("../out")
	assert.Error(t, err, "a name leads out of the directory")
}

func TestReading(t *testing.T) {
	_, d := openLocked(t)
	rule{old: "old"}.setUp(t, d)
	assert.NoError(t, fstest.TestFS(d, "file", durable.LockName))
}
