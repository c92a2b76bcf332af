// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"bytes"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing/fstest"

	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// model is a directory in memory that knows what a power cut may leave of it. What
// has not been synced may be there, in part or not at all, and in any combination:
// each write to a file by itself, torn at any byte, and each change of the directory
// by itself.
type model struct {
	mu      *sync.Mutex       // of all directories that one power cut comes to
	names   map[string]*inode // as the running system sees them
	durable map[string]*inode // as of the last Sync
	changes []entryChange     // of the directory, since then
	// step is called, locked, after each operation that changes something; last names
	// what it was done to, "" for the directory.
	step func()
	last string
	// fault is asked, locked, before each operation on a segment, or on anything if
	// everywhere is set; an error makes it fail.
	fault      func() error
	everywhere bool
	asked      string // the name of the operation that fault is asked of
	// reached says whether a write reached the disk though its sync failed. If not,
	// it is in the cache alone: no later sync writes it, though readers see it until
	// the cache forgets.
	reached func() bool
}

// inode is a file's content. What now and durable hold is never changed, only replaced,
// so that views and copies share it.
type inode struct {
	now     []byte
	durable []byte
	writes  []write // since the last sync
}

// write is a write, or, if cut is set, a truncation to at.
type write struct {
	at  int64
	p   []byte
	cut bool
}

// entryChange gives a name to a file, or takes it away if node is nil. A rename is two of
// them that go together.
type entryChange struct {
	name, from string
	node       *inode
}

func newModel() *model {
	return &model{mu: new(sync.Mutex), names: map[string]*inode{}, durable: map[string]*inode{}}
}

func (m *model) locked(name string, f func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := segment.ParseName(name); (err == nil || m.everywhere) && m.fault != nil {
		m.asked = name
		if err := m.fault(); err != nil {
			return err
		}
	}
	err := f()
	if err == nil && m.step != nil {
		m.last = name
		m.step()
	}
	return err
}

func apply(names map[string]*inode, c entryChange) {
	if c.from != "" {
		// A rename whose source is not there has nothing to move.
		if names[c.from] != c.node {
			return
		}
		delete(names, c.from)
	}
	if c.node == nil {
		delete(names, c.name)
	} else {
		names[c.name] = c.node
	}
}

func (m *model) do(c entryChange) {
	apply(m.names, c)
	m.changes = append(m.changes, c)
}

func (w write) apply(b []byte, n int64) []byte {
	if w.cut {
		if int64(len(b)) > w.at {
			return b[:w.at:w.at]
		}
		return append(b[:len(b):len(b)], make([]byte, w.at-int64(len(b)))...)
	}
	size := max(int64(len(b)), w.at+n)
	changed := make([]byte, size)
	copy(changed, b)
	copy(changed[w.at:], w.p[:n])
	return changed
}

// nextTo returns another directory of the same machine.
func (m *model) nextTo() *model {
	other := newModel()
	other.mu = m.mu
	return other
}

// crash returns what a power cut may leave now.
func (m *model) crash(r *rand.Rand) *model {
	names := maps.Clone(m.durable)
	for _, c := range m.changes {
		if r.IntN(2) == 0 {
			apply(names, c)
		}
	}
	left := newModel()
	for _, name := range slices.Sorted(maps.Keys(names)) {
		node := names[name]
		b := node.durable
		// Often all or nothing, which are the likeliest cases.
		mood := r.IntN(4)
		for _, w := range node.writes {
			n := int64(len(w.p))
			// Of some files each write by itself is there, or not, or torn.
			fate := 3
			if mood == 1 {
				fate = r.IntN(3)
			}
			switch {
			case mood == 0 || fate == 0:
				continue
			case fate == 1 && n > 0:
				n = r.Int64N(n + 1)
			}
			b = w.apply(b, n)
		}
		left.names[name] = &inode{now: b, durable: b}
	}
	left.durable = maps.Clone(left.names)
	return left
}

// kill returns what is left if the writer ends now and the system goes on: all that it
// has written, synced or not.
func (m *model) kill() *model {
	copies := map[*inode]*inode{nil: nil}
	copied := func(n *inode) *inode {
		if _, ok := copies[n]; !ok {
			copies[n] = &inode{now: n.now, durable: n.durable, writes: slices.Clone(n.writes)}
		}
		return copies[n]
	}
	left := newModel()
	for name, n := range m.names {
		left.names[name] = copied(n)
	}
	for name, n := range m.durable {
		left.durable[name] = copied(n)
	}
	for _, c := range m.changes {
		c.node = copied(c.node)
		left.changes = append(left.changes, c)
	}
	return left
}

// view is the directory as readers see it.
func (m *model) view() fstest.MapFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := fstest.MapFS{}
	for name, node := range m.names {
		v[name] = &fstest.MapFile{Data: node.now[:len(node.now):len(node.now)], Mode: 0o600}
	}
	return v
}

// one is the view of one file, which costs less than that of all.
func (m *model) one(name string) fstest.MapFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := fstest.MapFS{}
	if node := m.names[name]; node != nil {
		v[name] = &fstest.MapFile{Data: bytes.Clone(node.now), Mode: 0o600}
	}
	return v
}

func (m *model) Open(name string) (fs.File, error)          { return m.one(name).Open(name) }
func (m *model) ReadDir(name string) ([]fs.DirEntry, error) { return m.view().ReadDir(name) }
func (m *model) ReadLink(name string) (string, error)       { return m.view().ReadLink(name) }
func (m *model) Close() error                               { return nil }
func (m *model) Present() error                             { return nil }
func (m *model) Free() (uint64, error)                      { return 1 << 40, nil }

// info says which inode it is of.
type info struct {
	fs.FileInfo
	node *inode
}

func (m *model) Lstat(name string) (fs.FileInfo, error) {
	i, err := m.one(name).Lstat(name)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return info{i, m.names[name]}, nil
}

func (m *model) Same(a, b fs.FileInfo) bool { return a.(info).node == b.(info).node }

func (m *model) Create(name string) (f rotation.File, err error) {
	err = m.locked(name, func() error {
		if m.names[name] != nil {
			return &fs.PathError{Op: "create", Path: name, Err: syscall.EEXIST}
		}
		node := &inode{}
		m.do(entryChange{name: name, node: node})
		f = &modelFile{m, name, node}
		return nil
	})
	return f, err
}

func (m *model) Edit(name string) (rotation.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.names[name] == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &modelFile{m, name, m.names[name]}, nil
}

func (m *model) Rename(oldname, newname string) error {
	return m.locked(newname, func() error {
		node := m.names[oldname]
		if node == nil {
			return &fs.PathError{Op: "rename", Path: oldname, Err: fs.ErrNotExist}
		}
		m.do(entryChange{name: newname, from: oldname, node: node})
		return nil
	})
}

func (m *model) Remove(name string) error {
	return m.locked(name, func() error {
		if m.names[name] == nil {
			return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
		}
		m.do(entryChange{name: name})
		return nil
	})
}

func (m *model) Sync() error {
	return m.locked("", func() error {
		m.durable, m.changes = maps.Clone(m.names), nil
		return nil
	})
}

type modelFile struct {
	m    *model
	name string
	node *inode
}

func (f *modelFile) ReadAt(p []byte, at int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	return bytes.NewReader(f.node.now).ReadAt(p, at)
}

func (f *modelFile) change(w write) {
	f.node.now = w.apply(f.node.now, int64(len(w.p)))
	f.node.writes = append(f.node.writes, w)
}

func (f *modelFile) WriteAt(p []byte, at int64) (n int, err error) {
	err = f.m.locked(f.name, func() error {
		f.change(write{at: at, p: bytes.Clone(p)})
		n = len(p)
		return nil
	})
	if err != nil {
		// A failed write may have written something.
		f.m.mu.Lock()
		defer f.m.mu.Unlock()
		n = len(p) / 2
		f.change(write{at: at, p: bytes.Clone(p[:n])})
	}
	return n, err
}

func (f *modelFile) Truncate(size int64) error {
	return f.m.locked(f.name, func() error {
		f.change(write{at: size, cut: true})
		return nil
	})
}

func (f *modelFile) Sync() error {
	err := f.m.locked(f.name, func() error {
		for _, w := range f.node.writes {
			f.node.durable = w.apply(f.node.durable, int64(len(w.p)))
		}
		f.node.writes = nil
		return nil
	})
	if err != nil {
		f.m.mu.Lock()
		defer f.m.mu.Unlock()
		for _, w := range f.node.writes {
			if f.m.reached() {
				f.node.durable = w.apply(f.node.durable, int64(len(w.p)))
			}
		}
		f.node.writes = nil
	}
	return err
}

// Forget has readers see what the disk holds.
func (f *modelFile) Forget() {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	b := f.node.durable
	for _, w := range f.node.writes {
		b = w.apply(b, int64(len(w.p)))
	}
	f.node.now = b
}

func (f *modelFile) Stat() (fs.FileInfo, error) {
	f.m.mu.Lock()
	size := int64(len(f.node.now))
	f.m.mu.Unlock()
	i, err := fstest.MapFS{f.name: {Data: make([]byte, size), Mode: 0o600}}.Stat(f.name)
	return info{i, f.node}, err
}

func (f *modelFile) Close() error { return nil }

var _ io.WriterAt = (*modelFile)(nil)
