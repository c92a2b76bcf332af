// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/promised"
	"github.com/otel-auditlog/auditlogexporter/internal/receiptline"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/proof"
	"github.com/otel-auditlog/auditlogexporter/receipt"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

func checkReceipts(t testing.TB, w *logtest.Copy, text []byte) *verify.Report {
	t.Helper()
	return check(t, w.Files, verify.Options{Keys: []*signing.PublicKey{w.Signer.Public()}, Receipts: logtest.ReadReceipts(t, text)})
}

func TestReceiptsAreHonored(t *testing.T) {
	_, w, receipts := logtest.WithReceipts(t, 5, 1, 7, 12, 3)
	require.Greater(t, len(w.Segments), 2)
	r := checkReceipts(t, w, receipts)
	assert.Empty(t, r.Findings)
	assert.Equal(t, 28, r.Receipts)
	assert.Equal(t, 28, r.ReceiptsHonored)

	// Twice, with blank lines, without the end, in an order of their own.
	lines := bytes.SplitAfter(receipts, []byte("\n"))
	text := bytes.Join([][]byte{lines[20], []byte("\n \r\n"), lines[3], lines[20], lines[27][:len(lines[27])-2]}, nil)
	r = checkReceipts(t, w, text)
	assert.Empty(t, r.Findings)
	assert.Equal(t, 3, r.Receipts)
	assert.Equal(t, 3, r.ReceiptsHonored)
}

// What a receipt promises cannot be taken back, even with the key: neither by cutting the
// end off nor by writing another history.
func TestReceiptsThatTheLogDoesNotHonor(t *testing.T) {
	o, w, receipts := logtest.WithReceipts(t, 5, 1, 7, 12, 3)
	t.Run("the end is cut off", func(t *testing.T) {
		w := w.Clone()
		delete(w.Files, sidefile.CheckpointName)
		last := len(w.Segments) - 1
		delete(w.Files, w.Segments[last])
		w.Segments = w.Segments[:last]
		require.Empty(t, bad(checkCopy(t, w)), "nothing else would tell")
		r := checkReceipts(t, w, receipts)
		found := bad(r)
		require.NotEmpty(t, found)
		assert.Equal(t, verify.ReceiptUnfulfilled, found[0].Kind)
		assert.Regexp(t, `^the checkpoint of the receipt at r\.jsonl:\d+.* covers \d+ leaves, but the log has only \d+: its end is missing`, found[0].Message)
		assert.Less(t, r.ReceiptsHonored, r.Receipts)
		assert.NotZero(t, r.ReceiptsHonored)
	})
	t.Run("another history", func(t *testing.T) {
		o := o
		o.Directory = filepath.Join(t.TempDir(), "log")
		other := logtest.Write(t, o, 5, 1, 7, 12, 3) // the same events, signed anew
		require.Empty(t, bad(checkCopy(t, other)))
		r := checkReceipts(t, other, receipts)
		assert.Zero(t, r.ReceiptsHonored)
		found := bad(r)
		require.Len(t, found, 5, "one for each checkpoint")
		for _, f := range found {
			assert.Equal(t, verify.ReceiptUnfulfilled, f.Kind)
			assert.Contains(t, f.Message, "another history")
		}
	})
	t.Run("another log", func(t *testing.T) {
		o := o
		o.Directory, o.Origin = filepath.Join(t.TempDir(), "log"), "other.example/auditlog"
		r := checkReceipts(t, logtest.Write(t, o, 1), receipts)
		assert.Empty(t, bad(r), "another log has done nothing wrong")
		assert.NotEmpty(t, ofKind(r, verify.CheckpointUnchecked))
		assert.Equal(t, verify.VerdictUnchecked, r.Verdict)
		assert.Zero(t, r.ReceiptsHonored)
	})
	t.Run("another key", func(t *testing.T) {
		o := o
		o.Directory, o.Signer = filepath.Join(t.TempDir(), "log"), signingtest.New(t, signing.ECDSAP256)
		r := checkReceipts(t, logtest.Write(t, o, 5, 1), receipts)
		assert.Empty(t, bad(r), "nobody whose key is known has signed them")
		require.NotEmpty(t, ofKind(r, verify.CheckpointUnchecked))
		assert.Contains(t, ofKind(r, verify.CheckpointUnchecked)[0].Message, "no key that is trusted for it has signed it")
		assert.Equal(t, verify.VerdictUnchecked, r.Verdict)
		assert.Zero(t, r.ReceiptsHonored)
	})
}

// A receipt that was changed is told from a log that was.
func TestReceiptsThatWereChanged(t *testing.T) {
	_, w, receipts := logtest.WithReceipts(t, 5, 3)
	lines := bytes.SplitAfter(receipts, []byte("\n"))
	one, err := receipt.Parse(bytes.TrimSpace(lines[6]))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		change func(r *receipt.Receipt)
		says   string
	}{
		"the index":    {func(r *receipt.Receipt) { r.Index-- }, "does not prove what it says"},
		"the leaf":     {func(r *receipt.Receipt) { r.LeafHash[3] ^= 1 }, "does not prove what it says"},
		"the path":     {func(r *receipt.Receipt) { r.Path[0][3] ^= 1 }, "does not prove what it says"},
		"the event id": {func(r *receipt.Receipt) { r.EventID = "id-000" }, "its event_id, which is another than the leaf's"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := *one
			changed.Path = slices.Clone(one.Path)
			c.change(&changed)
			r := checkReceipts(t, w, append(changed.Append(nil), '\n'))
			assert.Equal(t, verify.VerdictUnchecked, r.Verdict)
			found := ofKind(r, verify.ReceiptInvalid)
			require.Len(t, found, 1)
			assert.Contains(t, found[0].Message, c.says)
		})
	}
	s := &receipt.Set{}
	assert.ErrorContains(t, s.Read("r.jsonl", strings.NewReader(string(lines[0])+"{}\n")), "r.jsonl:2: not a receipt")
	assert.ErrorContains(t, s.Read("r.jsonl", strings.NewReader(strings.Repeat("x", 1<<20))), "r.jsonl:1: not a receipt")
}

// A flood of receipts that are not honoured takes no more room than other findings.
func TestManyReceiptsAreBounded(t *testing.T) {
	var commits []int
	for range 60 {
		commits = append(commits, 1)
	}
	o, _, receipts := logtest.WithReceipts(t, commits...)
	o.Directory = filepath.Join(t.TempDir(), "log")
	other := logtest.Write(t, o, commits...)
	r := check(t, other.Files, verify.Options{Keys: []*signing.PublicKey{o.Signer.Public()}, Receipts: logtest.ReadReceipts(t, receipts), MaxFindings: 10})
	assert.Len(t, r.Findings, 10)
	assert.Equal(t, 60, r.FindingCounts[verify.Tampering])
}

// A leaf that is no event has no receipt, and an event none with another id: who was given
// one sees that by itself, and the log does not need to be at hand.
func TestAReceiptForALeafThatIsNoEvent(t *testing.T) {
	_, w, _ := logtest.WithReceipts(t, 5)
	var leaves, ids []merkle.Hash
	var line []byte
	var commit receiptline.Commit
	for next := range bytes.Lines(w.Files[w.Segments[0]].Data) {
		next = bytes.TrimSuffix(next, []byte("\n"))
		switch segment.KindOf(next) {
		case segline.KindCheckpoint:
			commit.Set(&merkle.Frontier{}, leaves, ids)
			note, err := segment.ParseCheckpoint(next)
			require.NoError(t, err)
			commit.Sign(line, note)
			continue
		case segline.KindCommit:
			line = next
		case segline.KindEvent:
			parsed, err := segment.ParseEvent(nil, next)
			require.NoError(t, err)
			var sum eventjson.Summary
			require.NoError(t, eventjson.Scan(parsed.Canonical, &sum))
			ids = append(ids, merkle.LeafHash(sum.ID))
		}
		leaves = append(leaves, merkle.LeafHash(next))
	}
	good, err := receipt.Parse(commit.Append(nil, len(leaves)-2, nil))
	require.NoError(t, err)
	_, err = good.Check()
	require.NoError(t, err)
	for leaf, what := range map[int]string{0: "the header", 1: "the log's own event", 3: "another event", len(leaves) - 1: "the commit"} {
		one := receipt.Receipt{EventID: "order-17", Index: uint64(leaf), LeafHash: leaves[leaf], Commit: good.Commit, CommitPath: good.CommitPath, Checkpoint: good.Checkpoint}
		text := append(one.Append(nil), '\n')
		found := ofKind(checkReceipts(t, w, text), verify.ReceiptInvalid)
		require.Len(t, found, 1, what)
		assert.Equal(t, verify.Unchecked, found[0].Severity)
		assert.Contains(t, found[0].Message, "does not prove what it says")
		_, err := proof.CheckReceipts(logtest.ReadReceipts(t, text), proof.Options{Keys: []*signing.PublicKey{w.Signer.Public()}})
		assert.ErrorIs(t, err, proof.ErrFails)
	}
}

// Floods of what is no use are bounded.
func TestHostileReceiptFiles(t *testing.T) {
	t.Parallel()
	_, w, receipts := logtest.WithReceipts(t, 3)
	line := bytes.SplitAfter(receipts, []byte("\n"))[0]
	broken := bytes.Replace(line, []byte(`"path":["`), []byte(`"path":["`+strings.Repeat("A", 43)+`=","`), 1)
	r := check(t, w.Files, verify.Options{Keys: []*signing.PublicKey{w.Signer.Public()}, Receipts: logtest.ReadReceipts(t, bytes.Repeat(broken, 3000)), MaxFindings: 5})
	assert.Equal(t, 3000, r.Receipts)
	assert.Zero(t, r.ReceiptsHonored)
	assert.Len(t, r.Findings, 5)
	s := logtest.ReadReceipts(t, bytes.Repeat(broken, 3000))
	r = check(t, w.Files, verify.Options{Keys: []*signing.PublicKey{w.Signer.Public()}, Receipts: s, MaxFindings: 5000})
	require.Len(t, r.Findings, 1001)
	assert.Contains(t, r.Findings[1000].Message, "2000 more receipts")

	assert.ErrorContains(t, (&receipt.Set{}).Read("r", strings.NewReader(strings.Repeat("\n", promised.MaxReceipts+2))), "blank lines")
}
