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
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
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
	if err != nil {
		t.Fatal(err)
	}
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
	if err != nil {
		t.Fatal(err)
	}
	refused()
	if said, kill := hold(t, path); !strings.Contains(said, durable.ErrLocked.Error()) {
		t.Errorf("another process: %s", said)
	} else {
		kill()
	}
	// A lock file that is taken for a stale one.
	if err := os.Remove(filepath.Join(path, durable.LockName)); err != nil {
		t.Fatal(err)
	}
	refused()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	said, kill := hold(t, path)
	if said != "<nil>" {
		t.Fatalf("after the lock was given back: %s", said)
	}
	refused()
	kill()
	if d, err = durable.OpenLocked(path); err != nil {
		t.Fatalf("after the process that held it was killed: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestLockOfAFile(t *testing.T) {
	path := t.TempDir()
	a, err := durable.OpenShared(path)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := durable.OpenShared(path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	one, err := a.Lock("one.lock")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Lock("one.lock"); !errors.Is(err, durable.ErrLocked) || !strings.Contains(err.Error(), filepath.Join(path, "one.lock")) {
		t.Errorf("%v", err)
	}
	other, err := b.Lock("other.lock")
	if err != nil {
		t.Errorf("a lock of another name: %v", err)
	}
	if err := errors.Join(one.Close(), other.Close()); err != nil {
		t.Error(err)
	}
	again, err := b.Lock("one.lock")
	if err != nil {
		t.Fatalf("after it was given back: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	for name, make := range map[string]func(path string) error{
		"pipe": func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"link": func(path string) error { return os.Symlink("one.lock", path) },
		"dir":  func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		if err := make(filepath.Join(path, name)); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Lock(name); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDirectoryIsMadeForItsOwnerAlone(t *testing.T) {
	old := syscall.Umask(0)
	t.Cleanup(func() { syscall.Umask(old) })
	path := filepath.Join(t.TempDir(), "a", "b")
	d, err := durable.OpenLocked(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, made := range []string{path, filepath.Dir(path)} {
		if info, err := os.Stat(made); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", made, info.Mode(), err)
		}
	}
	if err := d.CheckOwner(); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(path, 0o770); err != nil {
		t.Fatal(err)
	}
	if err := d.CheckOwner(); err == nil || !strings.Contains(err.Error(), "chmod 700 "+path) {
		t.Errorf("%v", err)
	}
	if _, err := durable.OpenLocked(path); err == nil || errors.Is(err, durable.ErrLocked) {
		t.Errorf("a directory that others can write to: %v", err)
	}
}

func TestWhatIsNoDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func(string) (durable.FS, error){"Open": durable.Open, "OpenShared": durable.OpenShared, "OpenLocked": durable.OpenLocked} {
		if _, err := open(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := durable.Open(path + "-gone"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if err := durable.In(filepath.Join(path+"-gone", "file"), durable.Erase); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestDirectoryThatIsGone(t *testing.T) {
	path, d := openLocked(t)
	if err := d.Present(); err != nil {
		t.Error(err)
	}
	if err := os.Rename(path, path+"-away"); err != nil {
		t.Fatal(err)
	}
	if err := d.Present(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := d.Present(); !errors.Is(err, durable.ErrReplaced) {
		t.Errorf("%v", err)
	}
}

// An error of the operating system names the file with its path, and what was done to it.
func TestErrorsNameTheFile(t *testing.T) {
	path, d := openLocked(t)
	if err := os.Symlink("elsewhere", filepath.Join(path, "link")); err != nil {
		t.Fatal(err)
	}
	open := func(f durable.File, err error) error { return err }
	for op, err := range map[string]error{
		"open":   open(d.Edit("gone")),
		"create": open(d.Create("link")),
		"follow": open(d.Edit("link")),
		"rename": d.Rename("gone", "other"),
		"remove": d.Remove("gone"),
	} {
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", op, err)
		}
	}
	if _, err := d.Create("../out"); err == nil {
		t.Error("a name leads out of the directory")
	}
}

func TestReading(t *testing.T) {
	_, d := openLocked(t)
	rule{old: "old"}.setUp(t, d)
	if err := fstest.TestFS(d, "file", durable.LockName); err != nil {
		t.Error(err)
	}
}
