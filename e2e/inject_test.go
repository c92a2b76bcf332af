// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var injectAll = flag.Bool("inject.all", false, "have TestOneCallFails go through all call numbers and errors, instead of a few")

// The calls with the log's directory that can fail one by one.
var systemCalls = []struct {
	systemCall
	errors []string
	usual  int // the number tried without -inject.all
}{
	{systemCall{name: "pwrite64"}, []string{"EIO", "ENOSPC", "EDQUOT", "EINTR"}, 3},
	{systemCall{name: "fdatasync"}, []string{"EIO", "ENOSPC", "EINTR"}, 2},
	{systemCall{name: "fsync"}, []string{"EIO", "ENOSPC", "EINTR"}, 3},
	{systemCall{name: "ftruncate"}, []string{"EIO", "EINTR"}, 1},
	{systemCall{name: "openat", byPath: true}, []string{"EIO", "EMFILE", "ENOSPC", "EROFS", "EINTR"}, 4},
	{systemCall{name: "renameat", byPath: true}, []string{"EIO", "ENOSPC", "EROFS", "EINTR"}, 2},
	{systemCall{name: "unlinkat", byPath: true}, []string{"EIO", "EROFS", "EINTR"}, 2},
	{systemCall{name: "newfstatat", byPath: true}, []string{"EIO"}, 5},
	{systemCall{name: "fstatfs", byPath: true}, []string{"EIO"}, 2},
	{systemCall{name: "getdents64", byPath: true}, []string{"EIO"}, 1},
}

// keyModes are what the configuration may say of when the key is replaced.
func keyModes() []string {
	if *injectAll {
		return []string{"never", "segment"}
	}
	return []string{"segment"} // in which there is more to fail
}

// Any one call with the log's directory, or with its key, may fail, at the start, in a commit, while a
// segment is sealed, compressed or deleted. Clients are told to try again, and then
// all goes on by itself; or the collector does not start, and says why, and does so
// the next time.
//
// Strace counts calls by thread, so number n is made to fail once in each thread that
// gets so far.
func TestOneCallFails(t *testing.T) {
	needStrace(t)
	log := brokenOff(t)
	for _, keys := range keyModes() {
		for _, c := range systemCalls {
			does := append([]string(nil), c.errors...)
			if !*injectAll {
				does = does[:1]
			}
			for _, does := range does {
				t.Run(keys+"/"+c.name+"/"+does, func(t *testing.T) {
					t.Parallel()
					everyNumber(t, c.usual, func(t *testing.T, n int) (injected int) {
						return oneCallFails(t, log, keys, c.systemCall, fmt.Sprintf("error=%s:when=%d", does, n))
					})
				})
			}
		}
	}
}

// A collector may be killed at any call with the log's directory.
func TestKilledAtOneCall(t *testing.T) {
	needStrace(t)
	log := brokenOff(t)
	for _, keys := range keyModes() {
		for _, c := range systemCalls {
			t.Run(keys+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				everyNumber(t, c.usual, func(t *testing.T, n int) (injected int) {
					return oneCallFails(t, log, keys, c.systemCall, fmt.Sprintf("signal=SIGKILL:when=%d", n))
				})
			})
		}
	}
}

// everyNumber tries all call numbers from 1 until there is no such call, or only the
// usual one.
func everyNumber(t *testing.T, usual int, try func(t *testing.T, n int) (injected int)) {
	calls, last := 0, 0
	for n := 1; n == 1 || last > 0; n++ {
		if !*injectAll {
			n = usual
		}
		if !t.Run(fmt.Sprint(n), func(t *testing.T) { last = try(t, n) }) {
			return
		}
		calls += last
		if !*injectAll {
			assert.Positive(t, calls, "there is no call of that number")
			return
		}
	}
	t.Logf("%d calls", calls)
}

// brokenOff returns the files of a log, with its key, in the state that a crash may
// leave it: behind the last checkpoint there is half an event, and a file is
// unfinished.
func brokenOff(t *testing.T) string {
	t.Helper()
	s := newSite(t, "rotation: {max_size_mib: 1}")
	p := s.start(t)
	s.fill(t, "before", 1200)
	s.awaitMaintenance(t, ".jsonl.zst", 0)
	p.stop(t)
	names := segments(t, s.log)
	appendTo(t, filepath.Join(s.log, names[len(names)-1]), `{"event":{"agent_id":`)
	require.NoError(t, os.WriteFile(filepath.Join(s.log, names[0]+".tmp"), []byte("x"), 0o600))
	return s.dir
}

// continueLog returns a site that continues a copy of a log that brokenOff made, and
// an account of what is in it.
func continueLog(t *testing.T, from, exporter string) (*watched, *account) {
	t.Helper()
	w := newWatched(t, exporter)
	require.NoError(t, os.CopyFS(w.log, os.DirFS(filepath.Join(from, "audit-log"))))
	require.NoError(t, os.Chmod(w.log, 0o700))
	for _, path := range []string{w.key, w.public} {
		content, err := os.ReadFile(filepath.Join(from, filepath.Base(path)))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, content, 0o600))
	}
	a := newAccount()
	ids := numbered("before", 1200)
	for from := 0; from < len(ids); from += 100 {
		a.note("before", ids[from:from+100], acknowledged)
	}
	return w, a
}

// oneCallFails runs a collector through a log's life, with something done to one call
// in each thread. It returns to how many it was done.
func oneCallFails(t *testing.T, log, keys string, call systemCall, do string) (injected int) {
	t.Helper()
	const keep = 4
	w, a := continueLog(t, log, fmt.Sprintf("rotation: {max_size_mib: 1}\n    retention: {max_segments: %d}", keep))
	w.keys = keys
	record := filepath.Join(w.dir, "strace")
	killed := strings.HasPrefix(do, "signal=SIGKILL")
	p := w.launchTraced(t, call, do, record)
	p.killed = killed
	traced := p
	eventually(t, "the collector is up or has ended", func() bool { return p.ended() || isReady(w.health+"/status") })
	restart := func() {
		if !killed {
			// It did not start, and says why.
			require.Regexp(t, regexp.QuoteMeta(w.log)+"|"+regexp.QuoteMeta(w.key), p.output.String())
		}
		p = w.start(t)
	}
	if p.ended() {
		restart()
	}
	c := w.newClient(t, a, "client", 4, 150_000)
	for range 7 {
		err := c.send(t.Context())
		eventually(t, "a batch is acknowledged", func() bool {
			if err == nil {
				return true
			}
			switch {
			case !killed || outcomeOf(err) != unanswered:
				requireRefused(t, err, "")
			case p == traced:
				eventually(t, "the collector has ended", p.ended)
				restart()
			default:
				// The client tells of its last attempt to connect, before the restart.
				require.False(t, p.ended(), "a collector ended that nothing was done to: %v", err)
			}
			err = c.resend(t.Context())
			return err == nil
		})
	}
	eventually(t, "sealed segments are compressed and old ones deleted", func() bool {
		if killed && p.ended() {
			restart()
		}
		names := segments(t, w.log)
		return len(names) <= keep && !strings.Contains(strings.Join(names[:len(names)-1], " ")+" ", ".jsonl ")
	})
	if !p.ended() {
		w.awaitStatus(t, statusOK)
		p.end(t)
		// Its last calls may have been the ones that failed.
		if p.err != nil && !killed {
			require.Contains(t, p.output.String(), "audit log")
		}
	}
	injected = injections(t, record)
	if killed && traced.ended() && traced.cmd.ProcessState.ExitCode() < 0 {
		injected = 1
	}
	f := a.check(t, w.site)
	for _, finding := range f.report.Findings {
		assert.NotEqual(t, "unknown_file", string(finding.Kind), "%+v", finding)
	}

	p = w.start(t)
	require.NoError(t, c.send(t.Context()))
	p.stop(t)
	a.check(t, w.site)
	if t.Failed() {
		content, _ := os.ReadFile(record)
		t.Logf("strace:\n%s", segmentName.ReplaceAll(content, []byte("SEGMENT")))
	}
	return injected
}
