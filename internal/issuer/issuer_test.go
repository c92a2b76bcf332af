// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package issuer_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/issuer"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/receiptline"
	"github.com/otel-auditlog/auditlogexporter/receipt"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a log and its receipts.
type site struct {
	*logtest.Log
	t  require.TestingT
	to issuer.Options
	// good are the lines that have been checked.
	good map[string]*receipt.Receipt
}

func newSite(t require.TestingT, dir string) *site {
	s := &site{t: t, good: map[string]*receipt.Receipt{}}
	s.Log = logtest.New(t, rotation.Options{Directory: filepath.Join(dir, "log"), MaxSegmentBytes: 6000, BindIDs: true})
	s.to = issuer.Options{Log: s.Options.Directory, Origin: s.Options.Origin, Directory: filepath.Join(dir, "receipts"), MaxFileBytes: 20_000}
	return s
}

// durable is how far the log is.
func (s *site) durable() issuer.Durable {
	c := s.Newest()
	return issuer.Durable{Segment: c.Segment, Bytes: c.SegmentBytes, Size: c.TreeSize}
}

// issue issues what there is with an issuer of its own.
func (s *site) issue() (issuer.Result, error) {
	i, err := issuer.Open(s.to)
	if err != nil {
		return issuer.Result{}, err
	}
	r, err := i.Issue(context.Background(), s.durable())
	require.NoError(s.t, i.Close())
	return r, err
}

func (s *site) files() (names []string) {
	entries, err := os.ReadDir(s.to.Directory)
	require.NoError(s.t, err)
	for _, e := range entries {
		if e.Name() != durable.LockName {
			names = append(names, e.Name())
		}
	}
	return names
}

// receipts returns all receipts there are, and checks each by itself.
func (s *site) receipts() (all []*receipt.Receipt) {
	for _, name := range s.files() {
		f, err := os.Open(filepath.Join(s.to.Directory, name))
		require.NoError(s.t, err)
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, receipt.MaxBytes)
		for lines.Scan() {
			r := s.good[lines.Text()]
			if r != nil {
				all = append(all, r)
				continue
			}
			r, err := receipt.Parse(lines.Bytes())
			require.NoError(s.t, err)
			s.good[lines.Text()] = r
			c, err := r.Check()
			require.NoError(s.t, err)
			_, _, err = signing.OpenCheckpoint(r.Checkpoint, s.Options.Origin, []*signing.PublicKey{s.Options.Signer.Public()})
			require.NoError(s.t, err)
			require.LessOrEqual(s.t, c.Size, s.Newest().TreeSize)
			all = append(all, r)
		}
		require.NoError(s.t, lines.Err())
		require.NoError(s.t, f.Close())
	}
	return all
}

func idsOf(receipts []*receipt.Receipt) (ids []string) {
	for _, r := range receipts {
		ids = append(ids, r.EventID)
	}
	return ids
}

// Whatever happens in between, each event has one receipt, in order: rotation of both,
// restarts of either, receipts that a crash cut off or filled with zeros.
func TestEachEventHasOneReceipt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "receipts")
		require.NoError(t, err)
		defer os.RemoveAll(dir)
		s := newSite(t, dir)
		s.Options.Compression = rapid.SampledFrom([]compression.Method{compression.None, compression.Zstd}).Draw(t, "compression")
		live, err := issuer.Open(s.to)
		require.NoError(t, err)
		t.Repeat(map[string]func(*rapid.T){
			"commit": func(t *rapid.T) { s.Commit(rapid.IntRange(1, 12).Draw(t, "events")) },
			"large":  func(t *rapid.T) { s.Commit(60) },
			"issue": func(t *rapid.T) {
				r, err := live.Issue(context.Background(), s.durable())
				require.NoError(t, err)
				require.Zero(t, r.Missed)
				require.Equal(t, s.Newest().TreeSize, r.Size)
				require.Equal(t, s.IDs, idsOf(s.receipts()))
			},
			"restart the log": func(t *rapid.T) { s.Close(); s.Open() },
			"restart the issuer": func(t *rapid.T) {
				require.NoError(t, live.Close())
				if files := s.files(); len(files) > 0 {
					name := filepath.Join(s.to.Directory, files[len(files)-1])
					content, err := os.ReadFile(name)
					require.NoError(t, err)
					cut := rapid.IntRange(0, len(content)).Draw(t, "cut")
					if rapid.Bool().Draw(t, "zeros") {
						clear(content[cut:min(len(content), cut+700)])
					} else {
						content = content[:cut]
					}
					require.NoError(t, os.WriteFile(name, content, 0o600))
				}
				live, err = issuer.Open(s.to)
				require.NoError(t, err)
			},
			"": func(t *rapid.T) {},
		})
		r, err := live.Issue(context.Background(), s.durable())
		require.NoError(t, err)
		require.Zero(t, r.Missed)
		require.Equal(t, s.IDs, idsOf(s.receipts()))
		require.NoError(t, live.Close())
		s.Close()
	})
}

// Those of before the first start have none; after that nobody is forgotten.
func TestReceiptsBegin(t *testing.T) {
	s := newSite(t, t.TempDir())
	s.Commit(3)
	s.to.Begin = s.Newest().TreeSize
	i, err := issuer.Open(s.to)
	require.NoError(t, err)
	require.NoError(t, i.Close())
	s.Commit(1)
	s.to.Begin = s.Newest().TreeSize
	s.Commit(1)
	r, err := s.issue()
	require.NoError(t, err)
	assert.Equal(t, issuer.Result{Receipts: 2, Size: s.Newest().TreeSize}, r)
	assert.Equal(t, s.IDs[3:], idsOf(s.receipts()))
	s.Close()
	for _, name := range s.files() {
		info, err := os.Stat(filepath.Join(s.to.Directory, name))
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o600), info.Mode())
	}
	info, err := os.Stat(s.to.Directory)
	require.NoError(t, err)
	assert.Equal(t, fs.ModeDir|0o700, info.Mode())
}

func TestOldReceiptsAreDeleted(t *testing.T) {
	s := newSite(t, t.TempDir())
	s.to.MaxFiles = 3
	s.Commit(400)
	_, err := s.issue()
	require.NoError(t, err)
	files := s.files()
	assert.Len(t, files, 3)
	left := s.receipts()
	assert.Equal(t, s.IDs[400-len(left):], idsOf(left))
	assert.Equal(t, fmt.Sprintf("receipts-%020d.jsonl", left[0].Index), files[0])
	for _, name := range files {
		info, err := os.Stat(filepath.Join(s.to.Directory, name))
		require.NoError(t, err)
		assert.LessOrEqual(t, info.Size(), s.to.MaxFileBytes)
	}
	s.Close()
}

// Hostile ids do no harm; one that is too long is not repeated.
func TestReceiptsOfHostileIDs(t *testing.T) {
	s := newSite(t, t.TempDir())
	long := strings.Repeat("ü", receiptline.MaxEventID/2)
	s.Add("a\"\\\n\x00{}", "\u2028\u2029\x1b[2J", `{"receipt":"auditlog/v1"}`, long, long+"x", strings.Repeat("y", 1<<20))
	_, err := s.issue()
	require.NoError(t, err)
	assert.Equal(t, append(slices.Clone(s.IDs[:4]), "", ""), idsOf(s.receipts()))
	s.Close()
}

// What retention has deleted before its receipts were written is counted.
func TestPrunedBeforeItsReceipt(t *testing.T) {
	s := newSite(t, t.TempDir())
	i, err := issuer.Open(s.to)
	require.NoError(t, err)
	for range 8 {
		s.Commit(10)
	}
	l, err := segment.List(os.DirFS(s.Options.Directory))
	require.NoError(t, err)
	require.Greater(t, len(l.Segments), 3)
	for _, f := range l.Segments[:2] {
		require.NoError(t, os.Remove(filepath.Join(s.Options.Directory, f.Name)))
	}
	r, err := i.Issue(context.Background(), s.durable())
	require.NoError(t, err)
	assert.Equal(t, l.Segments[2].Parsed.FirstIndex, r.Missed)
	assert.Equal(t, s.IDs[80-r.Receipts:], idsOf(s.receipts()))
	require.NoError(t, i.Close())
	s.Close()
}

// No receipt is written for what has been changed; behind it, in the next segment, they
// go on.
func TestNoReceiptsForWhatIsDamaged(t *testing.T) {
	s := newSite(t, t.TempDir())
	s.Commit(5)
	_, err := s.issue()
	require.NoError(t, err)
	s.Commit(5)
	active := filepath.Join(s.Options.Directory, s.Newest().Segment)
	content, err := os.ReadFile(active)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(active, []byte(strings.Replace(string(content), `"id-7"`, `"id-x"`, 1)), 0o600))
	for range 2 {
		r, err := s.issue()
		require.ErrorContains(t, err, s.Newest().Segment)
		require.ErrorContains(t, err, "run auditlog verify")
		assert.Equal(t, issuer.Result{Size: r.Size}, r)
	}
	require.NoError(t, os.WriteFile(active, content, 0o600))
	_, err = s.issue()
	require.NoError(t, err)
	assert.Equal(t, s.IDs, idsOf(s.receipts()), "nothing is lost once it is as it was")

	first := s.Newest().Segment
	s.Commit(3)
	changed := s.Newest().TreeSize - 4 // the commit line is a leaf, too
	require.Equal(t, first, s.Newest().Segment)
	content, err = os.ReadFile(active)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(active, []byte(strings.Replace(string(content), `"id-11"`, `"id-xx"`, 1)), 0o600))
	for s.Newest().Segment == first {
		s.Options.MaxSegmentBytes = 1
		s.Close()
		require.NoError(t, os.WriteFile(active, content, 0o600))
		s.Open()
		s.Commit(1)
		require.NoError(t, os.WriteFile(active, []byte(strings.Replace(string(content), `"id-11"`, `"id-xx"`, 1)), 0o600))
	}
	l, err := segment.List(os.DirFS(s.Options.Directory))
	require.NoError(t, err)
	r, err := s.issue()
	require.NoError(t, err)
	assert.Equal(t, l.Segments[1].Parsed.FirstIndex-changed, r.Missed)
	got := idsOf(s.receipts())
	assert.Equal(t, append(slices.Clone(s.IDs[:10]), s.IDs[13:]...), got)
	s.Close()
}

// A log that does not go on where its receipts end has been rolled back or replaced, and
// gets no more of them into the same files.
func TestReceiptsContradictTheLog(t *testing.T) {
	s := newSite(t, t.TempDir())
	s.Commit(3)
	s.Close()
	before := s.Options.Directory + "-before"
	require.NoError(t, os.CopyFS(before, os.DirFS(s.Options.Directory)))
	s.Open()
	s.Commit(3)
	_, err := s.issue()
	require.NoError(t, err)
	s.Close()
	had := s.receipts()
	require.NoError(t, os.RemoveAll(s.Options.Directory))
	require.NoError(t, os.Rename(before, s.Options.Directory))
	require.NoError(t, os.Chmod(s.Options.Directory, 0o700))
	for _, f := range []string{"rolled back", "another history"} {
		t.Run(f, func(t *testing.T) {
			s.Open()
			_, err := s.issue()
			require.ErrorIs(t, err, issuer.ErrContradicted)
			s.Add("other-1", "other-2", "other-3", "other-4")
			_, err = s.issue()
			require.ErrorIs(t, err, issuer.ErrContradicted)
			s.Close()
		})
	}
	assert.Equal(t, had, s.receipts())

	other := s.to
	other.Origin = "other.example/auditlog"
	_, err = issuer.Open(other)
	require.ErrorIs(t, err, issuer.ErrContradicted)
	assert.ErrorContains(t, err, "test.example/auditlog")
}

// The directory is as well kept as a log's, and what stands in it under other names is
// nobody's business.
func TestReceiptsDirectory(t *testing.T) {
	s := newSite(t, t.TempDir())
	defer s.Close()
	s.Commit(1)
	i, err := issuer.Open(s.to)
	require.NoError(t, err)
	_, err = issuer.Open(s.to)
	require.ErrorIs(t, err, durable.ErrLocked)
	require.NoError(t, os.Rename(s.to.Directory, s.to.Directory+"-moved"))
	_, err = i.Issue(context.Background(), s.durable())
	require.ErrorIs(t, err, fs.ErrNotExist, "who looks there is to find them")
	require.NoError(t, i.Close())
	require.NoError(t, os.Rename(s.to.Directory+"-moved", s.to.Directory))
	require.NoError(t, os.WriteFile(filepath.Join(s.to.Directory, "receipts-99999999999999999999.jsonl"), []byte("x"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(s.to.Directory, "receipts-1.jsonl"), []byte("x"), 0o600))
	_, err = s.issue()
	require.NoError(t, err)

	require.NoError(t, os.Chmod(s.to.Directory, 0o777))
	_, err = issuer.Open(s.to)
	require.ErrorContains(t, err, "others can write to it")
	require.NoError(t, os.Chmod(s.to.Directory, 0o700))
	name := filepath.Join(s.to.Directory, "receipts-00000000000000000500.jsonl")
	require.NoError(t, os.Symlink(filepath.Join(s.Options.Directory, s.Newest().Segment), name))
	_, err = issuer.Open(s.to)
	require.ErrorContains(t, err, "not a regular file", "no link leads to what would be cut off")
	require.NoError(t, os.Remove(name))

	// One that pretends to be further than the log would keep events from their receipts.
	name = filepath.Join(s.to.Directory, "receipts-00000000000000999999.jsonl")
	require.NoError(t, os.WriteFile(name, nil, 0o600))
	_, err = s.issue()
	require.ErrorIs(t, err, issuer.ErrContradicted)
	require.NoError(t, os.Remove(name))

	s.to.ReserveBytes = 1 << 60
	s.Commit(1)
	_, err = s.issue()
	require.ErrorContains(t, err, "make room")
	s.to.ReserveBytes = 0
	_, err = s.issue()
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.Commit(1)
	i, err = issuer.Open(s.to)
	require.NoError(t, err)
	_, err = i.Issue(ctx, s.durable())
	require.True(t, errors.Is(err, context.Canceled))
	require.NoError(t, i.Close())
}
