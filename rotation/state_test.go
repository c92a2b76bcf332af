// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/logstate"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// withState are options of a log whose state is kept, in segments that each commit seals.
func withState(t testing.TB) rotation.Options {
	t.Helper()
	o := options(t)
	o.StateDirectory = filepath.Join(t.TempDir(), "state")
	o.MaxSegmentBytes = 1
	return o
}

func stateFile(o rotation.Options) string {
	return filepath.Join(o.StateDirectory, logstate.Name(o.Origin))
}

// written writes a log and closes it.
func written(t testing.TB, o rotation.Options, ids ...string) {
	t.Helper()
	l := open(t, o)
	for _, id := range ids {
		mustAppend(t, l, o, id)
	}
	closeLog(t, l)
}

func firstHeader(t testing.TB, dir string) segment.Header {
	t.Helper()
	listing, err := segment.List(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	r, err := segment.Open(os.DirFS(dir), listing.Segments[0].Name, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	line, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	h, err := segment.ParseHeader(line)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func namesIn(t testing.TB, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != durable.LockName {
			names = append(names, e.Name())
		}
	}
	return names
}

// A directory that does not hold all of the log is refused, and left as it is; once the log
// is back, it goes on.
func TestDirectoryThatDoesNotHoldAllOfTheLog(t *testing.T) {
	newest := func(t testing.TB, dir string) string {
		all, err := filepath.Glob(filepath.Join(dir, "audit-*"))
		if err != nil || len(all) == 0 {
			t.Fatal(all, err)
		}
		return all[len(all)-1]
	}
	for name, tt := range map[string]struct {
		// instead puts something in the place of the log in dir. older is a copy of it from
		// before the last events.
		instead func(t *testing.T, o rotation.Options, older string)
		want    error
	}{
		"emptied": {func(*testing.T, rotation.Options, string) {}, rotation.ErrMissing},
		"gone":    {func(t *testing.T, o rotation.Options, _ string) { remove(t, o.Directory) }, rotation.ErrMissing},
		"an older copy": {func(t *testing.T, o rotation.Options, older string) {
			copyDir(t, older, o.Directory)
		}, rotation.ErrNotExtended},
		"another log of the origin": {func(t *testing.T, o rotation.Options, _ string) {
			o.StateDirectory = t.TempDir()
			written(t, o, "a", "b", "c", "d", "e", "f")
		}, rotation.ErrNotExtended},
		"another history, and longer": {func(t *testing.T, o rotation.Options, older string) {
			copyDir(t, older, o.Directory)
			o.StateDirectory = ""
			written(t, o, "x", "y", "z", "more", "and more", "and more still")
		}, rotation.ErrNotExtended},
		"without the newest segment": {func(t *testing.T, o rotation.Options, _ string) {
			copyDir(t, o.Directory+".kept", o.Directory)
			remove(t, newest(t, o.Directory))
			remove(t, filepath.Join(o.Directory, sidefile.CheckpointName))
		}, rotation.ErrNotExtended},
		"without the last commit": {func(t *testing.T, o rotation.Options, _ string) {
			copyDir(t, o.Directory+".kept", o.Directory)
			remove(t, filepath.Join(o.Directory, sidefile.CheckpointName))
			path := newest(t, o.Directory)
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.SplitAfter(string(content), "\n")
			if err := os.WriteFile(path, []byte(strings.Join(lines[:len(lines)-2], "")+"garbage"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, rotation.ErrNotExtended},
		"nothing of the newest segment that fits": {func(t *testing.T, o rotation.Options, _ string) {
			copyDir(t, o.Directory+".kept", o.Directory)
			remove(t, filepath.Join(o.Directory, sidefile.CheckpointName))
			change(t, newest(t, o.Directory), func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n"), []byte(" ")) })
		}, rotation.ErrNotExtended},
	} {
		t.Run(name, func(t *testing.T) {
			o := withState(t)
			older := filepath.Join(t.TempDir(), "older")
			written(t, o, "a", "b")
			copyDir(t, o.Directory, older)
			o.MaxSegmentBytes = 0
			written(t, o, "c", "d")
			kept := o.Directory + ".kept"
			if err := os.Rename(o.Directory, kept); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(o.Directory, 0o700); err != nil {
				t.Fatal(err)
			}
			tt.instead(t, o, older)
			before := []string(nil)
			if _, err := os.Stat(o.Directory); err == nil {
				before = namesIn(t, o.Directory)
			}

			l, err := rotation.Open(t.Context(), o)
			if err == nil {
				closeLog(t, l)
			}
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), stateFile(o)) {
				t.Fatalf("%v", err)
			}
			// It never advises to go on without the state: that would be another history of the log.
			if !strings.Contains(err.Error(), "auditlog begin-anew "+strconv.Quote(stateFile(o))) {
				t.Errorf("no word of how a new log is permitted: %v", err)
			}
			if after := namesIn(t, o.Directory); !slices.Equal(before, after) {
				t.Errorf("%q, before %q", after, before)
			}

			remove(t, o.Directory)
			if err := os.Rename(kept, o.Directory); err != nil {
				t.Fatal(err)
			}
			written(t, o, "e")
			if got := read(t, o.Directory).ids; !slices.Equal(got, []string{"a", "b", "c", "d", "e"}) {
				t.Errorf("%q", got)
			}
		})
	}
}

func remove(t testing.TB, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// Who permits it gets a new log, once, which says what it succeeds.
func TestLogBegunAnew(t *testing.T) {
	o := withState(t)
	written(t, o, "a", "b")
	old := firstHeader(t, o.Directory)
	for range 2 {
		remove(t, o.Directory)
		if _, err := rotation.Open(t.Context(), o); !errors.Is(err, rotation.ErrMissing) {
			t.Fatalf("not permitted (any more): %v", err)
		}
		permitted, err := logstate.PermitAnew(stateFile(o))
		if err != nil || permitted.Log != old.Log || permitted.Size == 0 {
			t.Fatalf("%+v, %v", permitted, err)
		}
		written(t, o, "c")
		h := firstHeader(t, o.Directory)
		if h.Succeeds == nil || *h.Succeeds != *permitted || h.Log == old.Log {
			t.Errorf("%+v, permitted %+v", h, permitted)
		}
		old = h
		written(t, o, "d")
		if got := read(t, o.Directory).ids; !slices.Equal(got, []string{"c", "d"}) {
			t.Errorf("%q", got)
		}
	}
}

// What lies in the place of a state, or next to it, costs no more than a state: the directory
// is the key's by default, and others' files may have such names.
func TestFilesThatAreNoStates(t *testing.T) {
	o := withState(t)
	written(t, o, "a")
	for name, make := range map[string]func(path string) error{
		"a file that is larger than memory": func(path string) error {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				return err
			}
			return os.Truncate(path, 1<<42)
		},
		"a pipe":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"a link":      func(path string) error { return os.Symlink(stateFile(o), path) },
	} {
		other := filepath.Join(o.StateDirectory, "other.state")
		if err := make(other); err != nil {
			t.Logf("%s cannot be made here: %v", name, err)
			continue
		}
		if got, err := logstate.KnownOrigins(o.StateDirectory); err != nil || !slices.Equal(got, []string{o.Origin}) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if permitted, err := logstate.PermitAnew(other); err == nil {
			t.Errorf("%s: permitted: %+v", name, permitted)
		}
		remove(t, other)
	}
	if _, err := logstate.PermitAnew(filepath.Join(o.StateDirectory, "nowhere", "x.state")); err == nil {
		t.Error("permitted")
	}
	if _, err := os.Lstat(filepath.Join(o.StateDirectory, "nowhere")); err == nil {
		t.Error("a directory was made")
	}
}

// A permission is for the log that was missing when it was given.
func TestPermissionIsNotForALaterLog(t *testing.T) {
	o := withState(t)
	written(t, o, "a")
	if _, err := logstate.PermitAnew(stateFile(o)); err != nil {
		t.Fatal(err)
	}
	written(t, o, "b") // the log was there after all
	remove(t, o.Directory)
	if _, err := rotation.Open(t.Context(), o); !errors.Is(err, rotation.ErrMissing) {
		t.Fatalf("%v", err)
	}
}

// A log of which no state is known says so, once, and has one from then on.
func TestLogIsAdopted(t *testing.T) {
	o := withState(t)
	written(t, o, "a")
	remove(t, o.StateDirectory)
	written(t, o, "b")
	written(t, o, "c")
	n := 0
	for _, action := range read(t, o.Directory).actions {
		if action == "state_adopted" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("said %d times", n)
	}
	remove(t, o.Directory)
	if _, err := rotation.Open(t.Context(), o); !errors.Is(err, rotation.ErrMissing) {
		t.Fatalf("%v", err)
	}
}

// A state that cannot be read is no reason to believe the directory.
func TestStateThatIsNone(t *testing.T) {
	o := withState(t)
	written(t, o, "a")
	for _, content := range []string{"", "garbage", "{}\n"} {
		if err := os.WriteFile(stateFile(o), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := rotation.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), stateFile(o)) {
			t.Errorf("%q: %v", content, err)
		}
	}
}

// Two logs of one origin do not share a state, whether both are there or not.
func TestTwoLogsOfOneOrigin(t *testing.T) {
	o := withState(t)
	l := open(t, o)
	mustAppend(t, l, o, "a")
	second := o
	second.Directory = filepath.Join(t.TempDir(), "second")
	if _, err := rotation.Open(t.Context(), second); !errors.Is(err, rotation.ErrLocked) || !strings.Contains(err.Error(), o.Origin) {
		t.Errorf("%v", err)
	}
	closeLog(t, l)
	if _, err := rotation.Open(t.Context(), second); !errors.Is(err, rotation.ErrMissing) || !strings.Contains(err.Error(), "origin of its own") {
		t.Errorf("%v", err)
	}
	other := second
	other.Origin += "/other"
	written(t, other, "b")
	written(t, o, "c")
}

// A log that is there starts without its state being kept, and keeps it when it can; a new
// log is not begun.
func TestStateDirectoryThatCannotBeWritten(t *testing.T) {
	for name, errno := range map[string]syscall.Errno{"full": syscall.ENOSPC, "read-only": syscall.EROFS} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := options(t)
				o.MaxSegmentBytes = 1
				m := newModel()
				o.StateFS = m
				failing := true
				m.Only = nil
				m.Fault = func() error {
					if failing {
						return errno
					}
					return nil
				}
				if _, err := rotation.Open(t.Context(), o); !errors.Is(err, errno) || !strings.Contains(err.Error(), "state_directory") {
					t.Fatalf("a new log: %v", err)
				}
				if got := namesIn(t, o.Directory); len(got) != 0 {
					t.Errorf("%q", got)
				}
				set := func(on bool) {
					m.Mu.Lock()
					defer m.Mu.Unlock()
					failing = on
				}
				set(false)
				written(t, o, "a")
				before := m.View()[logstate.Name(o.Origin)].Data
				set(true)
				w := newWatcher()
				o.Observer = w
				l := open(t, o)
				mustAppend(t, l, o, "b")
				w.await(t, "the fault", func() bool { return len(w.states) == 1 && errors.Is(w.states[0], errno) })
				set(false)
				mustAppend(t, l, o, "c")
				w.await(t, "its end", func() bool { return len(w.states) == 2 && w.states[1] == nil })
				closeLog(t, l)
				s, err := logstate.Parse(m.View()[logstate.Name(o.Origin)].Data)
				old, oldErr := logstate.Parse(before)
				if err != nil || oldErr != nil || s.Size <= old.Size || s.Log != old.Log {
					t.Errorf("%+v, before %+v, %v, %v", s, old, err, oldErr)
				}
			})
		})
	}
}

// A state may be older than all that retention has left: one from a backup, or one that could
// not be replaced. The log goes on if the file of pruned ranges shows that it extends it.
func TestStateThatIsOlderThanTheOldestSegment(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(t *testing.T, o rotation.Options)
		opens  bool
	}{
		"an honest log": {func(*testing.T, rotation.Options) {}, true},
		"without the file": {func(t *testing.T, o rotation.Options) {
			if err := os.Remove(filepath.Join(o.Directory, sidefile.PrunedRangesName)); err != nil {
				t.Fatal(err)
			}
		}, false},
		"a changed file": {func(t *testing.T, o rotation.Options) {
			change(t, filepath.Join(o.Directory, sidefile.PrunedRangesName), func(b []byte) []byte {
				b[strings.Index(string(b), `["`)+2] ^= 1
				return b
			})
		}, false},
		"a file that is cut off": {func(t *testing.T, o rotation.Options) {
			change(t, filepath.Join(o.Directory, sidefile.PrunedRangesName), func(b []byte) []byte { return b[:len(b)/2] })
		}, false},
		"the state of another history": {func(t *testing.T, o rotation.Options) {
			change(t, stateFile(o), func(b []byte) []byte {
				at := strings.Index(string(b), `"root":"`) + len(`"root":"`)
				b[at] = map[bool]byte{true: 'B', false: 'A'}[b[at] == 'A'] // base64 still
				return b
			})
		}, false},
		"a state of no checkpoint's size": {func(t *testing.T, o rotation.Options) {
			change(t, stateFile(o), func(b []byte) []byte {
				s, err := logstate.Parse(b)
				if err != nil {
					t.Fatal(err)
				}
				s.Size--
				return s.Marshal()
			})
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := withState(t)
				written(t, o, "first")
				old, err := os.ReadFile(stateFile(o))
				if err != nil {
					t.Fatal(err)
				}
				u := failing(t, o.Directory, func(string, string) bool { return false })
				o.FS, o.Retention = u, rotation.Retention{MaxSegments: 2}
				l := open(t, o)
				s, err := logstate.Parse(old)
				if err != nil {
					t.Fatal(err)
				}
				u.await(t, l, o, "pruning", func() bool { return firstHeader(t, o.Directory).FirstIndex > s.Size })
				closeLog(t, l)
				change(t, stateFile(o), func([]byte) []byte { return old })
				tt.change(t, o)
				l, err = rotation.Open(t.Context(), o)
				if !tt.opens {
					if !errors.Is(err, rotation.ErrNotExtended) {
						t.Errorf("got %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				mustAppend(t, l, o, "more")
				closeLog(t, l)
				checkGood(t, o.Directory, o.Signer)
			})
		})
	}
}
