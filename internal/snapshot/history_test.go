// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/snapshot"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// history remembers each state that a writer's directory has been in.
type history struct {
	durable.FS
	mu     sync.Mutex
	states []fstest.MapFS
	// deleted counts the segments that were, compressed ones.
	deleted int
}

func (h *history) deletions() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.deleted
}

func (h *history) change(f func(next fstest.MapFS)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	next := fstest.MapFS{}
	if n := len(h.states); n > 0 {
		next = maps.Clone(h.states[n-1])
	}
	f(next)
	h.states = append(h.states, next)
}

func (h *history) Create(name string) (durable.File, error) {
	f, err := h.FS.Create(name)
	if err == nil {
		h.change(func(next fstest.MapFS) { next[name] = &fstest.MapFile{Mode: 0o600} })
		f = &written{f, h, name}
	}
	return f, err
}

func (h *history) Edit(name string) (durable.File, error) {
	f, err := h.FS.Edit(name)
	if err == nil {
		f = &written{f, h, name}
	}
	return f, err
}

func (h *history) Rename(from, to string) error {
	err := h.FS.Rename(from, to)
	if err == nil {
		h.change(func(next fstest.MapFS) { next[to] = next[from]; delete(next, from) })
	}
	return err
}

func (h *history) Remove(name string) error {
	err := h.FS.Remove(name)
	if err == nil {
		h.change(func(next fstest.MapFS) { delete(next, name) })
		h.mu.Lock()
		if parsed, err := segment.ParseName(name); err == nil && parsed.Compression != compression.None {
			h.deleted++
		}
		h.mu.Unlock()
	}
	return err
}

type written struct {
	durable.File
	h    *history
	name string
}

func (w *written) WriteAt(p []byte, at int64) (int, error) {
	n, err := w.File.WriteAt(p, at)
	w.h.change(func(next fstest.MapFS) {
		var data []byte
		if f := next[w.name]; f != nil {
			data = f.Data
		}
		data = append(bytes.Clone(data[:min(at, int64(len(data)))]), p[:n]...)
		next[w.name] = &fstest.MapFile{Data: data, Mode: 0o600}
	})
	return n, err
}

func (w *written) Truncate(size int64) error {
	err := w.File.Truncate(size)
	if err == nil {
		w.h.change(func(next fstest.MapFS) {
			if f := next[w.name]; f != nil {
				next[w.name] = &fstest.MapFile{Data: f.Data[:size], Mode: 0o600}
			}
		})
	}
	return err
}

// recorded is the history of a log that grew, changed keys, compressed and deleted.
func recorded(t *testing.T) (*history, *signing.PublicKey) {
	t.Helper()
	h := &history{}
	dir := filepath.Join(t.TempDir(), "log")
	var err error
	h.FS, err = durable.OpenLocked(dir)
	require.NoError(t, err)
	l := newLog(t, rotation.Options{FS: h, MaxSegmentBytes: 6000, Compression: compression.Gzip, Retention: rotation.Retention{MaxSegments: 4}})
	for h.deletions() < 3 {
		require.NoError(t, l.grow(3))
	}
	l.Close()
	return h, l.first
}

// moving is a directory that goes on through its history while it is read.
type moving struct {
	h    *history
	at   *int
	step func() int
}

func (m moving) state() fstest.MapFS {
	*m.at = min(*m.at+m.step(), len(m.h.states)-1)
	return m.h.states[*m.at]
}

func (m moving) Open(name string) (fs.File, error)          { return m.state().Open(name) }
func (m moving) Lstat(name string) (fs.FileInfo, error)     { return m.state().Lstat(name) }
func (m moving) ReadLink(name string) (string, error)       { return m.state().ReadLink(name) }
func (m moving) ReadDir(name string) ([]fs.DirEntry, error) { return m.state().ReadDir(name) }

// unpacked is what a tar archive holds.
func unpacked(r io.Reader) (fstest.MapFS, error) {
	files := fstest.MapFS{}
	for in := tar.NewReader(r); ; {
		h, err := in.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(in)
		if err != nil {
			return nil, err
		}
		if files[h.Name] != nil {
			return nil, fmt.Errorf("%s is there twice", h.Name)
		}
		files[h.Name] = &fstest.MapFile{Data: data, Mode: fs.FileMode(h.Mode)}
	}
}

// Whatever a writer does between any two looks at its directory, the copy is a good log, that
// holds all that was known to be durable before.
func TestCopiesBetweenAnyTwoSteps(t *testing.T) {
	h, key := recorded(t)
	t.Logf("%d states", len(h.states))
	outrun := 0
	rapid.Check(t, func(rt *rapid.T) {
		at := rapid.IntRange(0, len(h.states)-1).Draw(rt, "state")
		quick := rapid.SampledFrom([]int{1, 2, 5, 20}).Draw(rt, "quick")
		steps := rapid.SliceOfN(rapid.IntRange(0, quick), 400, 400).Draw(rt, "steps")
		var least signing.Checkpoint // zero if there is none yet
		if f := h.states[at][sidefile.CheckpointName]; f != nil {
			least, _ = signing.ParseCheckpoint(f.Data)
		}
		var err error
		var out bytes.Buffer
		synctest.Test(t, func(*testing.T) {
			_, err = snapshot.Tar(context.Background(), moving{h, &at, func() int {
				if len(steps) == 0 {
					return quick
				}
				n := steps[0]
				steps = steps[1:]
				return n
			}}, &out, snapshot.Options{})
		})
		if errors.Is(err, snapshot.ErrOutrun) {
			outrun++
			return
		}
		if errors.Is(err, verify.ErrNoLog) && least.Size == 0 {
			return
		}
		require.NoError(rt, err)
		files, err := unpacked(&out)
		require.NoError(rt, err)
		o := verify.Options{Keys: []*signing.PublicKey{key}}
		if least.Size > 0 {
			o.Checkpoints = []verify.Kept{{Note: least.Note}}
		}
		r, err := verify.Log(context.Background(), files, o)
		require.NoError(rt, err)
		if !clean(r) {
			rt.Fatalf("%s: %+v\n%v", r.Verdict, r.Findings, names(files))
		}
	})
	t.Logf("%d outrun", outrun)
}

func names(files fstest.MapFS) (all []string) {
	for name, f := range files {
		all = append(all, fmt.Sprintf("%s %d", name, len(f.Data)))
	}
	return all
}
