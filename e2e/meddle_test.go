// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otel-auditlog/auditlogexporter/verify"
)

// What somebody does to the active segment of a running collector is noticed before
// the next acknowledgement, and said in the log. What can be kept is kept; what cannot,
// the verifier finds, and names the file.
func TestActiveSegmentMeddledWith(t *testing.T) {
	for name, tt := range map[string]struct {
		do   func(t *testing.T, path string)
		lost bool
	}{
		"removed":     {do: func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) }},
		"renamed":     {do: func(t *testing.T, path string) { require.NoError(t, os.Rename(path, path+".old")) }},
		"appended to": {do: func(t *testing.T, path string) { appendTo(t, path, "{\"event\":{}}\n") }},
		"half a line appended": {do: func(t *testing.T, path string) {
			appendTo(t, path, `{"event":`)
		}},
		"replaced by a copy": {do: func(t *testing.T, path string) {
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.WriteFile(path, content, 0o600))
		}},
		"replaced by a link to itself": {do: func(t *testing.T, path string) {
			require.NoError(t, os.Rename(path, path+".old"))
			require.NoError(t, os.Symlink(filepath.Base(path)+".old", path))
		}},
		"replaced by a link out": {do: func(t *testing.T, path string) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.Symlink("/dev/null", path))
		}},
		"replaced by a directory": {do: func(t *testing.T, path string) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.Mkdir(path, 0o700))
		}},
		"replaced by a pipe": {do: func(t *testing.T, path string) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, unix.Mkfifo(path, 0o600))
		}},
		"truncated": {lost: true, do: func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, 1500)) }},
		"emptied":   {lost: true, do: func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, 0)) }},
		"emptied and written to": {lost: true, do: func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path, []byte("rotated by a script\n"), 0o600))
		}},
		"extended by a hole": {do: func(t *testing.T, path string) {
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.NoError(t, os.Truncate(path, info.Size()+64<<20))
		}},
		"filled with zeros": {lost: true, do: func(t *testing.T, path string) {
			require.NoError(t, os.Truncate(path, 0))
			require.NoError(t, os.Truncate(path, 64<<20))
		}},
		"written over by a longer log of another name": {lost: true, do: func(t *testing.T, path string) {
			info, err := os.Stat(path)
			require.NoError(t, err)
			other := newWatched(t, "")
			other.origin = "other.example/auditlog"
			p := other.start(t)
			c := other.newClient(t, newAccount(), "other", 100, 1000)
			require.NoError(t, c.send(t.Context()))
			p.stop(t)
			content, err := os.ReadFile(filepath.Join(other.log, segments(t, other.log)[0]))
			require.NoError(t, err)
			require.Greater(t, int64(len(content)), info.Size())
			require.NoError(t, os.WriteFile(path, content, 0o600))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWatched(t, "")
			a := newAccount()
			c := w.newClient(t, a, "client", 5, 1000)
			p := w.start(t)
			for range 3 {
				require.NoError(t, c.send(t.Context()))
			}
			active := segments(t, w.log)[0]
			tt.do(t, filepath.Join(w.log, active))
			require.NoError(t, c.send(t.Context()), "it goes on at once")
			require.NoError(t, c.send(t.Context()))
			w.awaitStatus(t, statusOK)
			p.stop(t)

			code, report := runVerify(t, w.log, "--key", w.public)
			if tt.lost {
				require.Equal(t, 1, code)
				assert.True(t, slices.ContainsFunc(report.Findings, func(f verify.Finding) bool {
					return f.Severity == verify.Tampering && f.Segment == active
				}), "%+v", report.Findings)
				assert.True(t, slices.ContainsFunc(report.Findings, func(f verify.Finding) bool { return f.Kind == verify.Kind("damaged") }), "%+v", report.Findings)
			} else {
				f := a.check(t, w.site)
				assert.True(t, f.has("recovered", "interference"), "%v", f.actions)
			}

			// The next start goes on, too.
			p = w.start(t)
			require.NoError(t, c.send(t.Context()))
			p.stop(t)
			again, _ := runVerify(t, w.log, "--key", w.public)
			require.Equal(t, code, again)
		})
	}
}

// A sealed segment is not looked at by commits. The verifier names what was done to it.
func TestSealedSegmentMeddledWith(t *testing.T) {
	for name, tt := range map[string]struct {
		do   func(t *testing.T, path string)
		kind verify.Kind
	}{
		"removed":     {func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) }, verify.SegmentMissing},
		"truncated":   {func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, 1000)) }, ""},
		"appended to": {func(t *testing.T, path string) { appendTo(t, path, "x\n") }, ""},
		"replaced by a link": {func(t *testing.T, path string) {
			require.NoError(t, os.Rename(path, path+".old"))
			require.NoError(t, os.Symlink(filepath.Base(path)+".old", path))
		}, verify.SegmentUnreadable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWatched(t, "rotation: {max_size_mib: 1, compression: none}")
			a := newAccount()
			c := w.newClient(t, a, "client", 8, 140_000)
			p := w.start(t)
			for range 4 {
				require.NoError(t, c.send(t.Context()))
			}
			sealed := segments(t, w.log)[1]
			tt.do(t, filepath.Join(w.log, sealed))
			for range 2 {
				require.NoError(t, c.send(t.Context()))
			}
			p.stop(t)
			names := segments(t, w.log)
			code, report := runVerify(t, w.log, "--key", w.public)
			require.Equal(t, 1, code)
			assert.True(t, slices.ContainsFunc(report.Findings, func(f verify.Finding) bool {
				return f.Severity == verify.Tampering && (tt.kind == "" || f.Kind == tt.kind) && (f.Segment == sealed || slices.Contains(names, f.Segment) && f.Kind == verify.SegmentMissing)
			}), "%+v", report.Findings)
		})
	}
}

// While the log's directory is not in its place, clients are told to try again.
func TestDirectoryMovedAway(t *testing.T) {
	for name, tt := range map[string]struct {
		away, back func(t *testing.T, dir string)
		says       string
	}{
		"moved": {
			func(t *testing.T, dir string) { require.NoError(t, os.Rename(dir, dir+"-away")) },
			func(t *testing.T, dir string) { require.NoError(t, os.Rename(dir+"-away", dir)) },
			"is gone",
		},
		"another in its place": {
			func(t *testing.T, dir string) {
				require.NoError(t, os.Rename(dir, dir+"-away"))
				require.NoError(t, os.Mkdir(dir, 0o700))
			},
			func(t *testing.T, dir string) {
				require.NoError(t, os.Remove(dir))
				require.NoError(t, os.Rename(dir+"-away", dir))
			},
			"another directory has taken its place",
		},
		"a link to nowhere in its place": {
			func(t *testing.T, dir string) {
				require.NoError(t, os.Rename(dir, dir+"-away"))
				require.NoError(t, os.Symlink(dir+"-nowhere", dir))
			},
			func(t *testing.T, dir string) {
				require.NoError(t, os.Remove(dir))
				require.NoError(t, os.Rename(dir+"-away", dir))
			},
			"is gone",
		},
		"mounted over": {
			func(t *testing.T, dir string) {
				needRoot(t)
				if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
					t.Skipf("a tmpfs cannot be mounted here: %v", err)
				}
			},
			func(t *testing.T, dir string) { require.NoError(t, unix.Unmount(dir, 0)) },
			"another directory has taken its place",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWatched(t, "rotation: {max_size_mib: 1}")
			a := newAccount()
			c := w.newClient(t, a, "client", 8, 140_000)
			p := w.start(t)
			for range 2 {
				require.NoError(t, c.send(t.Context()))
				tt.away(t, w.log)
				for range 3 {
					requireRefused(t, c.send(t.Context()), tt.says)
				}
				w.awaitStatus(t, statusRecoverable)
				assert.Contains(t, w.status(t).Error, tt.says)
				tt.back(t, w.log)
				c.deliver(t)
				w.awaitStatus(t, statusOK)
			}
			assert.Positive(t, w.refusedFor(t, "interference"))
			w.awaitMaintenance(t, ".jsonl.zst", 0)
			p.stop(t)
			f := a.check(t, w.site)
			assert.True(t, f.has("resumed", "interference"), "%v", f.actions)
		})
	}
}

// A directory that is removed for good takes the log with it. Nothing is acknowledged
// any more, and nothing is begun anew behind the operator's back.
func TestDirectoryRemoved(t *testing.T) {
	t.Parallel()
	w := newWatched(t, "")
	a := newAccount()
	c := w.newClient(t, a, "client", 5, 100)
	p := w.start(t)
	require.NoError(t, c.send(t.Context()))
	require.NoError(t, os.RemoveAll(w.log))
	for range 3 {
		requireRefused(t, c.send(t.Context()), "is gone")
	}
	w.awaitStatus(t, statusRecoverable)
	require.NoError(t, os.Mkdir(w.log, 0o700))
	requireRefused(t, c.send(t.Context()), "another directory has taken its place")
	p.end(t)
	require.Empty(t, segments(t, w.log))
}

// The checkpoint file is a convenience: what is done to it does not matter, and it is
// brought up to date.
func TestCheckpointFileMeddledWith(t *testing.T) {
	for name, do := range map[string]func(t *testing.T, path string){
		"removed": func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) },
		"emptied": func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, 0)) },
		"replaced by a link out": func(t *testing.T, path string) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.Symlink("/dev/null", path))
		},
		"replaced by a pipe": func(t *testing.T, path string) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, unix.Mkfifo(path, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWatched(t, "")
			a := newAccount()
			c := w.newClient(t, a, "client", 5, 100)
			p := w.start(t)
			require.NoError(t, c.send(t.Context()))
			path := filepath.Join(w.log, "checkpoint")
			eventually(t, "there is a checkpoint file", func() bool { _, err := os.Lstat(path); return err == nil })
			p.kill(t)
			do(t, path)
			p = w.start(t)
			require.NoError(t, c.send(t.Context()))
			do(t, path)
			p.stop(t)
			a.check(t, w.site)
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			code, _ := runVerify(t, w.log, "--key", w.public, "--checkpoint", path)
			require.Zero(t, code, "%s", content)
		})
	}
}

// A second collector does not start on a log that is being written, even if somebody
// has removed the lock file that he took for stale.
func TestSecondCollector(t *testing.T) {
	for name, before := range map[string]func(t *testing.T, w *watched){
		"locked":            func(*testing.T, *watched) {},
		"lock file removed": func(t *testing.T, w *watched) { require.NoError(t, os.Remove(filepath.Join(w.log, ".lock"))) },
		"lock file replaced": func(t *testing.T, w *watched) {
			require.NoError(t, os.Remove(filepath.Join(w.log, ".lock")))
			require.NoError(t, os.WriteFile(filepath.Join(w.log, ".lock"), nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWatched(t, "")
			a := newAccount()
			c := w.newClient(t, a, "client", 5, 100)
			p := w.start(t)
			require.NoError(t, c.send(t.Context()))
			before(t, w)
			require.NoError(t, c.send(t.Context()))

			second := newWatched(t, "")
			second.log, second.key = w.log, w.key
			q := launch(t, second.dir, append([]string{collector}, second.arguments(t)...)...)
			eventually(t, "the second collector ends", q.ended)
			require.Error(t, q.err)
			assert.Contains(t, q.output.String(), "another writer holds the lock")
			assert.Contains(t, q.output.String(), w.log)

			require.NoError(t, c.send(t.Context()))
			w.awaitStatus(t, statusOK)
			p.stop(t)
			a.check(t, w.site)
		})
	}
}
