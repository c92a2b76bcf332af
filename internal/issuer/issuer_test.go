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
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/cosigning"
	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/issuer"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/receipt"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// observed keeps how far a log is.
type observed struct {
	rotation.Observer
	at issuer.Durable
}

func (o *observed) Committed(c rotation.Commit) {
	o.at = issuer.Durable{Segment: c.Segment, Bytes: c.SegmentBytes, Size: c.TreeSize}
}
func (o *observed) Refused(rotation.Reason, int, int) {}
func (o *observed) Repeats(int, int)                  {}
func (o *observed) SegmentsChanged(int, int64)        {}
func (o *observed) FreeSpace(uint64)                  {}
func (o *observed) Fault(error)                       {}
func (o *observed) Healthy()                          {}
func (o *observed) WitnessReplied(cosigning.Reply)    {}
func (o *observed) Witnessed(uint64)                  {}
func (o *observed) WitnessesFault(error)              {}
func (o *observed) StateFault(error)                  {}

// site is a log and its receipts.
type site struct {
	t   require.TestingT
	o   rotation.Options
	to  issuer.Options
	log *rotation.Log
	at  *observed
	ids []string // of all events, in order
	// good are the lines that have been checked.
	good map[string]*receipt.Receipt
}

func newSite(t require.TestingT, dir string) *site {
	key, err := keyfile.GenerateKey(signing.Ed25519)
	require.NoError(t, err)
	s := &site{t: t, at: &observed{}, good: map[string]*receipt.Receipt{}}
	s.o = rotation.Options{
		Directory: filepath.Join(dir, "log"), Origin: "test.example/auditlog", Scope: segment.ScopeCheckpoint,
		MaxSegmentBytes: 6000, Observer: s.at, BindIDs: true,
	}
	s.o.Signer, err = signing.NewSigner(key, nil)
	require.NoError(t, err)
	s.to = issuer.Options{Log: s.o.Directory, Origin: s.o.Origin, Directory: filepath.Join(dir, "receipts"), MaxFileBytes: 20_000}
	s.open()
	return s
}

func (s *site) open() {
	var err error
	s.log, err = rotation.Open(context.Background(), s.o)
	require.NoError(s.t, err)
}

func (s *site) close() { require.NoError(s.t, s.log.Close(context.Background())) }

// commit adds events in one commit.
func (s *site) commit(n int) {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("id-%d", len(s.ids)+i)
	}
	s.add(ids...)
}

func (s *site) add(ids ...string) {
	enc, err := event.NewEncoder(event.DefaultMapping())
	require.NoError(s.t, err)
	enc.SetResource(pcommon.NewResource(), "")
	enc.SetScope(pcommon.NewInstrumentationScope(), "")
	b := s.log.NewBatch()
	defer b.Release()
	for _, id := range ids {
		r := plog.NewLogRecord()
		r.Attributes().PutStr("audit.record.id", id)
		require.NoError(s.t, b.Add(func(dst []byte) ([]byte, uint64, error) {
			dst, info, err := enc.Append(dst, r)
			return dst, info.Time, err
		}, nil, ""))
	}
	_, err = s.log.Append(context.Background(), b)
	require.NoError(s.t, err)
	s.ids = append(s.ids, ids...)
}

// issue issues what there is with an issuer of its own.
func (s *site) issue() (issuer.Result, error) {
	i, err := issuer.Open(s.to)
	if err != nil {
		return issuer.Result{}, err
	}
	r, err := i.Issue(context.Background(), s.at.at)
	require.NoError(s.t, i.Close())
	return r, err
}

func (s *site) files() (names []string) {
	entries, err := os.ReadDir(s.to.Directory)
	require.NoError(s.t, err)
	for _, e := range entries {
		if e.Name() != segment.LockName {
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
			_, _, err = signing.OpenCheckpoint(r.Checkpoint, s.o.Origin, []*signing.PublicKey{s.o.Signer.Public()})
			require.NoError(s.t, err)
			require.LessOrEqual(s.t, c.Size, s.at.at.Size)
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
		s.o.Compression = rapid.SampledFrom([]segment.Compression{segment.None, segment.Zstd}).Draw(t, "compression")
		live, err := issuer.Open(s.to)
		require.NoError(t, err)
		t.Repeat(map[string]func(*rapid.T){
			"commit": func(t *rapid.T) { s.commit(rapid.IntRange(1, 12).Draw(t, "events")) },
			"large":  func(t *rapid.T) { s.commit(60) },
			"issue": func(t *rapid.T) {
				r, err := live.Issue(context.Background(), s.at.at)
				require.NoError(t, err)
				require.Zero(t, r.Missed)
				require.Equal(t, s.at.at.Size, r.Size)
				require.Equal(t, s.ids, idsOf(s.receipts()))
			},
			"restart the log": func(t *rapid.T) { s.close(); s.open() },
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
		r, err := live.Issue(context.Background(), s.at.at)
		require.NoError(t, err)
		require.Zero(t, r.Missed)
		require.Equal(t, s.ids, idsOf(s.receipts()))
		require.NoError(t, live.Close())
		s.close()
	})
}

// Those of before the first start have none; after that nobody is forgotten.
func TestReceiptsBegin(t *testing.T) {
	s := newSite(t, t.TempDir())
	s.commit(3)
	s.to.Begin = s.at.at.Size
	i, err := issuer.Open(s.to)
	require.NoError(t, err)
	require.NoError(t, i.Close())
	s.commit(1)
	s.to.Begin = s.at.at.Size
	s.commit(1)
	r, err := s.issue()
	require.NoError(t, err)
	assert.Equal(t, issuer.Result{Receipts: 2, Size: s.at.at.Size}, r)
	assert.Equal(t, s.ids[3:], idsOf(s.receipts()))
	s.close()
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
	s.commit(400)
	_, err := s.issue()
	require.NoError(t, err)
	files := s.files()
	assert.Len(t, files, 3)
	left := s.receipts()
	assert.Equal(t, s.ids[400-len(left):], idsOf(left))
	assert.Equal(t, fmt.Sprintf("receipts-%020d.jsonl", left[0].Index), files[0])
	for _, name := range files {
		info, err := os.Stat(filepath.Join(s.to.Directory, name))
		require.NoError(t, err)
		assert.LessOrEqual(t, info.Size(), s.to.MaxFileBytes)
	}
	s.close()
}

// Hostile ids do no harm; one that is too long is not repeated.
func TestReceiptsOfHostileIDs(t *testing.T) {
	s := newSite(t, t.TempDir())
	long := strings.Repeat("ü", receipt.MaxEventID/2)
	s.add("a\"\\\n\x00{}", "\u2028\u2029\x1b[2J", `{"receipt":"auditlog/v1"}`, long, long+"x", strings.Repeat("y", 1<<20))
	_, err := s.issue()
	require.NoError(t, err)
	assert.Equal(t, append(slices.Clone(s.ids[:4]), "", ""), idsOf(s.receipts()))
	s.close()
}

// What retention has deleted before its receipts were written is counted.
func TestPrunedBeforeItsReceipt(t *testing.T) {
	s := newSite(t, t.TempDir())
	i, err := issuer.Open(s.to)
	require.NoError(t, err)
	for range 8 {
		s.commit(10)
	}
	l, err := segment.List(os.DirFS(s.o.Directory))
	require.NoError(t, err)
	require.Greater(t, len(l.Segments), 3)
	for _, f := range l.Segments[:2] {
		require.NoError(t, os.Remove(filepath.Join(s.o.Directory, f.Name)))
	}
	r, err := i.Issue(context.Background(), s.at.at)
	require.NoError(t, err)
	assert.Equal(t, l.Segments[2].Parsed.FirstIndex, r.Missed)
	assert.Equal(t, s.ids[80-r.Receipts:], idsOf(s.receipts()))
	require.NoError(t, i.Close())
	s.close()
}

// No receipt is written for what has been changed; behind it, in the next segment, they
// go on.
func TestNoReceiptsForWhatIsDamaged(t *testing.T) {
	s := newSite(t, t.TempDir())
	s.commit(5)
	_, err := s.issue()
	require.NoError(t, err)
	s.commit(5)
	active := filepath.Join(s.o.Directory, s.at.at.Segment)
	content, err := os.ReadFile(active)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(active, []byte(strings.Replace(string(content), `"id-7"`, `"id-x"`, 1)), 0o600))
	for range 2 {
		r, err := s.issue()
		require.ErrorContains(t, err, s.at.at.Segment)
		require.ErrorContains(t, err, "run auditlog verify")
		assert.Equal(t, issuer.Result{Size: r.Size}, r)
	}
	require.NoError(t, os.WriteFile(active, content, 0o600))
	_, err = s.issue()
	require.NoError(t, err)
	assert.Equal(t, s.ids, idsOf(s.receipts()), "nothing is lost once it is as it was")

	first := s.at.at.Segment
	s.commit(3)
	changed := s.at.at.Size - 4 // the commit line is a leaf, too
	require.Equal(t, first, s.at.at.Segment)
	content, err = os.ReadFile(active)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(active, []byte(strings.Replace(string(content), `"id-11"`, `"id-xx"`, 1)), 0o600))
	for s.at.at.Segment == first {
		s.o.MaxSegmentBytes = 1
		s.close()
		require.NoError(t, os.WriteFile(active, content, 0o600))
		s.open()
		s.commit(1)
		require.NoError(t, os.WriteFile(active, []byte(strings.Replace(string(content), `"id-11"`, `"id-xx"`, 1)), 0o600))
	}
	l, err := segment.List(os.DirFS(s.o.Directory))
	require.NoError(t, err)
	r, err := s.issue()
	require.NoError(t, err)
	assert.Equal(t, l.Segments[1].Parsed.FirstIndex-changed, r.Missed)
	got := idsOf(s.receipts())
	assert.Equal(t, append(slices.Clone(s.ids[:10]), s.ids[13:]...), got)
	s.close()
}

// A log that does not go on where its receipts end has been rolled back or replaced, and
// gets no more of them into the same files.
func TestReceiptsContradictTheLog(t *testing.T) {
	s := newSite(t, t.TempDir())
	s.commit(3)
	s.close()
	before := s.o.Directory + "-before"
	require.NoError(t, os.CopyFS(before, os.DirFS(s.o.Directory)))
	s.open()
	s.commit(3)
	_, err := s.issue()
	require.NoError(t, err)
	s.close()
	had := s.receipts()
	require.NoError(t, os.RemoveAll(s.o.Directory))
	require.NoError(t, os.Rename(before, s.o.Directory))
	require.NoError(t, os.Chmod(s.o.Directory, 0o700))
	for _, f := range []string{"rolled back", "another history"} {
		t.Run(f, func(t *testing.T) {
			s.open()
			_, err := s.issue()
			require.ErrorIs(t, err, issuer.ErrContradicted)
			s.add("other-1", "other-2", "other-3", "other-4")
			_, err = s.issue()
			require.ErrorIs(t, err, issuer.ErrContradicted)
			s.close()
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
	defer s.close()
	s.commit(1)
	i, err := issuer.Open(s.to)
	require.NoError(t, err)
	_, err = issuer.Open(s.to)
	require.ErrorIs(t, err, durable.ErrLocked)
	require.NoError(t, os.Rename(s.to.Directory, s.to.Directory+"-moved"))
	_, err = i.Issue(context.Background(), s.at.at)
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
	require.NoError(t, os.Symlink(filepath.Join(s.o.Directory, s.at.at.Segment), name))
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
	s.commit(1)
	_, err = s.issue()
	require.ErrorContains(t, err, "make room")
	s.to.ReserveBytes = 0
	_, err = s.issue()
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.commit(1)
	i, err = issuer.Open(s.to)
	require.NoError(t, err)
	_, err = i.Issue(ctx, s.at.at)
	require.True(t, errors.Is(err, context.Canceled))
	require.NoError(t, i.Close())
}
