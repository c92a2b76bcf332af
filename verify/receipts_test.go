// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/issuer"
	"github.com/otel-auditlog/auditlogexporter/internal/promised"
	"github.com/otel-auditlog/auditlogexporter/internal/receiptline"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/proof"
	"github.com/otel-auditlog/auditlogexporter/receipt"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
	"github.com/otel-auditlog/auditlogexporter/verify"
	"github.com/otel-auditlog/auditlogexporter/verify/fleet"
)

// withReceipts is a log of five segments and the receipts of its events.
func withReceipts(t testing.TB, commits ...int) (o rotation.Options, w *written, receipts []byte) {
	t.Helper()
	dir := t.TempDir()
	o = rotation.Options{Directory: filepath.Join(dir, "log"), Origin: "test.example/auditlog", MaxSegmentBytes: 4000, BindIDs: true, Signer: signingtest.New(t, signing.ECDSAP256)}
	w = write(t, o, commits...)
	newest := w.names[len(w.names)-1]
	i, err := issuer.Open(issuer.Options{Log: o.Directory, Origin: o.Origin, Directory: filepath.Join(dir, "receipts"), MaxFileBytes: 1 << 30})
	require.NoError(t, err)
	_, err = i.Issue(t.Context(), issuer.Durable{Segment: newest, Bytes: int64(len(w.fsys[newest].Data)), Size: w.check(t).TreeSize})
	require.NoError(t, err)
	require.NoError(t, i.Close())
	names, err := filepath.Glob(filepath.Join(dir, "receipts", "receipts-*.jsonl"))
	require.NoError(t, err)
	require.Len(t, names, 1)
	receipts, err = os.ReadFile(names[0])
	require.NoError(t, err)
	return o, w, receipts
}

func readReceipts(t testing.TB, text []byte) *receipt.Set {
	t.Helper()
	s := &receipt.Set{}
	require.NoError(t, s.Read("r.jsonl", bytes.NewReader(text)))
	return s
}

func (w *written) checkReceipts(t testing.TB, text []byte) *verify.Report {
	t.Helper()
	return check(t, w.fsys, verify.Options{Keys: []*signing.PublicKey{w.signer.Public()}, Receipts: readReceipts(t, text)})
}

func TestReceiptsAreHonored(t *testing.T) {
	_, w, receipts := withReceipts(t, 5, 1, 7, 12, 3)
	require.Greater(t, len(w.names), 2)
	r := w.checkReceipts(t, receipts)
	assert.Empty(t, r.Findings)
	assert.Equal(t, 28, r.Receipts)
	assert.Equal(t, 28, r.ReceiptsHonored)

	// Twice, with blank lines, without the end, in an order of their own.
	lines := bytes.SplitAfter(receipts, []byte("\n"))
	text := bytes.Join([][]byte{lines[20], []byte("\n \r\n"), lines[3], lines[20], lines[27][:len(lines[27])-2]}, nil)
	r = w.checkReceipts(t, text)
	assert.Empty(t, r.Findings)
	assert.Equal(t, 3, r.Receipts)
	assert.Equal(t, 3, r.ReceiptsHonored)
}

// What a receipt promises cannot be taken back, even with the key: neither by cutting the
// end off nor by writing another history.
func TestReceiptsThatTheLogDoesNotHonor(t *testing.T) {
	o, w, receipts := withReceipts(t, 5, 1, 7, 12, 3)
	t.Run("the end is cut off", func(t *testing.T) {
		w := w.clone()
		delete(w.fsys, sidefile.CheckpointName)
		last := len(w.names) - 1
		delete(w.fsys, w.names[last])
		w.names = w.names[:last]
		require.Empty(t, bad(w.check(t)), "nothing else would tell")
		r := w.checkReceipts(t, receipts)
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
		other := write(t, o, 5, 1, 7, 12, 3) // the same events, signed anew
		require.Empty(t, bad(other.check(t)))
		r := other.checkReceipts(t, receipts)
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
		r := write(t, o, 1).checkReceipts(t, receipts)
		assert.Empty(t, bad(r), "another log has done nothing wrong")
		assert.NotEmpty(t, ofKind(r, verify.CheckpointUnchecked))
		assert.Equal(t, verify.VerdictUnchecked, r.Verdict)
		assert.Zero(t, r.ReceiptsHonored)
	})
	t.Run("another key", func(t *testing.T) {
		o := o
		o.Directory, o.Signer = filepath.Join(t.TempDir(), "log"), signingtest.New(t, signing.ECDSAP256)
		r := write(t, o, 5, 1).checkReceipts(t, receipts)
		assert.Empty(t, bad(r), "nobody whose key is known has signed them")
		require.NotEmpty(t, ofKind(r, verify.CheckpointUnchecked))
		assert.Contains(t, ofKind(r, verify.CheckpointUnchecked)[0].Message, "no key that is trusted for it has signed it")
		assert.Equal(t, verify.VerdictUnchecked, r.Verdict)
		assert.Zero(t, r.ReceiptsHonored)
	})
}

// A receipt that was changed is told from a log that was.
func TestReceiptsThatWereChanged(t *testing.T) {
	_, w, receipts := withReceipts(t, 5, 3)
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
			r := w.checkReceipts(t, append(changed.Append(nil), '\n'))
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
	o, _, receipts := withReceipts(t, commits...)
	o.Directory = filepath.Join(t.TempDir(), "log")
	other := write(t, o, commits...)
	r := check(t, other.fsys, verify.Options{Keys: []*signing.PublicKey{o.Signer.Public()}, Receipts: readReceipts(t, receipts), MaxFindings: 10})
	assert.Len(t, r.Findings, 10)
	assert.Equal(t, 60, r.FindingCounts[verify.Tampering])
}

// With many logs, each gets its own; a log that is not there is missed.
func TestReceiptsOfATree(t *testing.T) {
	_, w, receipts := withReceipts(t, 5, 3)
	tree := fstest.MapFS{}
	for name, f := range w.fsys {
		tree["a/"+name] = f
	}
	o := verify.Options{Keys: []*signing.PublicKey{w.signer.Public()}, Receipts: readReceipts(t, receipts)}
	each := func(l fleet.Log) error {
		if l.Path == "a" {
			require.Equal(t, 8, l.Report.ReceiptsHonored, fmt.Sprint(l.Report.Findings))
		}
		return nil
	}
	s, err := fleet.Check(t.Context(), tree, o, each)
	require.NoError(t, err)
	assert.False(t, s.TamperingDetected)

	gone := maps.Clone(tree)
	for name := range tree {
		delete(gone, name)
	}
	other := write(t, rotation.Options{Origin: "other.example/auditlog", Signer: w.signer}, 2)
	for name, f := range other.fsys {
		gone["b/"+name] = f
	}
	s, err = fleet.Check(t.Context(), gone, o, each)
	require.NoError(t, err)
	require.True(t, s.TamperingDetected)
	assert.Equal(t, verify.ReceiptUnfulfilled, s.Findings[0].Kind)
	assert.Contains(t, s.Findings[0].Message, `of the log "test.example/auditlog", but there is no log of that origin`)

	// What has been changed shows nothing of it, which is said.
	changed, err := receipt.Parse(bytes.SplitAfter(receipts, []byte("\n"))[0])
	require.NoError(t, err)
	changed.LeafHash[0] ^= 1
	o.Receipts = readReceipts(t, append(changed.Append(nil), '\n'))
	s, err = fleet.Check(t.Context(), gone, o, each)
	require.NoError(t, err)
	assert.False(t, s.TamperingDetected)
	assert.False(t, s.Complete())
	assert.Equal(t, verify.ReceiptInvalid, s.Findings[0].Kind)
}

// A leaf that is no event has no receipt, and an event none with another id: who was given
// one sees that by itself, and the log does not need to be at hand.
func TestAReceiptForALeafThatIsNoEvent(t *testing.T) {
	_, w, _ := withReceipts(t, 5)
	var leaves, ids []merkle.Hash
	var line []byte
	var commit receiptline.Commit
	for next := range bytes.Lines(w.fsys[w.names[0]].Data) {
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
			var sum event.Summary
			require.NoError(t, event.Scan(parsed.Canonical, &sum))
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
		found := ofKind(w.checkReceipts(t, text), verify.ReceiptInvalid)
		require.Len(t, found, 1, what)
		assert.Equal(t, verify.Unchecked, found[0].Severity)
		assert.Contains(t, found[0].Message, "does not prove what it says")
		_, err := proof.CheckReceipts(readReceipts(t, text), proof.Options{Keys: []*signing.PublicKey{w.signer.Public()}})
		assert.ErrorIs(t, err, proof.ErrFails)
	}
}

// With many logs no receipt that was changed is passed over, whatever log it says it is
// of.
func TestAChangedReceiptOfNoLogOfATree(t *testing.T) {
	_, w, receipts := withReceipts(t, 5)
	tree := fstest.MapFS{}
	for name, f := range w.fsys {
		tree["a/"+name] = f
	}
	one, err := receipt.Parse(bytes.TrimSpace(bytes.SplitAfter(receipts, []byte("\n"))[0]))
	require.NoError(t, err)
	one.LeafHash[0] ^= 1
	one.Checkpoint = bytes.ReplaceAll(one.Checkpoint, []byte("test.example"), []byte("rest.example"))
	line := append(one.Append(nil), '\n')
	s, err := fleet.Check(t.Context(), tree, verify.Options{Keys: []*signing.PublicKey{w.signer.Public()}, Receipts: readReceipts(t, line)}, func(fleet.Log) error { return nil })
	require.NoError(t, err)
	require.False(t, s.Complete())
	require.Len(t, s.Findings, 1)
	assert.Equal(t, verify.ReceiptInvalid, s.Findings[0].Kind)
	assert.Equal(t, verify.Unchecked, s.Findings[0].Severity)
}

// Whatever else a file holds, a receipt that fails is not taken for one that cannot be
// checked.
func TestAFailingReceiptBesideOneOfAnotherKey(t *testing.T) {
	_, w, receipts := withReceipts(t, 2)
	_, other, theirs := withReceipts(t, 2)
	line := bytes.SplitAfter(receipts, []byte("\n"))[0]
	// The signature is another, but still base64.
	at := bytes.LastIndex(line, []byte(`\n"}`))
	forged := bytes.Clone(line)
	for i := at - 20; i < at-10; i++ {
		forged[i] = 'A'
	}
	keys := []*signing.PublicKey{w.signer.Public()}
	_, err := proof.CheckReceipts(readReceipts(t, theirs), proof.Options{Keys: keys})
	require.ErrorIs(t, err, verify.ErrWrongKey)
	for _, text := range [][]byte{append(bytes.Clone(theirs), forged...), append(bytes.Clone(forged), theirs...)} {
		_, err = proof.CheckReceipts(readReceipts(t, text), proof.Options{Keys: keys})
		require.ErrorIs(t, err, proof.ErrFails)
	}
	p, err := proof.CheckReceipts(readReceipts(t, append(bytes.Clone(theirs), line...)), proof.Options{Keys: append(keys, other.signer.Public())})
	require.NoError(t, err)
	assert.Len(t, p.SignedBy, 2)
}

// Floods of what is no use are bounded.
func TestHostileReceiptFiles(t *testing.T) {
	t.Parallel()
	_, w, receipts := withReceipts(t, 3)
	line := bytes.SplitAfter(receipts, []byte("\n"))[0]
	broken := bytes.Replace(line, []byte(`"path":["`), []byte(`"path":["`+strings.Repeat("A", 43)+`=","`), 1)
	r := check(t, w.fsys, verify.Options{Keys: []*signing.PublicKey{w.signer.Public()}, Receipts: readReceipts(t, bytes.Repeat(broken, 3000)), MaxFindings: 5})
	assert.Equal(t, 3000, r.Receipts)
	assert.Zero(t, r.ReceiptsHonored)
	assert.Len(t, r.Findings, 5)
	s := readReceipts(t, bytes.Repeat(broken, 3000))
	r = check(t, w.fsys, verify.Options{Keys: []*signing.PublicKey{w.signer.Public()}, Receipts: s, MaxFindings: 5000})
	require.Len(t, r.Findings, 1001)
	assert.Contains(t, r.Findings[1000].Message, "2000 more receipts")

	assert.ErrorContains(t, (&receipt.Set{}).Read("r", strings.NewReader(strings.Repeat("\n", promised.MaxReceipts+2))), "blank lines")
}

// Receipts show as much as the keys that have signed them are worth: not what a revoked key
// alone has signed, nor what the checkpoint key has.
func TestReceiptsByKeysThatAreNotGood(t *testing.T) {
	beside := signingtest.New(t, signing.Ed25519)
	o, w, receipts := withReceipts(t, 3, 2)
	size := w.check(t).TreeSize
	signer := trust.Key{Public: w.signer.Public()}
	with := func(change func(*trust.Key)) trust.Keys {
		k := signer
		change(&k)
		return trust.Keys{k}
	}
	at := func(years int) *trust.Point {
		return &trust.Point{Time: time.Date(2026+years, 1, 1, 0, 0, 0, 0, time.UTC)}
	}
	for name, c := range map[string]struct {
		o    proof.Options
		want error
	}{
		"a good key":                       {proof.Options{Trust: trust.Keys{signer}}, nil},
		"revoked later":                    {proof.Options{Trust: with(func(k *trust.Key) { k.Revoked = atLeaf(size) })}, proof.ErrRevokedAlone},
		"revoked at a later time":          {proof.Options{Trust: with(func(k *trust.Key) { k.Revoked = at(3) })}, proof.ErrRevokedAlone},
		"revoked later, had before":        {proof.Options{AsOf: &size, Trust: with(func(k *trust.Key) { k.Revoked = at(3) })}, nil},
		"revoked, had before that":         {proof.Options{AsOf: &size, Trust: with(func(k *trust.Key) { k.Revoked = atLeaf(3) })}, proof.ErrFails},
		"left at a later time":             {proof.Options{Trust: with(func(k *trust.Key) { k.Until = at(3) })}, nil},
		"left at an earlier time":          {proof.Options{Trust: with(func(k *trust.Key) { k.Until = at(0) })}, proof.ErrFails},
		"not valid yet":                    {proof.Options{Trust: with(func(k *trust.Key) { k.From = at(3) })}, proof.ErrFails},
		"for checkpoints":                  {proof.Options{CheckpointKeys: public(w.signer)}, verify.ErrNoEventKey},
		"another for checkpoints":          {proof.Options{Keys: public(w.signer), CheckpointKeys: public(beside)}, proof.ErrUnsigned},
		"another for checkpoints, begun":   {proof.Options{Keys: public(w.signer), Trust: trust.Keys{{Public: beside.Public(), Use: trust.UseCheckpoints, From: atLeaf(0)}}}, proof.ErrFails},
		"another for checkpoints, not yet": {proof.Options{Keys: public(w.signer), Trust: trust.Keys{{Public: beside.Public(), Use: trust.UseCheckpoints, From: atLeaf(size)}}}, nil},
		"its origin":                       {proof.Options{Keys: public(w.signer), Origin: o.Origin}, nil},
		"another origin":                   {proof.Options{Keys: public(w.signer), Origin: "other.example/auditlog"}, verify.ErrWrongOrigin},
	} {
		_, err := proof.CheckReceipts(readReceipts(t, receipts), c.o)
		if !errors.Is(err, c.want) || err == nil != (c.want == nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
	early := size - 1
	_, err := proof.CheckReceipts(readReceipts(t, receipts), proof.Options{Keys: public(w.signer), AsOf: &early})
	assert.ErrorContains(t, err, "has not been there since the log had")
	assert.NotErrorIs(t, err, proof.ErrFails)
	// The checkpoint key alone makes a receipt of any event.
	_, forged, theirs := withReceipts(t, 3)
	_, err = proof.CheckReceipts(readReceipts(t, theirs), proof.Options{Keys: public(w.signer), CheckpointKeys: public(forged.signer)})
	assert.ErrorIs(t, err, verify.ErrWrongKey)
}
