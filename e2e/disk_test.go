// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// disk is a file system of its own, for the log alone.
type disk struct {
	path   string
	image  string // of a file system on a loop device
	device string
}

// needRoot skips the test unless it may mount file systems.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount the file systems that this test breaks")
	}
}

// tmpfs mounts a file system in memory, of so many KiB.
func tmpfs(t *testing.T, size string) *disk {
	t.Helper()
	needRoot(t)
	d := &disk{path: filepath.Join(t.TempDir(), "disk")}
	require.NoError(t, os.Mkdir(d.path, 0o700))
	if err := unix.Mount("tmpfs", d.path, "tmpfs", 0, "size="+size+",mode=0700"); err != nil {
		t.Skipf("a tmpfs cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { d.unmount(t) })
	return d
}

// ext4 makes a file system of so many MiB in an image and mounts it.
func ext4(t *testing.T, size string) *disk {
	t.Helper()
	needRoot(t)
	for _, program := range []string{"mkfs.ext4", "losetup", "mount", "umount", "e2fsck"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed: it makes the file system that this test breaks", program)
		}
	}
	dir := t.TempDir()
	d := &disk{path: filepath.Join(dir, "disk"), image: filepath.Join(dir, "image")}
	require.NoError(t, os.Mkdir(d.path, 0o700))
	system(t, "mkfs.ext4", "-q", "-m", "0", "-e", "remount-ro", d.image, size)
	output, err := exec.Command("losetup", "--find", "--show", d.image).CombinedOutput()
	if err != nil {
		t.Skipf("there is no loop device here: %s", output)
	}
	d.device = strings.TrimSpace(string(output))
	t.Cleanup(func() { system(t, "losetup", "--detach", d.device) })
	d.mount(t)
	t.Cleanup(func() { d.unmount(t) })
	return d
}

func (d *disk) mount(t *testing.T) {
	t.Helper()
	require.NoError(t, unix.Mount(d.device, d.path, "ext4", 0, "errors=remount-ro"))
	require.NoError(t, os.Chmod(d.path, 0o700))
}

func (d *disk) unmount(t *testing.T) {
	t.Helper()
	require.NoError(t, unix.Unmount(d.path, 0))
}

// system runs a program that must succeed.
func system(t *testing.T, name string, args ...string) {
	t.Helper()
	output, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s %s: %s", name, strings.Join(args, " "), output)
}

// on puts the site's log on a disk.
func (w *watched) on(d *disk) *watched {
	w.log = filepath.Join(d.path, "audit-log")
	return w
}

// fill writes a file until the disk is full, or until so many bytes are left.
func (d *disk) fill(t *testing.T, left int64) (makeRoom func()) {
	t.Helper()
	path := filepath.Join(d.path, "ballast")
	f, err := os.Create(path)
	require.NoError(t, err)
	block := make([]byte, 4096)
	for {
		var st unix.Statfs_t
		require.NoError(t, unix.Statfs(d.path, &st))
		if int64(st.Bavail)*st.Bsize <= left {
			break
		}
		if _, err := f.Write(block); err != nil {
			require.ErrorIs(t, err, unix.ENOSPC)
			break
		}
	}
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
	return func() { require.NoError(t, os.Remove(path)) }
}

// disks are the kinds of file systems that can fill up.
var disks = map[string]func(t *testing.T) *disk{
	"tmpfs": func(t *testing.T) *disk { return tmpfs(t, "8m") },
	"ext4":  func(t *testing.T) *disk { return ext4(t, "16m") },
}

// On a full disk clients are told to try again, by status and metrics why; when there
// is room, all goes on by itself. A collector starts on a full disk, too.
func TestFullDisk(t *testing.T) {
	for name, mount := range disks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, left := range []int64{0, 50_000} {
				w := newWatched(t, "rotation: {max_size_mib: 1}").on(mount(t))
				d := &disk{path: filepath.Dir(w.log)}
				a := newAccount()
				c := w.newClient(t, a, "client", 10, 20_000)
				p := w.start(t)
				require.NoError(t, c.send(t.Context()))
				for range 2 {
					makeRoom := d.fill(t, left)
					for range 5 {
						requireRefused(t, c.send(t.Context()), "")
					}
					w.awaitStatus(t, statusRecoverable)
					assert.Positive(t, w.refusedFor(t, "disk_full"))
					code, report := runVerify(t, w.log, "--key", w.public)
					require.Zero(t, code, "%+v", report)
					makeRoom()
					c.deliver(t)
					w.awaitStatus(t, statusOK)
				}
				// A start while the disk is full.
				makeRoom := d.fill(t, left)
				p.end(t)
				p = w.start(t)
				requireRefused(t, c.send(t.Context()), "")
				p.kill(t)
				p = w.start(t)
				requireRefused(t, c.send(t.Context()), "")
				makeRoom()
				c.deliver(t)
				require.NoError(t, c.send(t.Context()))
				w.awaitStatus(t, statusOK)
				p.stop(t)
				f := a.check(t, w.site)
				assert.True(t, f.has("resumed", "disk_full"), "%v", f.actions)
			}
		})
	}
}

// A collector that is killed while it cuts off what could not be written leaves half a batch. The
// next one starts though there is no room to set that aside, and does so later.
func TestKilledOnAFullDisk(t *testing.T) {
	needStrace(t)
	d := tmpfs(t, "4m")
	w := newWatched(t, "").on(d)
	a := newAccount()
	c := w.newClient(t, a, "client", 10, 20_000)
	p := w.launchTraced(t, systemCall{name: "ftruncate"}, "signal=SIGKILL", filepath.Join(w.dir, "strace"))
	p.killed = true
	p.awaitReady(t, w.health+"/status")
	require.NoError(t, c.send(t.Context()))
	p.limit(t, unix.RLIMIT_FSIZE, newestSize(t, w.site)+100_000)
	require.Equal(t, unanswered, outcomeOf(c.send(t.Context())))
	eventually(t, "the collector is killed", p.ended)
	makeRoom := d.fill(t, 0)
	code, report := runVerify(t, w.log, "--key", w.public)
	require.Zero(t, code, "%+v", report)

	for range 2 {
		p = w.start(t)
		requireRefused(t, c.send(t.Context()), "set aside a torn tail")
		w.awaitStatus(t, statusRecoverable)
		p.kill(t)
	}
	p = w.start(t)
	makeRoom()
	c.deliver(t)
	w.awaitStatus(t, statusOK)
	p.stop(t)
	f := a.check(t, w.site)
	assert.True(t, f.has("recovered", "torn_tail"), "%v", f.actions)
	torn, err := filepath.Glob(filepath.Join(w.log, "torn-*"))
	require.NoError(t, err)
	assert.Len(t, torn, 1)
}

// The disk fills up under load: what is written fits or is refused, and the log is
// good at every moment.
func TestDiskFillsUp(t *testing.T) {
	for name, mount := range disks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWatched(t, "rotation: {max_size_mib: 1, compression: none}").on(mount(t))
			a := newAccount()
			var clients []*client
			for i, records := range []int{1, 10, 100} {
				clients = append(clients, w.newClient(t, a, string(rune('a'+i)), records, 1000))
			}
			p := w.start(t)
			stop := load(t, clients...)
			eventually(t, "the disk is full", func() bool { return a.count(refused) > 200 })
			code, report := runVerify(t, w.log, "--key", w.public)
			require.Zero(t, code, "%+v", report)
			stop()
			w.awaitStatus(t, statusRecoverable)
			assert.Positive(t, w.refusedFor(t, "disk_full"))
			p.kill(t)
			a.check(t, w.site)
			p = w.start(t)
			a.check(t, w.site)
			// It cannot bring the checkpoint file up to date, and says so.
			p.end(t)
			a.check(t, w.site)
		})
	}
}

// With a reserve, the log stops before the disk is full, and retention, which must
// write to make room, may use it.
func TestReserve(t *testing.T) {
	w := newWatched(t, "").on(tmpfs(t, "8m"))
	w.exporter = "rotation: {max_size_mib: 1, compression: none}\n    retention: {max_total_size_mib: 5}"
	w.reserve = 2
	a := newAccount()
	c := w.newClient(t, a, "client", 10, 20_000)
	p := w.start(t)
	for range 60 {
		c.deliver(t)
	}
	p.stop(t)
	f := a.check(t, w.site)
	assert.Positive(t, f.report.Segments[0].FirstIndex)
}

// When the kernel makes a broken file system read-only, clients are told to try
// again. What was acknowledged is there once it has been repaired.
func TestFileSystemTurnsReadOnly(t *testing.T) {
	d := ext4(t, "16m")
	trigger := filepath.Join("/sys/fs/ext4", filepath.Base(d.device), "trigger_fs_error")
	if _, err := os.Stat(trigger); err != nil {
		t.Skipf("this kernel cannot be told to find an error: %v", err)
	}
	w := newWatched(t, "rotation: {max_size_mib: 1}").on(d)
	a := newAccount()
	c := w.newClient(t, a, "client", 10, 20_000)
	p := w.start(t)
	for range 3 {
		require.NoError(t, c.send(t.Context()))
	}
	require.NoError(t, os.WriteFile(trigger, []byte("1"), 0))
	for range 3 {
		requireRefused(t, c.send(t.Context()), "")
	}
	w.awaitStatus(t, statusRecoverable)
	assert.Contains(t, w.status(t).Error, "read-only file system")
	assert.Positive(t, w.refusedFor(t, "io"))
	p.end(t)
	d.unmount(t)
	// It exits with 1 where it has repaired something.
	output, err := exec.Command("e2fsck", "-y", d.device).CombinedOutput()
	t.Logf("e2fsck: %v: %s", err, output)
	d.mount(t)
	a.check(t, w.site)
	p = w.start(t)
	c.deliver(t)
	p.stop(t)
	a.check(t, w.site)
}

// A file that may not be changed is as good as a read-only one, until it may.
func TestImmutable(t *testing.T) {
	d := ext4(t, "16m")
	if _, err := exec.LookPath("chattr"); err != nil {
		t.Skip("chattr is not installed")
	}
	w := newWatched(t, "").on(d)
	a := newAccount()
	c := w.newClient(t, a, "client", 10, 200)
	p := w.start(t)
	require.NoError(t, c.send(t.Context()))
	active := filepath.Join(w.log, segments(t, w.log)[0])
	for _, path := range []string{active, w.log} {
		system(t, "chattr", "+i", path)
		t.Cleanup(func() { _ = exec.Command("chattr", "-i", path).Run() })
		if path == w.log {
			require.NoError(t, c.send(t.Context()), "commits do without the directory")
		} else {
			requireRefused(t, c.send(t.Context()), "operation not permitted")
			w.awaitStatus(t, statusRecoverable)
		}
		system(t, "chattr", "-i", path)
		c.deliver(t)
		w.awaitStatus(t, statusOK)
	}
	p.stop(t)
	a.check(t, w.site)
}

// A disk that does not answer makes clients wait. Nothing is acknowledged, and nothing
// piles up.
func TestDiskHangs(t *testing.T) {
	d := ext4(t, "512m")
	if _, err := exec.LookPath("fsfreeze"); err != nil {
		t.Skip("fsfreeze is not installed")
	}
	w := newWatched(t, "").on(d)
	a := newAccount()
	p := w.start(t)
	first := w.newClient(t, a, "first", 10, 200)
	require.NoError(t, first.send(t.Context()))
	system(t, "fsfreeze", "--freeze", d.path)
	thawed := false
	thaw := func() {
		if !thawed {
			system(t, "fsfreeze", "--unfreeze", d.path)
			thawed = true
		}
	}
	t.Cleanup(thaw)
	var clients []*client
	for i := range 16 {
		clients = append(clients, w.newClient(t, a, string(rune('a'+i)), 10, 100_000)) // 1 MB each
	}
	stop := load(t, clients...)
	before := a.count(acknowledged)
	eventually(t, "the collector waits for the disk", func() bool { return waitsForDisk(t, p) })
	assert.Equal(t, before, a.count(acknowledged), "nothing is acknowledged that is not on disk")
	thaw()
	eventually(t, "the clients go on", func() bool { return a.count(acknowledged) > before+5*len(clients) })
	stop()
	assert.Zero(t, a.count(refused))
	assert.Less(t, peakMemory(t, p), 400<<20, "there were never more than 16 MB of records in flight")
	p.stop(t)
	a.check(t, w.site)
}

// peakMemory returns how much memory a process has had at most, in bytes.
func peakMemory(t *testing.T, p *process) (bytes int) {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	require.NoError(t, err)
	_, peak, _ := strings.Cut(string(content), "VmHWM:")
	_, err = fmt.Sscanf(peak, "%d kB", &bytes)
	require.NoError(t, err)
	t.Logf("%d kB at most", bytes)
	return bytes << 10
}

// waitsForDisk reports whether a thread of the process is in a state from which only
// the disk can wake it.
func waitsForDisk(t *testing.T, p *process) bool {
	t.Helper()
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.cmd.Process.Pid))
	require.NoError(t, err)
	return slices.ContainsFunc(paths, func(path string) bool {
		content, err := os.ReadFile(path)
		// The state follows the name, which is in parentheses.
		_, state, _ := strings.Cut(string(content), ") ")
		return err == nil && strings.HasPrefix(state, "D")
	})
}
