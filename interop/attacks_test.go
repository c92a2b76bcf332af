// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/cosigning"
	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/idempotency"
	"github.com/otel-auditlog/auditlogexporter/internal/issuer"
	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/ownevent"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/internal/witnesstest"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/proof"
	"github.com/otel-auditlog/auditlogexporter/receipt"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// rich is a log with all that the format knows: two keys and one for checkpoints, a
// witness, an id that came twice, a gap in a stream; and what is kept of it elsewhere.
type rich struct {
	dir, key            string // of the log, and its first public key
	public              *signing.PublicKey
	witness             *witness.Key
	checkpoint, receipt []byte // the first there was, all there are
	proof               []byte // of an event under the first key
}

// gaps is a stage that has a gap to tell of for each batch.
type gaps struct{}

func (gaps) Admit(a *stage.Admission) {
	for range a.Batches() {
		a.Say(logevent.Event{Action: logevent.SequenceGap, Sequence: &logevent.Sequence{Stream: strings.Repeat("é", 64), RecordID: "r", Number: 1 << 63, Expected: 7, Missing: 1<<63 - 7}})
	}
}

func (gaps) Recall(logdir.CheckedLine) error { return nil }
func (gaps) Settle(uint64, bool)             {}
func (gaps) Forget()                         {}

func writeRich(t *testing.T, scope segline.Scope, pruned bool) *rich {
	t.Helper()
	w := witnesstest.New(t, "witness.example/w1")
	r := &rich{dir: filepath.Join(t.TempDir(), "log"), witness: w.Key}
	keys := t.TempDir()
	o := rotation.Options{
		Directory: r.dir, Origin: vectorOrigin, Scope: scope, Sync: true, MaxSegmentBytes: 3000, Witnesses: []cosigning.Witness{w},
		Stages: []stage.Stage{idempotency.NewStage(idempotency.Options{MaxEvents: 100, RecordConflicts: true}), gaps{}}, BindIDs: true,
	}
	create := func(name string, a signing.Algorithm) *signing.Signer {
		s, err := keyfile.Create(filepath.Join(keys, name), a)
		require.NoError(t, err)
		return s
	}
	o.CheckpointSigner = create("checkpoint.pem", signing.Ed25519)
	w.Trust(t, o.Origin, o.CheckpointSigner.Public())
	for i, a := range []signing.Algorithm{signing.ECDSAP256, signing.Ed25519} {
		name := fmt.Sprintf("%d.pem", i)
		if o.PreviousSigner, o.Signer = o.Signer, create(name, a); i == 0 {
			r.key, r.public = keyfile.PublicPath(filepath.Join(keys, name)), o.Signer.Public()
		}
		if pruned && i == 1 {
			o.Retention.MaxTotalBytes = 12_000
		}
		l := logtest.New(t, o)
		for j := range 4 {
			r.append(t, l, fmt.Sprintf("id-%d", j%3), fmt.Sprintf("user-%d-%d", i, j))
		}
		l.Settle()
		l.Close()
		if i == 0 {
			r.checkpoint = firstCheckpoint(t, segmentsIn(t, r.dir, 1)[0])
		}
	}
	r.receive(t, o)
	unseen := func(f verify.Finding) bool { return f.Kind == verify.NotWitnessed && f.Severity != verify.Info }
	if slices.ContainsFunc(r.report(t, r.dir).Findings, unseen) {
		// On a busy machine retention may delete all that the witness has cosigned.
		t.Log("the log holds no cosignature any more: written again")
		return writeRich(t, scope, pruned)
	}
	p, err := proof.Prove(t.Context(), os.DirFS(r.dir), proof.Query{Index: r.report(t, r.dir).Segments[0].FirstIndex + 1, ByIndex: true})
	require.NoError(t, err)
	r.proof = p.Marshal()
	return r
}

// firstCheckpoint returns the first checkpoint of a plain segment.
func firstCheckpoint(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	for line := range bytes.Lines(b) {
		if segment.KindOf(line) == segline.KindCheckpoint {
			note, err := segment.ParseCheckpoint(bytes.TrimSuffix(line, []byte("\n")))
			require.NoError(t, err)
			return note
		}
	}
	t.Fatal("no checkpoint in " + path)
	return nil
}

// append adds an event with an id of its record's.
func (r *rich) append(t *testing.T, l *logtest.Log, id, user string) {
	t.Helper()
	for {
		b := l.Writer.NewBatch()
		canonical := fmt.Appendf(nil, `{"category":"session_management","event_id":%q,"level":"info","mapped_from":{"event_id":"audit.record.id","user_id":"user.id"},"metadata":{},"operation":"log","resource_id":"r","resource_type":"t","success":null,"timestamp":"2026-11-23T10:15:00.000000000Z","user_id":%q}`, id, user)
		encode := func(dst []byte) ([]byte, uint64, error) {
			return append(dst, canonical...), 1_795_428_900_000_000_000, nil
		}
		require.NoError(t, l.AddTo(b, encode))
		is, ok, err := eventjson.Identify(canonical)
		require.NoError(t, err)
		require.True(t, ok)
		b.Identify(idempotency.IDOf("", is.ID), is.Content, stage.Place{})
		_, err = l.Writer.Append(t.Context(), b)
		b.Release()
		if errors.Is(err, rotation.ErrKeyChanged) {
			continue
		}
		require.NoError(t, err)
		return
	}
}

// receive writes the receipts of all events there are.
func (r *rich) receive(t *testing.T, o rotation.Options) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "receipts")
	i, err := issuer.Open(issuer.Options{Log: r.dir, Origin: o.Origin, Directory: dir, MaxFileBytes: 1 << 30})
	require.NoError(t, err)
	segments := r.report(t, r.dir).Segments
	newest := segments[len(segments)-1]
	_, err = i.Issue(t.Context(), issuer.Durable{Segment: newest.Name, Bytes: newest.Bytes, Size: newest.TreeSize})
	require.NoError(t, err)
	require.NoError(t, i.Close())
	names, err := filepath.Glob(filepath.Join(dir, "receipts-*.jsonl"))
	require.NoError(t, err)
	require.Len(t, names, 1)
	r.receipt, err = os.ReadFile(names[0])
	require.NoError(t, err)
}

func (r *rich) report(t *testing.T, dir string) *verify.Report {
	t.Helper()
	report, err := r.verify(t, dir)
	require.NoError(t, err)
	return report
}

func (r *rich) verify(t *testing.T, dir string) (*verify.Report, error) {
	t.Helper()
	o := verify.Options{Keys: []*signing.PublicKey{r.public}, Witnesses: []*witness.Key{r.witness}, Receipts: &receipt.Set{}}
	if r.checkpoint != nil {
		o.Checkpoints = []verify.Kept{{Note: r.checkpoint}}
	}
	require.NoError(t, o.Receipts.Read("receipts", bytes.NewReader(r.receipt)))
	return verify.Log(t.Context(), os.DirFS(dir), o)
}

// other runs the other verifier with all that is kept.
func (r *rich) other(t *testing.T, dir string) (status int, output string) {
	t.Helper()
	kept := t.TempDir()
	args := []string{"--witness", r.witness.String()}
	for flag, content := range map[string][]byte{"--checkpoint": r.checkpoint, "--receipts": r.receipt, "--proof": r.proof} {
		path := filepath.Join(kept, flag)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		args = append(args, flag, path)
	}
	return other(t, dir, r.key, args...)
}

// say has a log's own writer say something of the log, be it so or not.
func say(t *testing.T, o rotation.Options, detail string) {
	t.Helper()
	l := logtest.New(t, o)
	l.Canonical(ownevent.AppendOwn(nil, ownevent.Own{ID: "a-lie", Time: logtest.Recorded, Origin: vectorOrigin, Level: event.LevelInfo, Action: "lie", Detail: []byte(detail)}))
	l.Close()
}

// rewrite changes a file of a log.
func rewrite(t *testing.T, path string, change func(b []byte) []byte) {
	t.Helper()
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	after := change(bytes.Clone(before))
	require.False(t, bytes.Equal(before, after), "nothing was changed in "+path)
	require.NoError(t, os.WriteFile(path, after, 0o600))
}

// attack changes a copy of a log, or what is kept of it; want is what the other verifier
// must say, and ours finds, too. It shows tampering, unless it is about what could not be
// checked any more.
type attack struct {
	want      string
	do        func(t *testing.T, r *rich, dir string)
	unchecked bool
}

// attacks need no key.
var attacks = map[string]attack{
	"the newest segments deleted, and the file checkpoint": {want: "receipt_unfulfilled", do: func(t *testing.T, _ *rich, dir string) {
		if err := os.Remove(filepath.Join(dir, sidefile.CheckpointName)); err != nil {
			t.Fatal(err)
		}
		cutOff(t, dir)
	}},
	"the newest segments deleted": {want: "rollback checkpoint", do: func(t *testing.T, _ *rich, dir string) { cutOff(t, dir) }},
	"a deletion that no checkpoint excuses": {want: "segment_missing", do: func(t *testing.T, _ *rich, dir string) {
		all := segmentsIn(t, dir, 2)
		for _, name := range all[:len(all)-1] {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
		newest := all[len(all)-1]
		n, err := segment.ParseName(filepath.Base(newest))
		if err != nil {
			t.Fatal(err)
		}
		line := ownevent.AppendOwn(segline.AppendEventStart(nil), ownevent.Own{
			ID: "pruned", Time: time.Unix(1_795_428_900, 0), Origin: vectorOrigin, Level: event.LevelInfo, Action: "pruned",
			Detail: fmt.Appendf(nil, `{"action":"pruned","before":%d,"root_hash":%q}`, n.FirstIndex, base64.StdEncoding.EncodeToString(make([]byte, 32))),
		})
		rewrite(t, newest, func(b []byte) []byte { return append(append(b, segline.AppendNoSignature(line)...), '\n') })
	}},
	"the file checkpoint by a stranger": {want: "rollback checkpoint", do: func(t *testing.T, _ *rich, dir string) {
		rewrite(t, filepath.Join(dir, sidefile.CheckpointName), func(b []byte) []byte {
			c, err := signing.ParseCheckpoint(b)
			if err != nil {
				t.Fatal(err)
			}
			note, err := signing.SignCheckpoint(c.Origin, c.Size, c.Root, key(t, keyVectors[0]))
			if err != nil {
				t.Fatal(err)
			}
			return note
		})
	}},
	"junk for the file checkpoint": {want: "rollback checkpoint", do: func(t *testing.T, _ *rich, dir string) {
		rewrite(t, filepath.Join(dir, sidefile.CheckpointName), func([]byte) []byte { return []byte("junk\n") })
	}},
	"junk in the file of key changes": {want: "key_change_invalid key-changes", do: func(t *testing.T, _ *rich, dir string) {
		rewrite(t, filepath.Join(dir, sidefile.KeyChangesName), func(b []byte) []byte { return append(b, "junk\n"...) })
	}},
	"white space in the file of key changes": {want: "key_change_invalid key-changes", do: func(t *testing.T, _ *rich, dir string) {
		rewrite(t, filepath.Join(dir, sidefile.KeyChangesName), func(b []byte) []byte { return bytes.Replace(b, []byte(`":`), []byte(`": `), 1) })
	}},
	"a key change beyond the end": {want: "rollback key-changes", do: func(t *testing.T, _ *rich, dir string) { fileKeyChange(t, dir, vectorOrigin, 100_000) }},
	"a key change within a segment": {want: "key_change_invalid key-changes", do: func(t *testing.T, r *rich, dir string) {
		fileKeyChange(t, dir, vectorOrigin, r.report(t, r.dir).TreeSize-1)
	}},
	"a key change of another log": {want: "key_change_invalid key-changes", do: func(t *testing.T, _ *rich, dir string) { fileKeyChange(t, dir, "other.example/auditlog", 3) }},
	"a receipt of another leaf": {unchecked: true, want: "receipt_invalid", do: func(t *testing.T, r *rich, _ string) {
		r.receipt = regexp.MustCompile(`"index":(\d+)`).ReplaceAll(r.receipt, []byte(`"index":0`))
	}},
	"a receipt of another event": {unchecked: true, want: "receipt_invalid", do: func(t *testing.T, r *rich, dir string) {
		lines := bytes.SplitAfter(r.receipt, []byte("\n"))
		n := len(lines) - 2 // of an event that has not been pruned
		lines[n] = regexp.MustCompile(`"event_id":"[^"]*"`).ReplaceAll(lines[n], []byte(`"event_id":"another"`))
		r.receipt = bytes.Join(lines, nil)
	}},
	"a receipt by a stranger": {unchecked: true, want: "checkpoint_unchecked", do: func(t *testing.T, r *rich, dir string) {
		r.receipt = regexp.MustCompile(`(\x{2014} \S+ )[A-Za-z0-9+/=]+`).ReplaceAll(r.receipt, []byte(`${1}AAAAAAAA`))
	}},
	"a witness that nobody has asked": {unchecked: true, want: "not_witnessed", do: func(t *testing.T, r *rich, _ string) { r.witness = witnesstest.New(t, "witness.example/w9").Key }},
	"its witness's namesake":          {unchecked: true, want: "not_witnessed", do: func(t *testing.T, r *rich, _ string) { r.witness = witnesstest.New(t, "witness.example/w1").Key }},
	"an event changed":                {want: "root_mismatch", do: editLast("user-1-3", "user-1-4")},
	"what the log says of an id":      {want: "root_mismatch", do: editLast(`"content_hash":"`, `"content_hash":"0`)},
	"what the log says of a stream":   {want: "root_mismatch", do: editLast(`"expected":"7"`, `"expected":"8"`)},
	"what the log says of a witness":  {want: "root_mismatch", do: editLast(`"action":"witnessed"`, `"action":"witness_d"`)},
	"a checkpoint repeated": {want: "line_inserted", do: func(t *testing.T, r *rich, dir string) {
		all := segmentsIn(t, dir, 1)
		rewrite(t, all[len(all)-1], func(b []byte) []byte {
			lines := bytes.SplitAfter(b, []byte("\n"))
			return append(b, lines[len(lines)-2]...)
		})
	}},
}

// prunedAttacks are on a log of which retention has deleted the beginning.
var prunedAttacks = map[string]attack{
	"a byte of the pruned ranges": {want: "pruned_ranges_invalid pruned-ranges", do: func(t *testing.T, _ *rich, dir string) {
		rewrite(t, filepath.Join(dir, sidefile.PrunedRangesName), func(b []byte) []byte {
			at := bytes.Index(b, []byte(`["`)) + 2
			b[at] ^= 3
			return b
		})
	}},
	"a line of the pruned ranges": {want: "pruned_ranges_invalid pruned-ranges", do: func(t *testing.T, _ *rich, dir string) {
		rewrite(t, filepath.Join(dir, sidefile.PrunedRangesName), func(b []byte) []byte { return b[bytes.IndexByte(b, '\n')+1:] })
	}},
	"the pruned ranges deleted": {unchecked: true, want: "checkpoint_unchecked", do: func(t *testing.T, _ *rich, dir string) {
		if err := os.Remove(filepath.Join(dir, sidefile.PrunedRangesName)); err != nil {
			t.Fatal(err)
		}
	}},
	"one segment more deleted": {want: "segment_missing", do: func(t *testing.T, _ *rich, dir string) {
		if err := os.Remove(segmentsIn(t, dir, 2)[0]); err != nil {
			t.Fatal(err)
		}
	}},
}

func editLast(from, to string) func(*testing.T, *rich, string) {
	return func(t *testing.T, _ *rich, dir string) {
		for _, name := range slices.Backward(segmentsIn(t, dir, 1)) {
			b, err := os.ReadFile(name)
			require.NoError(t, err)
			if at := bytes.LastIndex(b, []byte(from)); at >= 0 {
				rewrite(t, name, func(b []byte) []byte { return slices.Replace(b, at, at+len(from), []byte(to)...) })
				return
			}
		}
		t.Fatalf("no segment has %q", from)
	}
}

// cutOff deletes all segments but the first two.
func cutOff(t *testing.T, dir string) {
	t.Helper()
	for _, name := range segmentsIn(t, dir, 3)[2:] {
		require.NoError(t, os.Remove(name))
	}
}

// fileKeyChange adds a key change between strangers to the file of them.
func fileKeyChange(t *testing.T, dir, origin string, index uint64) {
	t.Helper()
	first := readFiles(t, dir)
	lines, _ := first.lines(first.segments()[0])
	h, err := segment.ParseHeader(bytes.TrimSuffix(lines[0], []byte("\n")))
	require.NoError(t, err)
	note, err := signing.SignKeyChange(signing.KeyChange{Origin: origin, Log: h.Log, Index: index}, key(t, keyVectors[0]), key(t, keyVectors[1]))
	require.NoError(t, err)
	rewrite(t, filepath.Join(dir, sidefile.KeyChangesName), func(b []byte) []byte { return append(sidefile.AppendKeyChange(b, note), '\n') })
}

// Both verifiers find the same in logs with all that the format knows.
func TestSecondVerifierUnderAttack(t *testing.T) {
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		for _, pruned := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/pruned %t", scope, pruned), func(t *testing.T) {
				good := writeRich(t, scope, pruned)
				found := good.report(t, good.dir)
				require.False(t, found.TamperingDetected, "%+v", found)
				require.Equal(t, found.Receipts, found.ReceiptsHonored, "%+v", found)
				require.NotZero(t, found.WitnessedSize, "%+v", found)
				status, out := good.other(t, good.dir)
				require.Zero(t, status, "a good log: %d %s", status, out)
				all := []map[string]attack{attacks}
				if pruned {
					all = []map[string]attack{prunedAttacks}
				}
				for _, some := range all {
					for name, a := range some {
						dir := filepath.Join(t.TempDir(), "log")
						require.NoError(t, os.CopyFS(dir, os.DirFS(good.dir)))
						r := *good
						a.do(t, &r, dir)
						want := map[bool]string{false: verify.VerdictTampering, true: verify.VerdictUnchecked}[a.unchecked]
						found, err := r.verify(t, dir)
						if err != nil && !a.unchecked || err == nil && found.Verdict != want {
							t.Errorf("%s: ours says %+v, %v, not %s", name, found, err, want)
						}
						status, out := r.other(t, dir)
						assert.Equal(t, map[bool]int{false: 1, true: 2}[a.unchecked], status, "%s: the other says %d, want %s", name, status, want)
						assert.Contains(t, out, a.want, "%s: the other says %d, want %s", name, status, want)
					}
				}
			})
		}
	}
}

// What a log says of itself, and signs, is held against it.
func TestSecondVerifierHearsLies(t *testing.T) {
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		t.Run(string(scope), func(t *testing.T) {
			w := witnesstest.New(t, "witness.example/w1")
			keyFile := filepath.Join(t.TempDir(), "key.pem")
			s, err := keyfile.Create(keyFile, signing.Ed25519)
			require.NoError(t, err)
			w.Trust(t, vectorOrigin, s.Public())
			dir := filepath.Join(t.TempDir(), "log")
			o := rotation.Options{Directory: dir, Origin: vectorOrigin, Signer: s, Scope: scope, MaxSegmentBytes: 1, Witnesses: []cosigning.Witness{w}}
			for range 2 {
				say(t, o, `{"action":"opened","version":"x"}`)
			}
			o.MaxSegmentBytes, o.Witnesses = 0, nil
			root := bytes.Repeat([]byte{7}, 32)
			signed, err := signing.SignCheckpoint(vectorOrigin, 2, [32]byte(root), s)
			require.NoError(t, err)
			elsewhere, err := signing.SignCheckpoint("other.example/auditlog", 2, [32]byte(root), s)
			require.NoError(t, err)
			filed, err := os.ReadFile(filepath.Join(dir, sidefile.CheckpointName))
			require.NoError(t, err)
			forged := regexp.MustCompile(`(`+regexp.QuoteMeta(w.Name())+` [A-Za-z0-9+/]{60})[A-Za-z0-9+/]{4}`).ReplaceAll(filed, []byte(`${1}AAAA`))
			claim := func(note []byte, size int, proof string) string {
				return fmt.Sprintf(`{"action":"witnessed","checkpoint":%s,%s"size":%d}`, jcs.AppendString(nil, note), proof, size)
			}
			hash := base64.StdEncoding.EncodeToString(root)
			first, err := segment.ParseName(filepath.Base(segmentsIn(t, dir, 2)[1]))
			require.NoError(t, err)
			for name, c := range map[string]struct{ detail, want string }{
				"nothing":                      {`{"action":"opened","version":"x"}`, ""},
				"cosigned, another history":    {claim(signed, 2, ""), "rollback"},
				"cosigned, a proof of nothing": {claim(signed, 2, `"proof":["`+hash+`"],`), "rollback"},
				"cosigned, another log":        {claim(elsewhere, 2, ""), "rollback"},
				"cosigned, another size":       {claim(signed, 3, ""), "event_malformed"},
				"cosigned, no checkpoint":      {claim([]byte("junk"), 2, ""), "event_malformed"},
				"cosigned, by somebody else":   {claim(forged, int(parsed(t, filed).Size), ""), "cosignature_invalid"},
				"contradicted by a witness":    {fmt.Sprintf(`{"action":"contradicted","reason":"forked","size":3,"witness":%q}`, w.Name()), "rollback"},
				"pruned, and it led elsewhere": {fmt.Sprintf(`{"action":"pruned","before":%d,"root_hash":%q}`, first.FirstIndex, hash), "root_mismatch"},
			} {
				changed := filepath.Join(t.TempDir(), "log")
				require.NoError(t, os.CopyFS(changed, os.DirFS(dir)))
				require.NoError(t, os.Chmod(changed, 0o700))
				o.Directory = changed
				say(t, o, c.detail)
				found, err := verify.Log(t.Context(), os.DirFS(changed), verify.Options{Keys: []*signing.PublicKey{s.Public()}, Witnesses: []*witness.Key{w.Key}})
				if err != nil || found.TamperingDetected != (c.want != "") {
					t.Errorf("%s: ours: %v, %+v", name, err, found)
				}
				status, out := other(t, changed, keyfile.PublicPath(keyFile), "--witness", w.Key.String())
				assert.Equal(t, c.want == "", status == 0, "%s: the other says %d", name, status)
				assert.Contains(t, out, c.want, "%s: the other says %d", name, status)
			}
		})
	}
}

// segmentsIn returns a log's segments, of which there are so many at least.
func segmentsIn(t *testing.T, dir string, least int) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "audit-*"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(all), least)
	return all
}

func parsed(t *testing.T, note []byte) signing.Checkpoint {
	t.Helper()
	c, err := signing.ParseCheckpoint(note)
	require.NoError(t, err)
	return c
}

// Both find a proof wrong in the same places.
func TestSecondVerifierChecksProofs(t *testing.T) {
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		r := writeRich(t, scope, false)
		p, err := proof.Parse(r.proof)
		require.NoError(t, err, "%+v", p)
		require.Len(t, p.KeyChanges, 1, "%+v", p)
		require.NotEmpty(t, p.KeyChangePath, "%+v", p)
		for name, change := range map[string]func(p *proof.Inclusion){
			"nothing":                func(*proof.Inclusion) {},
			"the line":               func(p *proof.Inclusion) { p.Line = bytes.Replace(p.Line, []byte("info"), []byte("debug"), 1) },
			"the index":              func(p *proof.Inclusion) { p.Index++ },
			"a hash of the path":     func(p *proof.Inclusion) { p.Path[0][0] ^= 1 },
			"a hash less":            func(p *proof.Inclusion) { p.Path = p.Path[1:] },
			"no key change":          func(p *proof.Inclusion) { p.KeyChanges, p.KeyChangePath = nil, nil },
			"no path to it":          func(p *proof.Inclusion) { p.KeyChangePath = nil },
			"another path to it":     func(p *proof.Inclusion) { p.KeyChangePath[0][0] ^= 1 },
			"a longer path to it":    func(p *proof.Inclusion) { p.KeyChangePath = append(p.KeyChangePath, tlog.Hash{}) },
			"the key change twice":   func(p *proof.Inclusion) { p.KeyChanges = append(p.KeyChanges, p.KeyChanges[0]) },
			"a path without a cause": func(p *proof.Inclusion) { p.KeyChanges = nil },
		} {
			p, err := proof.Parse(r.proof)
			require.NoError(t, err)
			change(p)
			changed := *r
			changed.proof = p.Marshal()
			_, err = proof.Check(changed.proof, proof.Options{Keys: []*signing.PublicKey{r.public}})
			status, out := changed.other(t, r.dir)
			if good := name == "nothing"; good != (err == nil) || good != (status == 0) || !good && !strings.Contains(out, "proof_fails") {
				t.Errorf("%s, %s: ours says %v, the other %d: %s", scope, name, err, status, out)
			}
		}
	}
}
