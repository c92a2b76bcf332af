// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/issuer"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/proof"
	"github.com/otel-auditlog/auditlogexporter/receipt"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// vectorReceipts is a file of receipts among the vectors, and what a verifier must say of it,
// alone and of a log that is to honor it.
type vectorReceipts struct {
	// Receipts is the name of the file in receipts/, Log that of a directory in receipts/logs/.
	Receipts string `json:"receipts"`
	About    string `json:"about"`
	Log      string `json:"log"`
	Key      string `json:"key"`
	// Alone and Verdict are ok, tampering (of what is checked alone: it fails) or unchecked.
	Alone   string `json:"alone"`
	Verdict string `json:"verdict"`
	Finding string `json:"finding,omitempty"`
}

func (v vectorReceipts) path() string { return filepath.Join(vectors, "receipts", v.Receipts) }
func (v vectorReceipts) dir() string  { return filepath.Join(vectors, "receipts", "logs", v.Log) }

// receiptsMaker makes them.
type receiptsMaker struct {
	t   *testing.T
	dir string
	all []vectorReceipts
}

func (m *receiptsMaker) write(name string, lines ...[]byte) {
	m.t.Helper()
	require.NoError(m.t, os.WriteFile(filepath.Join(m.dir, name), append(bytes.Join(lines, []byte("\n")), '\n'), 0o600))
}

// log writes a log and the receipts of its events, a line each.
func (m *receiptsMaker) log(name string, o rotation.Options) (f files, lines [][]byte) {
	m.t.Helper()
	o.BindIDs, o.MaxSegmentBytes = true, 2000
	w := newSampleWriter(m.t, o)
	w.run(1, 2, 3)
	newest := newestOf(m.t, w.Options.Directory)
	info, err := os.Stat(newest)
	require.NoError(m.t, err)
	note, err := os.ReadFile(filepath.Join(w.Options.Directory, sidefile.CheckpointName))
	require.NoError(m.t, err)
	c, err := signing.ParseCheckpoint(note)
	require.NoError(m.t, err)
	out := m.t.TempDir()
	i, err := issuer.Open(issuer.Options{Log: w.Options.Directory, Origin: w.Options.Origin, Directory: filepath.Join(out, "receipts"), MaxFileBytes: 1 << 20})
	require.NoError(m.t, err)
	_, err = i.Issue(m.t.Context(), issuer.Durable{Segment: filepath.Base(newest), Bytes: info.Size(), Size: c.Size})
	require.NoError(m.t, errors.Join(err, i.Close()))
	names, err := filepath.Glob(filepath.Join(out, "receipts", "receipts-*.jsonl"))
	require.NoError(m.t, err)
	require.Len(m.t, names, 1)
	b, err := os.ReadFile(names[0])
	require.NoError(m.t, err)
	f = readFiles(m.t, w.Options.Directory)
	delete(f, durable.LockName)
	if name != "" {
		f.write(m.t, filepath.Join(m.dir, "logs", name))
	}
	return f, bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
}

func makeVectorReceipts(t *testing.T) []vectorReceipts {
	t.Helper()
	m := &receiptsMaker{t: t, dir: filepath.Join(vectors, "receipts")}
	require.NoError(t, errors.Join(os.RemoveAll(m.dir), os.Mkdir(m.dir, 0o700)))
	signers := map[string]*signing.Signer{p256File: key(t, "ecdsa-p256.pem"), edFile: key(t, "ed25519.pem")}
	add := func(name, about, log, keyFile, alone, verdict, finding string, lines ...[]byte) {
		m.write(name+".jsonl", lines...)
		m.all = append(m.all, vectorReceipts{Receipts: name + ".jsonl", About: about, Log: log, Key: keyFile, Alone: alone, Verdict: verdict, Finding: finding})
	}
	var lines [][]byte
	var f files
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		for _, keyFile := range []string{p256File, edFile} {
			name := string(scope) + "-" + strings.TrimSuffix(keyFile, ".pub.pem")
			f, lines = m.log(name, rotation.Options{Signer: signers[keyFile], Scope: scope})
			add(name, "all receipts of a log of scope "+string(scope), name, keyFile, verify.VerdictOK, verify.VerdictOK, "", lines...)
		}
	}
	const log = "checkpoint-ed25519" // the last one
	last := lines[len(lines)-1]
	good := func(name, about string, line []byte) {
		add(name, about, log, edFile, verify.VerdictOK, verify.VerdictOK, "", line)
	}
	var members map[string]any
	require.NoError(t, json.Unmarshal(last, &members))
	members["log.file.name"] = "receipts-0.jsonl"
	sorted, err := json.Marshal(members)
	require.NoError(t, err)
	good("members-moved", "the members are in another order, and there is one more", sorted)
	nameless := m.parse(last)
	nameless.EventID, nameless.IDPath = "", nil
	good("no-id", "without the event's id, as where that is long", nameless.Append(nil))

	// What is wrong with a receipt by itself says nothing of the log.
	changed := func(name, about string, change func(r *receipt.Receipt)) {
		r := m.parse(last)
		change(r)
		add(name, about, log, edFile, verify.VerdictTampering, verify.VerdictUnchecked, "receipt_invalid", r.Append(nil))
	}
	changed("index-changed", "the index is another", func(r *receipt.Receipt) { r.Index-- })
	changed("leaf-changed", "the leaf's hash is another", func(r *receipt.Receipt) { r.LeafHash[0] ^= 1 })
	changed("path-changed", "the path does not lead to the checkpoint", func(r *receipt.Receipt) { r.Path[0][0] ^= 1 })
	changed("path-longer", "the path has a hash too many", func(r *receipt.Receipt) { r.Path = append(r.Path, merkle.Hash{}) })
	changed("id-changed", "the id is that of another event", func(r *receipt.Receipt) { r.EventID = "id-1" })
	changed("id-path-changed", "the id's path does not lead to the commit's ids", func(r *receipt.Receipt) { r.IDPath[0][0] ^= 1 })
	changed("id-path-missing", "the id has no path", func(r *receipt.Receipt) { r.IDPath = nil })
	changed("commit-changed", "the commit line is not the leaf", func(r *receipt.Receipt) {
		r.Commit = bytes.Replace(r.Commit, []byte(`"number":`), []byte(`"number":1`), 1)
	})
	changed("commit-path-changed", "the commit's path does not lead to the checkpoint", func(r *receipt.Receipt) { r.CommitPath[0][0] ^= 1 })
	none := func(name, about, from, to string) {
		bad := strings.Replace(string(last), from, to, 1)
		require.NotEqual(t, string(last), bad, "%s: nothing was changed", name)
		// A last line that is cut off may still be being written, so another follows.
		add(name, about, log, edFile, verify.VerdictUnchecked, verify.VerdictUnchecked, "", []byte(bad), last)
	}
	none("no-receipt", "a line of another form", `"receipt":"auditlog/v1"`, `"receipt":"auditlog/v2"`)
	none("two-logs", "the origin is another than the checkpoint's", `"origin":"vectors`, `"origin":"others`)
	none("no-commit", "there is no commit line", `"commit":`, `"committed":`)
	none("index-twice", "a member is there twice", `"index":`, `"index":1,"index":`)
	none("index-no-integer", "the index is in quotes", `"index":`, `"index":"1","x":`)

	// What the log has not done, though the receipt is good.
	_, strange := m.log("", rotation.Options{Signer: signers[p256File], Scope: segline.ScopeCheckpoint})
	add("by-a-stranger", "nobody who is trusted has signed the checkpoint", log, edFile, verify.VerdictUnchecked, verify.VerdictUnchecked, "checkpoint_unchecked", strange...)
	_, others := m.log("", rotation.Options{Signer: signers[edFile], Scope: segline.ScopeCheckpoint, Origin: "other.example/auditlog"})
	add("of-another-log", "receipts of another log of the same key", log, edFile, verify.VerdictOK, verify.VerdictUnchecked, "checkpoint_unchecked", others...)

	// What the log is accused of.
	_, forked := m.log("", rotation.Options{Signer: signers[edFile], Scope: segline.ScopeCheckpoint})
	add("another-history", "the log's key has signed another tree", log, edFile, verify.VerdictOK, verify.VerdictTampering, "receipt_unfulfilled", forked...)
	f.changed(func(f files) {
		delete(f, sidefile.CheckpointName)
		delete(f, f.segments()[len(f.segments())-1])
	}).write(t, filepath.Join(m.dir, "logs", "end-missing"))
	add("end-missing", "the log's end has been cut off", "end-missing", edFile, verify.VerdictOK, verify.VerdictTampering, "receipt_unfulfilled", lines...)
	return m.all
}

func (m *receiptsMaker) parse(line []byte) *receipt.Receipt {
	m.t.Helper()
	r, err := receipt.Parse(line)
	require.NoError(m.t, err)
	return r
}

// Of the receipts among the vectors both verifiers say what is written next to them.
func TestVectorReceipts(t *testing.T) {
	if *update {
		golden(t, "receipts.json", makeVectorReceipts(t))
	}
	b, err := os.ReadFile(filepath.Join(vectors, "receipts.json"))
	require.NoError(t, err)
	var all []vectorReceipts
	require.NoError(t, json.Unmarshal(b, &all))
	other := startSecond(t)
	for _, v := range all {
		t.Run(v.Receipts, func(t *testing.T) {
			alone, mine := v.ours(t)
			assert.Equal(t, v.Alone, alone, "alone it")
			theirs := other.check(t, []string{v.dir(), filepath.Join(vectors, v.Key), "--receipts", v.path()})
			for who, a := range map[string]answer{"ours": mine, "the other": theirs} {
				if a.Verdict != v.Verdict || v.Finding != "" && !slices.ContainsFunc(a.Findings, func(f string) bool { return strings.Contains(f, " "+v.Finding+" ") }) {
					t.Errorf("%s says %s, not %s %s:\n%s", who, a.Verdict, v.Verdict, v.Finding, strings.Join(a.Findings, "\n"))
				}
			}
		})
	}
}

// ours is what our verifier says of receipts alone, and of the log.
func (v vectorReceipts) ours(t *testing.T) (alone string, _ answer) {
	t.Helper()
	b, err := os.ReadFile(v.path())
	require.NoError(t, err)
	s := &receipt.Set{}
	if err := s.Read(v.Receipts, bytes.NewReader(b)); err != nil {
		return verify.VerdictUnchecked, answer{Verdict: verify.VerdictUnchecked, Findings: []string{err.Error()}}
	}
	keys := []*signing.PublicKey{loadKey(t, v.Key)}
	switch _, err := proof.CheckReceipts(s, proof.Options{Keys: keys}); {
	case err == nil:
		alone = verify.VerdictOK
	case errors.Is(err, proof.ErrFails):
		alone = verify.VerdictTampering
	default:
		alone = verify.VerdictUnchecked
	}
	return alone, ourAnswer(t, v.dir(), verify.Options{Keys: keys, Receipts: s, Jobs: 1})
}
