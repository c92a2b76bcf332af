// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// systemCall is one by which the log uses its directory.
type systemCall struct {
	name string
	// byPath: calls with other files than the directory and the key's are left alone. It
	// does not work for segments, whose names are not known beforehand; but nobody else
	// in a watched collector makes the other calls.
	byPath bool
}

// needStrace skips the test if strace cannot inject errors here.
func needStrace(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is not installed: it makes system calls fail")
	}
	// Some systems and containers do not let processes be traced.
	if output, err := exec.Command("strace", "-o", os.DevNull, "-e", "inject=chdir:error=EIO:when=60000", "true").CombinedOutput(); err != nil {
		t.Skipf("strace does not work here: %v: %s", err, output)
	}
}

// straceArgs returns the arguments that have strace do something, such as
// error=EIO:when=3, to a call, and write what it did to a file.
func (w *watched) straceArgs(c systemCall, do, record string) []string {
	args := []string{"-f", "-qq", "-o", record, "-e", "signal=none", "-e", "trace=" + c.name, "-e", "inject=" + c.name + ":" + do}
	if c.byPath {
		for _, path := range []string{w.log, w.key, w.key + ".next", w.key + ".retired"} {
			args = append(args, "-P", path)
		}
	}
	return args
}

// launchTraced starts a collector under strace; its process is the collector's.
func (w *watched) launchTraced(t *testing.T, c systemCall, do, record string) *process {
	t.Helper()
	command := append([]string{"strace", "-D"}, w.straceArgs(c, do, record)...)
	if !strings.HasPrefix(do, "signal=") {
		// Other calls are not stopped, which is much faster. With it, strace 6.1 sends
		// signals at the first call only.
		command = append(command, "--seccomp-bpf")
	}
	return launch(t, w.dir, append(append(command, collector), w.arguments(t)...)...)
}

// attach has strace do something to calls of a running collector until detach is
// called.
func (w *watched) attach(t *testing.T, p *process, c systemCall, do string) (injected func() int, detach func()) {
	t.Helper()
	record := filepath.Join(t.TempDir(), "strace")
	pid := p.cmd.Process.Pid
	// One thread after another is seized; that all are is to be seen in /proc.
	s := launch(t, w.dir, append(append([]string{"strace"}, w.straceArgs(c, do, record)...), "-p", strconv.Itoa(pid))...)
	eventually(t, "strace has attached", func() bool {
		require.False(t, s.ended(), "strace: %s", s.output)
		return allTraced(t, pid, s.cmd.Process.Pid)
	})
	injected = func() int { return injections(t, record) }
	return injected, func() {
		t.Helper()
		if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
			require.ErrorIs(t, err, os.ErrProcessDone) // with the collector
		}
		eventually(t, "strace has detached", s.ended)
	}
}

// allTraced reports whether a process traces all threads of another.
func allTraced(t *testing.T, pid, tracer int) bool {
	t.Helper()
	paths, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/status")
	require.NoError(t, err)
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		if !strings.Contains(string(content), "TracerPid:\t"+strconv.Itoa(tracer)+"\n") {
			return false
		}
	}
	return len(paths) > 0
}

// injections counts the calls that strace has done something to.
func injections(t *testing.T, record string) int {
	t.Helper()
	content, err := os.ReadFile(record)
	require.NoError(t, err)
	return strings.Count(string(content), "(INJECTED)") + strings.Count(string(content), "(DELAYED)")
}

// segmentName replaces what differs from run to run in a traced call.
var segmentName = regexp.MustCompile(`audit-[0-9]{20}-[0-9]{8}T[0-9]{6}Z`)
