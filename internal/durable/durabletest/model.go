// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package durabletest has directories that tests put in the place of the operating system's:
// one in memory that knows what a power cut may leave of it.
package durabletest

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

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
)

// Model is a directory in memory that knows what a power cut may leave of it. What
// has not been synced may be there, in part or not at all, and in any combination:
// each write to a file by itself, torn at any byte, and each change of the directory
// by itself.
type Model struct {
	// Mu guards all directories that one power cut comes to.
	Mu      *sync.Mutex
	names   map[string]*inode // as the running system sees them
	durable map[string]*inode // as of the last Sync
	changes []entryChange     // of the directory, since then
	locks   map[string]bool
	// Step is called, locked, after each operation that changes something; Last names
	// what it was done to, "" for the directory.
	Step func()
	Last string
	// Fault is asked, locked, before each operation on what Only admits, or on anything
	// if Only is nil; an error makes it fail.
	Fault func() error
	Only  func(name string) bool
	Asked string // the name of the operation that Fault is asked of
	// Reached says whether a write reached the disk though its sync failed. If not,
	// it is in the cache alone: no later sync writes it, though readers see it until
	// the cache forgets.
	Reached func() bool
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

// New returns an empty directory.
func New() *Model {
	return &Model{Mu: new(sync.Mutex), names: map[string]*inode{}, durable: map[string]*inode{}, locks: map[string]bool{}}
}

func (m *Model) locked(name string, f func() error) error {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	if m.Fault != nil && (m.Only == nil || m.Only(name)) {
		m.Asked = name
		if err := m.Fault(); err != nil {
			return err
		}
	}
	err := f()
	if err == nil && m.Step != nil {
		m.Last = name
		m.Step()
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

func (m *Model) do(c entryChange) {
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

// NextTo returns another directory of the same machine.
func (m *Model) NextTo() *Model {
	other := New()
	other.Mu = m.Mu
	return other
}

// Crash returns what a power cut may leave now.
func (m *Model) Crash(r *rand.Rand) *Model {
	names := maps.Clone(m.durable)
	for _, c := range m.changes {
		if r.IntN(2) == 0 {
			apply(names, c)
		}
	}
	left := New()
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

// Kill returns what is left if the writer ends now and the system goes on: all that it
// has written, synced or not.
func (m *Model) Kill() *Model {
	copies := map[*inode]*inode{nil: nil}
	copied := func(n *inode) *inode {
		if _, ok := copies[n]; !ok {
			copies[n] = &inode{now: n.now, durable: n.durable, writes: slices.Clone(n.writes)}
		}
		return copies[n]
	}
	left := New()
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

// View is the directory as readers see it.
func (m *Model) View() fstest.MapFS {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	v := fstest.MapFS{}
	for name, node := range m.names {
		v[name] = &fstest.MapFile{Data: node.now[:len(node.now):len(node.now)], Mode: 0o600}
	}
	return v
}

// one is the view of one file, which costs less than that of all.
func (m *Model) one(name string) fstest.MapFS {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	v := fstest.MapFS{}
	if node := m.names[name]; node != nil {
		v[name] = &fstest.MapFile{Data: bytes.Clone(node.now), Mode: 0o600}
	}
	return v
}

func (m *Model) Open(name string) (fs.File, error)          { return m.one(name).Open(name) }
func (m *Model) ReadDir(name string) ([]fs.DirEntry, error) { return m.View().ReadDir(name) }
func (m *Model) ReadLink(name string) (string, error)       { return m.View().ReadLink(name) }
func (m *Model) Close() error                               { return nil }
func (m *Model) Present() error                             { return nil }
func (m *Model) CheckOwner() error                          { return nil }
func (m *Model) Free() (uint64, error)                      { return 1 << 40, nil }

// Names returns the names there are, as the running system sees them. The caller holds Mu.
func (m *Model) Names() []string { return slices.Sorted(maps.Keys(m.names)) }

// Outside changes a file as another program does, durably; if change is nil, it removes the
// file, which lasts from the next Sync on. The caller holds Mu.
func (m *Model) Outside(name string, change func(content []byte) []byte) {
	if change == nil {
		m.do(entryChange{name: name})
		return
	}
	node := m.names[name]
	node.now = change(bytes.Clone(node.now))
	node.durable = bytes.Clone(node.now)
}

// Content returns what a file holds for readers and what of it has been synced. The caller holds Mu.
func (m *Model) Content(name string) (now, synced []byte) {
	if node := m.names[name]; node != nil {
		return node.now, node.durable
	}
	return nil, nil
}

// Lock takes a lock that ends when it is closed, or with the machine.
func (m *Model) Lock(name string) (io.Closer, error) {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	if m.locks[name] {
		return nil, durable.ErrLocked
	}
	m.locks[name] = true
	return lock{m, name}, nil
}

type lock struct {
	m    *Model
	name string
}

func (l lock) Close() error {
	l.m.Mu.Lock()
	defer l.m.Mu.Unlock()
	delete(l.m.locks, l.name)
	return nil
}

// info says which inode it is of.
type info struct {
	fs.FileInfo
	node *inode
}

func (m *Model) Lstat(name string) (fs.FileInfo, error) {
	i, err := m.one(name).Lstat(name)
	if err != nil {
		return nil, err
	}
	m.Mu.Lock()
	defer m.Mu.Unlock()
	return info{i, m.names[name]}, nil
}

func (m *Model) Same(a, b fs.FileInfo) bool { return a.(info).node == b.(info).node }

func (m *Model) Create(name string) (f durable.File, err error) {
	err = m.locked(name, func() error {
		if m.names[name] != nil {
			return &fs.PathError{Op: "create", Path: name, Err: syscall.EEXIST}
		}
		node := &inode{}
		m.do(entryChange{name: name, node: node})
		f = &file{m, name, node}
		return nil
	})
	return f, err
}

func (m *Model) Edit(name string) (durable.File, error) {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	if m.names[name] == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &file{m, name, m.names[name]}, nil
}

func (m *Model) Rename(oldname, newname string) error {
	return m.locked(newname, func() error {
		node := m.names[oldname]
		if node == nil {
			return &fs.PathError{Op: "rename", Path: oldname, Err: fs.ErrNotExist}
		}
		m.do(entryChange{name: newname, from: oldname, node: node})
		return nil
	})
}

func (m *Model) Remove(name string) error {
	return m.locked(name, func() error {
		if m.names[name] == nil {
			return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
		}
		m.do(entryChange{name: name})
		return nil
	})
}

func (m *Model) Sync() error {
	return m.locked("", func() error {
		m.durable, m.changes = maps.Clone(m.names), nil
		return nil
	})
}

type file struct {
	m    *Model
	name string
	node *inode
}

func (f *file) ReadAt(p []byte, at int64) (int, error) {
	f.m.Mu.Lock()
	defer f.m.Mu.Unlock()
	return bytes.NewReader(f.node.now).ReadAt(p, at)
}

func (f *file) change(w write) {
	f.node.now = w.apply(f.node.now, int64(len(w.p)))
	f.node.writes = append(f.node.writes, w)
}

func (f *file) WriteAt(p []byte, at int64) (n int, err error) {
	err = f.m.locked(f.name, func() error {
		f.change(write{at: at, p: bytes.Clone(p)})
		n = len(p)
		return nil
	})
	if err != nil {
		// A failed write may have written something.
		f.m.Mu.Lock()
		defer f.m.Mu.Unlock()
		n = len(p) / 2
		f.change(write{at: at, p: bytes.Clone(p[:n])})
	}
	return n, err
}

func (f *file) Truncate(size int64) error {
	return f.m.locked(f.name, func() error {
		f.change(write{at: size, cut: true})
		return nil
	})
}

func (f *file) Sync() error {
	err := f.m.locked(f.name, func() error {
		for _, w := range f.node.writes {
			f.node.durable = w.apply(f.node.durable, int64(len(w.p)))
		}
		f.node.writes = nil
		return nil
	})
	if err != nil {
		f.m.Mu.Lock()
		defer f.m.Mu.Unlock()
		for _, w := range f.node.writes {
			if f.m.Reached() {
				f.node.durable = w.apply(f.node.durable, int64(len(w.p)))
			}
		}
		f.node.writes = nil
	}
	return err
}

// Chmod does nothing: all files are their owner's alone.
func (f *file) Chmod(fs.FileMode) error { return nil }

// Forget has readers see what the disk holds.
func (f *file) Forget() {
	f.m.Mu.Lock()
	defer f.m.Mu.Unlock()
	b := f.node.durable
	for _, w := range f.node.writes {
		b = w.apply(b, int64(len(w.p)))
	}
	f.node.now = b
}

func (f *file) Stat() (fs.FileInfo, error) {
	f.m.Mu.Lock()
	size := int64(len(f.node.now))
	f.m.Mu.Unlock()
	i, err := fstest.MapFS{f.name: {Data: make([]byte, size), Mode: 0o600}}.Stat(f.name)
	return info{i, f.node}, err
}

func (f *file) Close() error { return nil }

var _ durable.FS = (*Model)(nil)
