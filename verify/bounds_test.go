// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/bits"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// metered counts what is read of a directory, and looks at the memory in use meanwhile.
type metered struct {
	fstest.MapFS
	opens, lists, bytes atomic.Int64
	mu                  sync.Mutex
	most                uint64 // bytes of the heap in use
}

// sample looks at the memory.
func (m *metered) sample() {
	var s runtime.MemStats
	m.mu.Lock()
	defer m.mu.Unlock()
	runtime.ReadMemStats(&s)
	m.most = max(m.most, s.HeapInuse)
}

func (m *metered) Open(name string) (fs.File, error) {
	if m.opens.Add(1)%512 == 0 {
		m.sample()
	}
	f, err := m.MapFS.Open(name)
	if err != nil {
		return nil, err
	}
	return &meteredFile{f, m}, nil
}

func (m *metered) Lstat(name string) (fs.FileInfo, error) { return m.MapFS.Lstat(name) }

func (m *metered) ReadDir(name string) ([]fs.DirEntry, error) {
	m.lists.Add(1)
	return m.MapFS.ReadDir(name)
}

type meteredFile struct {
	fs.File
	of *metered
}

func (f *meteredFile) Read(b []byte) (int, error) {
	n, err := f.File.Read(b)
	if before := f.of.bytes.Load() >> 20; f.of.bytes.Add(int64(n))>>20 != before {
		f.of.sample()
	}
	return n, err
}

// segmentNames returns so many names of segments.
func segmentNames(n int) (names []string) {
	for i := range n {
		names = append(names, segment.Name{FirstIndex: uint64(i), Created: logtest.ForgedAt, Compression: compression.None}.String())
	}
	return names
}

// manyKeys is a header of 64 keys.
func manyKeys(t *testing.T, first *signing.Signer) segment.Header {
	h := segment.Header{Origin: "test.example/auditlog", Log: signing.LogID{1}, Created: logtest.ForgedAt, Retain: logtest.ForgedAt, Scope: segline.ScopeEvent, Keys: []segline.Key{segline.KeyOf(first.Public())}}
	for len(h.Keys) < 64 {
		h.Keys = append(h.Keys, segline.KeyOf(signingtest.New(t, signing.ECDSAP256).Public()))
	}
	return h
}

// segments adds so many files that begin with the header that belongs there, and nothing else.
func segments(fsys fstest.MapFS, h segment.Header, n int) {
	for i, name := range segmentNames(n) {
		h.FirstIndex, h.Frontier = uint64(i), make([]merkle.Hash, bits.OnesCount(uint(i)))
		fsys[name] = &fstest.MapFile{Data: append(h.AppendTo(nil), '\n'), Mode: 0o600}
	}
}

// What many files, or long ones, of whoever can write to the directory take is bounded: the
// memory, and what is read.
func TestMemoryOfHostileNumbers(t *testing.T) {
	if withRaceDetector {
		t.Skip("memory is measured without the race detector: make unit does so")
	}
	const mib = 1 << 20
	given := signingtest.New(t, signing.ECDSAP256)
	head := manyKeys(t, given)
	header := append(head.AppendTo(nil), '\n')
	next := signingtest.New(t, signing.Ed25519)
	note := logtest.SignKeyChange(t, signing.KeyChange{Origin: "test.example/auditlog", Log: signing.LogID{1}, Index: 7}, given, next)
	line := append(sidefile.AppendKeyChange(nil, note), '\n')
	for name, c := range map[string]struct {
		files func(fsys fstest.MapFS)
		opens int64 // for each file
		bytes int64 // that may be read
	}{
		"hard links of a header of 64 keys": {func(fsys fstest.MapFS) {
			f := &fstest.MapFile{Data: header, Mode: 0o600}
			for _, n := range segmentNames(4000) {
				fsys[n] = f
			}
		}, 4, 3 * 4000 * int64(len(header))},
		"a key change again and again": {func(fsys fstest.MapFS) {
			fsys[segmentNames(1)[0]] = &fstest.MapFile{Data: header, Mode: 0o600}
			fsys[sidefile.KeyChangesName] = &fstest.MapFile{Data: bytes.Repeat(line, 33*mib/len(line)), Mode: 0o600}
		}, 4, mib},
		"headers of 64 keys": {func(fsys fstest.MapFS) { segments(fsys, head, 4000) }, 4, 5 * 4000 * int64(len(header))},
		"headers": {func(fsys fstest.MapFS) {
			head := head
			head.Keys = head.Keys[:1]
			segments(fsys, head, 10_000)
		}, 4, 4 * 10_000 * 1600},
		"key changes that go on and on": {func(fsys fstest.MapFS) {
			fsys[segmentNames(1)[0]] = &fstest.MapFile{Data: header, Mode: 0o600}
			from := given
			var all []byte
			for i := range 5000 {
				to := signingtest.New(t, signing.Ed25519)
				all = append(sidefile.AppendKeyChange(all, logtest.SignKeyChange(t, signing.KeyChange{Origin: head.Origin, Log: head.Log, Index: uint64(i + 1)}, from, to)), '\n')
				from = to
			}
			fsys[sidefile.KeyChangesName] = &fstest.MapFile{Data: all, Mode: 0o600}
		}, 4, 8 * mib},
		"empty segments": {func(fsys fstest.MapFS) {
			f := &fstest.MapFile{Mode: 0o600}
			for _, n := range segmentNames(100_000) {
				fsys[n] = f
			}
		}, 4, mib},
	} {
		t.Run(name, func(t *testing.T) {
			m := &metered{MapFS: fstest.MapFS{}}
			c.files(m.MapFS)
			defer debug.SetGCPercent(debug.SetGCPercent(20)) // what is garbage does not count for long
			runtime.GC()
			m.sample()
			before := m.most
			start := time.Now()
			r := check(t, m, verify.Options{Keys: logtest.PublicKeys(given)})
			m.sample()
			t.Logf("%d MiB, %d opened, %d listed, %d bytes, %s, %d findings", (m.most-before)/mib, m.opens.Load(), m.lists.Load(), m.bytes.Load(), time.Since(start), len(r.Findings))
			assert.True(t, r.TamperingDetected)
			assert.LessOrEqual(t, len(r.Findings), 1000)
			assert.Less(t, (m.most-before)/mib, uint64(100))
			assert.LessOrEqual(t, m.opens.Load(), c.opens*int64(len(m.MapFS))+10)
			assert.LessOrEqual(t, m.bytes.Load(), c.bytes, fmt.Sprint(m.opens.Load()))
		})
	}
}
