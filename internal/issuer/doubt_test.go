// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package issuer_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/issuer"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/receipt"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// newestFile returns the path of the newest file of receipts.
func (s *site) newestFile() string {
	files := s.files()
	return filepath.Join(s.to.Directory, files[len(files)-1])
}

// rotate has the log go on in another segment.
func (s *site) rotate(events int) {
	before, most := s.Newest().Segment, s.Options.MaxSegmentBytes
	s.Close()
	s.Options.MaxSegmentBytes = 1
	s.Open()
	s.Commit(events)
	s.Options.MaxSegmentBytes = most
	require.NotEqual(s.t, before, s.Newest().Segment)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return content
}

// A crash may leave a newest file with nothing in it. That the log is another one than
// that of the receipts before is seen all the same.
func TestAnEmptyFileForgetsNothing(t *testing.T) {
	s := newSite(t, t.TempDir())
	s.Commit(2)
	s.Close()
	before := s.Options.Directory + "-before"
	require.NoError(t, os.CopyFS(before, os.DirFS(s.Options.Directory)))
	s.Open()
	s.Commit(60)
	_, err := s.issue()
	require.NoError(t, err)
	require.Greater(t, len(s.files()), 1)
	had := s.IDs
	require.NoError(t, os.Truncate(s.newestFile(), 0))
	_, err = s.issue()
	require.NoError(t, err)
	assert.Equal(t, had, idsOf(s.receipts()), "it goes on where it was")

	require.NoError(t, os.Truncate(s.newestFile(), 0))
	s.Close()
	require.NoError(t, os.RemoveAll(s.Options.Directory))
	require.NoError(t, os.Rename(before, s.Options.Directory))
	require.NoError(t, os.Chmod(s.Options.Directory, 0o700))
	s.Open()
	for range 3 {
		s.Commit(60)
	}
	_, err = s.issue()
	require.ErrorIs(t, err, issuer.ErrContradicted)
	s.Close()
}

// What stands in a sealed segment behind the place where the next begins is not in the
// log, be it signed: it has been set aside, or was put there.
func TestNoReceiptsForWhatWasSetAside(t *testing.T) {
	s := newSite(t, t.TempDir())
	s.Commit(3)
	first := s.Active()
	other := logtest.Closed(t, s.Options)
	other.Options.Directory = filepath.Join(t.TempDir(), "log")
	// Nothing else, as the log may be at work on its other files.
	require.NoError(t, os.Mkdir(other.Options.Directory, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(other.Options.Directory, filepath.Base(first)), read(t, first), 0o600))
	other.Open()
	other.Add("set aside 1", "set aside 2")
	other.Close()
	longer := read(t, other.Active())
	s.rotate(2)
	kept := read(t, first)
	require.True(t, bytes.HasPrefix(longer, kept))
	require.Greater(t, len(longer), len(kept))
	for name, content := range map[string][]byte{
		"another commit":        longer,
		"events for ever":       append(bytes.Clone(kept), bytes.Repeat(lineOf(longer, `"set aside 1"`), 1000)...),
		"half a line":           append(bytes.Clone(kept), `{"event":{"agent`...),
		"nothing, as it is now": kept,
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(first, content, 0o600))
			require.NoError(t, os.RemoveAll(s.to.Directory))
			r, err := s.issue()
			require.NoError(t, err)
			all := idsOf(s.receipts())
			assert.Equal(t, s.IDs, all)
			assert.Zero(t, r.Missed)
		})
	}
	s.Close()
}

// lineOf returns the line, with its LF, that holds a text.
func lineOf(content []byte, text string) []byte {
	for line := range bytes.Lines(content) {
		if bytes.Contains(line, []byte(text)) {
			return line
		}
	}
	return nil
}

// A segment that was sealed by a fault may be compressed before there is another.
func TestReceiptsOfACompressedLastSegment(t *testing.T) {
	s := newSite(t, t.TempDir())
	s.Commit(3)
	s.Close()
	plain := read(t, s.Active())
	require.NoError(t, os.Remove(s.Active()))
	require.NoError(t, os.WriteFile(s.Active()+".zst", logtest.Compressed(t, plain, compression.Zstd), 0o600))
	r, err := s.issue()
	require.NoError(t, err)
	assert.Equal(t, issuer.Result{Receipts: 3, Size: s.Newest().TreeSize}, r)
	assert.Equal(t, s.IDs, idsOf(s.receipts()))
}

// Who removes, moves or cuts the newest file keeps nobody from a receipt.
func TestTheNewestFileIsInterferedWith(t *testing.T) {
	for name, interfere := range map[string]func(path string) error{
		"removed":  os.Remove,
		"moved":    func(path string) error { return os.Rename(path, path+".moved") },
		"cut":      func(path string) error { return os.Truncate(path, 0) },
		"appended": func(path string) error { return appendTo(path, "{}\n") },
		"replaced": func(path string) error {
			return os.Rename(path, path+".moved")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, t.TempDir())
			defer s.Close()
			s.to.MaxFileBytes = 3000
			i, err := issuer.Open(s.to)
			require.NoError(t, err)
			s.Commit(8)
			_, err = i.Issue(context.Background(), s.durable())
			require.NoError(t, err)
			newest := s.newestFile()
			require.NoError(t, interfere(newest))
			if name == "replaced" {
				require.NoError(t, os.WriteFile(newest, nil, 0o600))
			}
			s.Commit(1)
			_, err = i.Issue(context.Background(), s.durable())
			require.ErrorContains(t, err, "is written again")
			require.NoError(t, i.Close())
			_ = os.Remove(newest + ".moved")
			_, err = s.issue()
			require.NoError(t, err)
			assert.Equal(t, s.IDs, idsOf(s.receipts()))
		})
	}
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}

// A last line that pretends to be a later receipt does not take those before it away.
func TestAForgedLastReceipt(t *testing.T) {
	s := newSite(t, t.TempDir())
	defer s.Close()
	s.Commit(6)
	_, err := s.issue()
	require.NoError(t, err)
	lines := strings.SplitAfter(string(read(t, s.newestFile())), "\n")
	last, err := receipt.Parse([]byte(strings.TrimSpace(lines[5])))
	require.NoError(t, err)
	forged := strings.Replace(lines[1], fmt.Sprintf(`"index":%d`, last.Index-4), fmt.Sprintf(`"index":%d`, last.Index), 1)
	require.NotEqual(t, lines[1], forged)
	require.NoError(t, os.WriteFile(s.newestFile(), []byte(lines[0]+lines[1]+forged+strings.Repeat(`{"receipt":"auditlog/v1","origin":}`+"\n", 100_000)), 0o600))
	_, err = s.issue()
	require.NoError(t, err)
	assert.Equal(t, s.IDs, idsOf(s.receipts()))
}

// A segment whose header begins another tree than the one before ended with is damaged.
func TestAHeaderThatDoesNotGoOn(t *testing.T) {
	s := newSite(t, t.TempDir())
	s.Commit(3)
	s.rotate(1)
	content := string(read(t, s.Active()))
	header, err := segment.ParseHeader(lineOf([]byte(content), `{"segment":`)[:strings.IndexByte(content, '\n')])
	require.NoError(t, err)
	header.Frontier[0][0] ^= 1
	require.NoError(t, os.WriteFile(s.Active(), append(header.AppendTo(nil), content[strings.IndexByte(content, '\n'):]...), 0o600))
	_, err = s.issue()
	require.ErrorContains(t, err, "its header does not go on with the tree before it")
	s.Close()
}

// What was written while receipts were off binds no ids, and goes without; what follows has
// its receipts.
func TestNoReceiptsForWhatBindsNoIDs(t *testing.T) {
	s := newSite(t, t.TempDir())
	s.Commit(3)
	_, err := s.issue()
	require.NoError(t, err)
	s.Close()
	off := s.Newest().TreeSize
	s.Options.BindIDs = false
	s.Open()
	s.Commit(2)
	s.Close()
	on := s.Newest().TreeSize
	s.Options.BindIDs = true
	s.Open()
	s.Commit(2)
	r, err := s.issue()
	require.NoError(t, err)
	assert.Equal(t, on-off, r.Missed)
	assert.ErrorContains(t, r.Why, "while receipts were off")
	assert.Equal(t, append(slices.Clone(s.IDs[:3]), s.IDs[5:]...), idsOf(s.receipts()))
	s.Close()
}
