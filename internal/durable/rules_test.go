// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package durable_test

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/durable/durabletest"
)

// rule is one of the package's, done to the file "file" with the content "new", where there
// was "old" or nothing.
type rule struct {
	name string
	old  string // "" if there is no file
	do   func(dir durable.FS) error
	// want is what is there after it, and left what may be after it has failed or was cut
	// off, besides what was there before.
	want map[string]string
	left []map[string]string
	// gradual rules write under the name itself: who uses them knows up to where a file is
	// good, and nothing refers to a new one before it is durable.
	gradual bool
}

var rules = []rule{
	{
		name: "Replace", old: "old",
		do: func(dir durable.FS) error {
			return durable.Replace(dir, "file", durable.Private, durable.Bytes([]byte("new")))
		},
		want: map[string]string{"file": "new"},
	},
	{
		name: "Replace where there is none",
		do: func(dir durable.FS) error {
			return durable.Replace(dir, "file", durable.Public, durable.Copy(strings.NewReader("new")))
		},
		want: map[string]string{"file": "new"},
	},
	{
		name: "CreateNew",
		do: func(dir durable.FS) error {
			return durable.CreateNew(dir, "file", durable.Public, durable.Bytes([]byte("new")))
		},
		want: map[string]string{"file": "new"}, gradual: true,
	},
	{
		name: "Extend", old: "old and torn",
		do: func(dir durable.FS) error {
			end, err := durable.Extend(dir, "file", 3, durable.Bytes([]byte("new")))
			if err == nil && end != 6 {
				err = fmt.Errorf("the file ends at %d", end)
			}
			return err
		},
		want: map[string]string{"file": "oldnew"}, gradual: true,
		left: []map[string]string{{"file": "old"}}, // up to where it was good
	},
	{
		name: "Extend where there is none",
		do: func(dir durable.FS) error {
			_, err := durable.Extend(dir, "file", 0, durable.Bytes([]byte("new")))
			return err
		},
		want: map[string]string{"file": "new"},
		left: []map[string]string{{"file": ""}}, gradual: true,
	},
	{
		name: "Rename", old: "old",
		do:   func(dir durable.FS) error { return durable.Rename(dir, "file", "other") },
		want: map[string]string{"other": "old"},
	},
	{
		name: "Remove", old: "old",
		do:   func(dir durable.FS) error { return durable.Remove(dir, "gone", "file") },
		want: map[string]string{},
	},
	{
		name: "SyncExisting", old: "old",
		do:   func(dir durable.FS) error { return durable.SyncExisting(dir, "file") },
		want: map[string]string{"file": "old"},
	},
}

func (r rule) before() map[string]string {
	if r.old == "" {
		return map[string]string{}
	}
	return map[string]string{"file": r.old}
}

// isOne reports whether a directory holds what one of these says.
func isOne(holds map[string]string, one ...map[string]string) bool {
	for _, want := range one {
		if maps.Equal(holds, want) {
			return true
		}
	}
	return false
}

func (r rule) setUp(t *testing.T, dir durable.FS) {
	t.Helper()
	for name, content := range r.before() {
		require.NoError(t, durable.CreateNew(dir, name, durable.Private, durable.Bytes([]byte(content))))
	}
}

// holding lists the files of a directory. What is being written does not count, as readers
// do not count it.
func holding(t *testing.T, fsys fs.FS, temporary bool) map[string]string {
	t.Helper()
	found := map[string]string{}
	entries, err := fs.ReadDir(fsys, ".")
	require.NoError(t, err)
	for _, e := range entries {
		if e.Name() == durable.LockName || !temporary && strings.HasSuffix(e.Name(), durable.TempSuffix) {
			continue
		}
		b, err := fs.ReadFile(fsys, e.Name())
		require.NoError(t, err)
		found[e.Name()] = string(b)
	}
	return found
}

func openLocked(t *testing.T) (string, durable.FS) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dir")
	d, err := durable.OpenLocked(path)
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, d.Close())
	})
	return path, d
}

func TestRules(t *testing.T) {
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			path, d := openLocked(t)
			r.setUp(t, d)
			require.NoError(t, r.do(d))
			assert.Equal(t, r.want, holding(t, os.DirFS(path), true))
		})
	}
}

// After a rule has been obeyed, no power cut takes it back; one that comes before leaves what
// was there, or what is to be there, whole.
func TestPowerCutAtEachStep(t *testing.T) {
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for seed := range uint64(50) {
				cuts := rand.New(rand.NewPCG(seed, 0))
				m := durabletest.New()
				r.setUp(t, m)
				var left []fstest.MapFS
				m.Step = func() { left = append(left, m.Crash(cuts).View()) }
				require.NoError(t, r.do(m))
				m.Step = nil
				for i, fsys := range left {
					got := holding(t, fsys, false)
					if !r.gradual && !isOne(got, r.before(), r.want) {
						t.Errorf("seed %d, after step %d of %d: %q", seed, i+1, len(left), got)
					}
				}
				assert.Equal(t, r.want, holding(t, m.Crash(cuts).View(), true), "seed %d, after the last step", seed)
			}
		})
	}
}

// Whichever operation fails, nothing half-done is left, the error names the file and says what
// failed, and trying again succeeds.
func TestEachOperationFails(t *testing.T) {
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for at := 0; ; at++ {
				path, d := openLocked(t)
				r.setUp(t, d)
				n, failed, name := 0, "", ""
				f := &durabletest.Failing{FS: d, Fail: func(op, on string) error {
					n++
					if n-1 == at {
						failed, name = op, on
						return syscall.EIO
					}
					return nil
				}}
				err := r.do(f)
				if failed == "" {
					require.NoError(t, err)
					return
				}
				if !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), failed+" "+name) || !strings.Contains(err.Error(), cmp.Or(name, "file")) {
					t.Errorf("%s fails: %v", failed, err)
				}
				got := holding(t, os.DirFS(path), true)
				one := append(r.left, r.before())
				if failed == "sync directory" || r.gradual && (failed == "sync" || failed == "close") {
					one = append(one, r.want) // it is there, but may not last
				}
				assert.True(t, isOne(got, one...), "%s fails", failed)
				err = r.do(d)
				if errors.Is(err, fs.ErrNotExist) && r.name == "Rename" {
					err = nil // it says that it was done before
				}
				assert.NoError(t, err, "after %s failed", failed)
				assert.Equal(t, r.want, holding(t, os.DirFS(path), true), "after %s failed, and another try", failed)
			}
		})
	}
}

// A writer that was cut off may leave what it was writing, for the next to write over.
func TestReplaceAfterACut(t *testing.T) {
	path, d := openLocked(t)
	require.NoError(t, os.WriteFile(filepath.Join(path, "file"+durable.TempSuffix), []byte("half of something longer"), 0o644))
	require.NoError(t, durable.Replace(d, "file", durable.Private, durable.Bytes([]byte("new"))))
	assert.Equal(t, map[string]string{"file": "new"}, holding(t, os.DirFS(path), true))
}

func TestContentThatFails(t *testing.T) {
	broken := errors.New("the source is broken")
	content := func(w io.Writer) error {
		_, err := io.WriteString(w, "half")
		return errors.Join(err, broken)
	}
	for name, do := range map[string]func(durable.FS) error{
		"Replace":   func(d durable.FS) error { return durable.Replace(d, "file", durable.Private, content) },
		"CreateNew": func(d durable.FS) error { return durable.CreateNew(d, "new", durable.Private, content) },
		"Extend":    func(d durable.FS) error { _, err := durable.Extend(d, "file", 3, content); return err },
	} {
		t.Run(name, func(t *testing.T) {
			path, d := openLocked(t)
			rule{old: "old"}.setUp(t, d)
			assert.ErrorIs(t, do(d), broken)
			assert.Equal(t, map[string]string{"file": "old"}, holding(t, os.DirFS(path), true))
		})
	}
}

func TestModes(t *testing.T) {
	old := syscall.Umask(0o077)
	t.Cleanup(func() { syscall.Umask(old) })
	for _, mode := range []fs.FileMode{durable.Private, durable.Public} {
		for name, do := range map[string]func(durable.FS, string, fs.FileMode, durable.Content) error{"CreateNew": durable.CreateNew, "Replace": durable.Replace} {
			path, d := openLocked(t)
			require.NoError(t, do(d, "file", mode, durable.Bytes([]byte("new"))))
			if info, err := os.Stat(filepath.Join(path, "file")); err != nil || info.Mode().Perm() != mode {
				t.Errorf("%s: %v, %v, want %v", name, info.Mode(), err, mode)
			}
		}
	}
}

// Nothing that has a name is overwritten: a file, a link, one that leads nowhere, a directory.
func TestCreateNewNeverOverwrites(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"a file":                    func(path string) error { return os.WriteFile(path, []byte("old"), 0o600) },
		"a link to a file":          func(path string) error { return os.Symlink("kept", path) },
		"a link that leads nowhere": func(path string) error { return os.Symlink("made", path) },
		"a directory":               func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			path, d := openLocked(t)
			require.NoError(t, errors.Join(os.WriteFile(filepath.Join(path, "kept"), []byte("kept"), 0o600), make(filepath.Join(path, "file"))))
			before, err := os.Lstat(filepath.Join(path, "file"))
			require.NoError(t, err)
			err = durable.CreateNew(d, "file", durable.Private, durable.Bytes([]byte("new")))
			if !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), filepath.Join(path, "file")) {
				t.Errorf("%v", err)
			}
			after, err := os.Lstat(filepath.Join(path, "file"))
			assert.NoError(t, err)
			assert.True(t, os.SameFile(before, after))
			b, err := os.ReadFile(filepath.Join(path, "kept"))
			assert.Equal(t, "kept", string(b), "%q, %v", b, err)
			_, err = os.Lstat(filepath.Join(path, "made"))
			assert.ErrorIs(t, err, fs.ErrNotExist, "a link was followed")
		})
	}
}

// What somebody has cut off is not filled up with zeros.
func TestExtendOfAShorterFile(t *testing.T) {
	path, d := openLocked(t)
	rule{old: "old"}.setUp(t, d)
	_, err := durable.Extend(d, "file", 4, durable.Bytes([]byte("new")))
	assert.ErrorIs(t, err, durable.ErrShort)
	_, err = durable.Extend(d, "gone", 4, durable.Bytes([]byte("new")))
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.Equal(t, map[string]string{"file": "old"}, holding(t, os.DirFS(path), true))
}

// The rename that an earlier attempt has made is synced by the next.
func TestRenameAgain(t *testing.T) {
	m := durabletest.New()
	rule{old: "old"}.setUp(t, m)
	f := &durabletest.Failing{FS: m, Fail: func(op, _ string) error {
		if op == "sync directory" {
			return syscall.EIO
		}
		return nil
	}}
	for range 2 {
		err := durable.Rename(f, "file", "other")
		assert.ErrorIs(t, err, syscall.EIO)
		assert.NotErrorIs(t, err, fs.ErrNotExist)
	}
	assert.ErrorIs(t, durable.Rename(m, "file", "other"), fs.ErrNotExist)
	for seed := range uint64(20) {
		assert.Equal(t, map[string]string{"other": "old"}, holding(t, m.Crash(rand.New(rand.NewPCG(seed, 0))).View(), true))
	}
}
