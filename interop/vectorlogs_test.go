// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/timestamp"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// vectorLog is a log among the vectors, and what a verifier must say of it.
type vectorLog struct {
	// Log is the name of its directory in logs/.
	Log   string `json:"log"`
	About string `json:"about"`
	// Keys and CheckpointKeys are files with public keys, Checkpoints are kept ones, all
	// below testdata/vectors; Witnesses are verifier keys, and Now is the verifier's clock.
	Keys           []string `json:"keys"`
	CheckpointKeys []string `json:"checkpoint_keys,omitempty"`
	Checkpoints    []string `json:"checkpoints,omitempty"`
	Witnesses      []string `json:"witnesses,omitempty"`
	Now            string   `json:"now"`
	// Verdict is ok, tampering or unchecked. Finding is one that is to be among those that
	// lead to it, or is told though all is well.
	Verdict string `json:"verdict"`
	Finding string `json:"finding,omitempty"`
	// Withheld counts commitments without an opening.
	Withheld int `json:"withheld,omitempty"`
}

const (
	vectorNow = "2027-01-01T00:00:00.000000000Z"
	p256File  = "ecdsa-p256.pub.pem"
	edFile    = "ed25519.pub.pem"
)

// vectorMaker makes the logs. Those that are to be found wrong are good ones, changed.
type vectorMaker struct {
	t        *testing.T
	root     string
	all      []vectorLog
	p256, ed *signing.Signer
}

// add takes a log in. What is not said is: one key, the Ed25519 one; a clock of later; all is
// well.
func (v *vectorMaker) add(f files, one vectorLog) {
	v.t.Helper()
	if one.Keys == nil {
		one.Keys = []string{edFile}
	}
	if one.Now == "" {
		one.Now = vectorNow
	}
	if one.Verdict == "" {
		one.Verdict = verify.VerdictOK
	}
	delete(f, durable.LockName)
	f.write(v.t, filepath.Join(v.root, "logs", one.Log))
	v.all = append(v.all, one)
}

// keep writes a checkpoint that was kept.
func (v *vectorMaker) keep(name string, note []byte) string {
	v.t.Helper()
	path := filepath.Join("kept", name+".txt")
	require.NoError(v.t, os.WriteFile(filepath.Join(v.root, path), note, 0o600))
	return path
}

// written writes a log as a writer does.
func (v *vectorMaker) written(o rotation.Options, run func(w *sampleWriter)) files {
	v.t.Helper()
	w := newSampleWriter(v.t, o)
	run(w)
	return readFiles(v.t, w.Options.Directory)
}

// changed is a copy of files that have been changed.
func (f files) changed(change func(f files)) files {
	c := f.clone()
	change(c)
	return c
}

// edit changes the lines of the i-th segment; a negative i counts from the end.
func (f files) edit(i int, change func(lines [][]byte) [][]byte) {
	all := f.segments()
	name := all[(i+len(all))%len(all)]
	lines, _ := f.lines(name)
	f.setLines(name, change(lines))
}

func makeVectorLogs(t *testing.T, root string) []vectorLog {
	t.Helper()
	v := &vectorMaker{t: t, root: root, p256: key(t, "ecdsa-p256.pem"), ed: key(t, "ed25519.pem")}
	require.NoError(t, errors.Join(os.RemoveAll(filepath.Join(root, "logs")), os.RemoveAll(filepath.Join(root, "kept")), os.RemoveAll(filepath.Join(root, "keys")), os.Mkdir(filepath.Join(root, "kept"), 0o700), os.Mkdir(filepath.Join(root, "keys"), 0o700)))
	v.kinds()
	v.files()
	v.commits()
	v.heads()
	v.misplaced()
	v.checked()
	v.times()
	v.compressedByHand()
	v.own()
	return v.all
}

// kinds are good logs of every kind.
func (v *vectorMaker) kinds() {
	for scope, s := range map[segline.Scope]*signing.Signer{segline.ScopeEvent: v.p256, segline.ScopeCheckpoint: v.ed} {
		dir := filepath.Join(v.t.TempDir(), "log")
		writeLog(v.t, dir, scope, s)
		keyFile := map[segline.Scope]string{segline.ScopeEvent: p256File, segline.ScopeCheckpoint: edFile}[scope]
		v.add(readFiles(v.t, dir), vectorLog{Log: "scope-" + string(scope), About: "several segments, gzip", Keys: []string{keyFile}})
	}
	slices.SortFunc(v.all, func(a, b vectorLog) int { return strings.Compare(a.Log, b.Log) })
	v.add(v.written(rotation.Options{Signer: v.p256}, func(w *sampleWriter) {
		w.run(1)
		w.Options.PreviousSigner, w.Options.Signer = v.p256, v.ed
		w.run(1)
	}), vectorLog{Log: "key-change", About: "from the P-256 key to the Ed25519 key; see proof.txt", Keys: []string{p256File}})
	for _, kind := range sampleKinds {
		s := kind.write(v.t)
		one := vectorLog{Log: kind.name, About: kind.about, Keys: []string{v.publish(kind.name, s.keys[0])}, Checkpoints: []string{v.keep(kind.name, s.kept)}}
		if s.checkpointKey != nil {
			one.CheckpointKeys = []string{v.publish(kind.name+"-checkpoints", s.checkpointKey)}
		}
		if s.witness != nil {
			one.Witnesses = []string{s.witness.String()}
		}
		f := readFiles(v.t, s.dir)
		switch kind.name {
		case "values":
			one.Withheld = 1
			v.valuesOf(f, one)
		case "pruned":
			v.prunedOf(f, one)
		}
		v.add(f, one)
	}
}

// publish writes the public key of a log whose private key nobody needs.
func (v *vectorMaker) publish(name string, s *signing.Signer) string {
	v.t.Helper()
	path := filepath.Join("keys", name+".pub.pem")
	require.NoError(v.t, os.WriteFile(filepath.Join(v.root, path), keyfile.MarshalPublic(s.Public()), 0o600))
	return path
}

// prunedOf are other looks at a log that is pruned.
func (v *vectorMaker) prunedOf(f files, as vectorLog) {
	add := func(name, about, verdict, finding string, change func(f files)) {
		one := as
		one.Log, one.About, one.Verdict, one.Finding = name, about, verdict, finding
		if change == nil {
			one.Now = "2026-11-23T10:00:00.000000000Z"
			change = func(files) {}
		}
		v.add(f.changed(change), one)
	}
	add("pruned-too-early", "retention has deleted the beginning before the time that was promised", verify.VerdictTampering, "retention_broken", nil)
	add("pruned-without-ranges", "nothing shows whether the log extends the kept checkpoint", verify.VerdictUnchecked, "checkpoint_unchecked", func(f files) { delete(f, sidefile.PrunedRangesName) })
	add("pruned-more", "a segment less than the log says", verify.VerdictTampering, "segment_missing", func(f files) { delete(f, f.segments()[0]) })
}

// base is a small log of three segments.
func (v *vectorMaker) base() files {
	p := newPen(v.t, v.ed)
	p.simple()
	p.next(nil)
	p.event("third")
	p.commit(nil)
	p.event("fourth")
	p.commit(nil)
	return p.files
}

// files are the cases of docs/format.md, section 7.7.
func (v *vectorMaker) files() {
	base := v.base()
	bad := func(name, about, finding string, change func(f files)) {
		v.add(base.changed(change), vectorLog{Log: name, About: about, Verdict: verify.VerdictTampering, Finding: finding})
	}
	good := func(name, about, finding string, change func(f files)) {
		v.add(base.changed(change), vectorLog{Log: name, About: about, Finding: finding})
	}
	first := base.segments()[0]
	good("both-forms-equal", "a segment plain and compressed", "compression_leftover", func(f files) { f[first+".gz"] = compressed(f[first], compression.Gzip) })
	bad("both-forms-differ", "a segment plain and compressed, which do not hold the same", "segment_overlap", func(f files) { f[first+".gz"] = compressed(f[f.segments()[1]], compression.Gzip) })
	good("checkpoint-empty", "the file checkpoint is empty", "checkpoint_missing", func(f files) { f[sidefile.CheckpointName] = nil })
	older := checkpointsOf(v.t, base)[0]
	good("checkpoint-older", "the file checkpoint is an older one", "", func(f files) { f[sidefile.CheckpointName] = older })
	good("checkpoint-missing", "the file checkpoint is not there", "checkpoint_missing", func(f files) { delete(f, sidefile.CheckpointName) })
	good("checkpoint-stranger", "in the file checkpoint a stranger's signature line stands next to the good one", "", func(f files) {
		f[sidefile.CheckpointName] = append(f[sidefile.CheckpointName], "\u2014 "+vectorOrigin+" AAAAAAAAAAAAAAAA\n"...)
	})
	bad("name-time", "the time in a name is not the header's", "header_invalid", func(f files) {
		n, err := segment.ParseName(first)
		require.NoError(v.t, err)
		n.Created = n.Created.Add(time.Second)
		f[n.String()] = f[first]
		delete(f, first)
	})
	good("active-empty", "the newest segment has just been created", "torn_tail", func(f files) {
		c, err := signing.ParseCheckpoint(f[sidefile.CheckpointName])
		require.NoError(v.t, err)
		f[segment.Name{FirstIndex: c.Size, Created: time.Date(2026, 11, 23, 10, 30, 0, 0, time.UTC), Compression: compression.None}.String()] = nil
	})
	bad("sealed-empty", "a sealed segment is empty", "segment_truncated", func(f files) { f[first] = nil })
	good("unknown-file", "a file that is no part of the log", "unknown_file", func(f files) { f["notes"] = []byte("x") })
	bad("hole", "a segment between others is gone", "segment_missing", func(f files) { delete(f, f.segments()[1]) })
	bad("checkpoint-junk", "the file checkpoint holds something else", "rollback", func(f files) { f[sidefile.CheckpointName] = []byte("junk\n") })
	good("junk-in-pruned-ranges", "nothing needs the file pruned-ranges, and nothing of it is read", "", func(f files) { f[sidefile.PrunedRangesName] = []byte("junk\n") })
	good("write-in-progress", "an event line that is being written", "torn_tail", func(f files) { f.edit(-1, func(l [][]byte) [][]byte { return append(l, []byte(`{"event":`)) }) })

	// A good signature next to a bad one of a checkpoint key.
	p := newPen(v.t, v.p256, v.ed)
	p.simple()
	spoiled := p.files.clone()
	note := spoiled[sidefile.CheckpointName]
	at := bytes.LastIndexByte(note[:len(note)-1], ' ') + 20
	note[at] = 'A' + (note[at]-'A'+1)%26
	v.add(spoiled, vectorLog{Log: "checkpoint-spoiled", About: "in the file checkpoint the checkpoint key's signature is bad, the other one good", Keys: []string{p256File}, Verdict: verify.VerdictTampering, Finding: "rollback"})

	// Three key changes.
	k := newPen(v.t, v.ed)
	k.begin(nil)
	k.commit(nil)
	for i, s := range []*signing.Signer{v.p256, v.ed, v.p256} {
		before := k.signers[0]
		k.changeKey(before, s)
		k.event(fmt.Sprint("after change ", i))
		k.commit(nil)
	}
	notes := slices.Collect(bytes.Lines(k.files[sidefile.KeyChangesName]))
	keyed := func(name, about, verdict string, lines ...[]byte) {
		one := vectorLog{Log: name, About: about, Verdict: verdict}
		if verdict == verify.VerdictTampering {
			one.Finding = "key_change_invalid"
		}
		v.add(k.files.changed(func(f files) { f[sidefile.KeyChangesName] = slices.Concat(lines...) }), one)
	}
	keyed("key-changes", "three key changes", verify.VerdictOK, notes...)
	keyed("key-changes-lack-newest", "the file key-changes lags behind", verify.VerdictOK, notes[0], notes[1])
	keyed("key-changes-torn", "the last line of key-changes is being written", verify.VerdictOK, notes[0], notes[1], notes[2][:50])
	keyed("key-changes-lack-older", "the file key-changes lacks one that a segment has", verify.VerdictOK, notes[1], notes[2])
	keyed("key-changes-out-of-order", "the file key-changes has two swapped", verify.VerdictTampering, notes[1], notes[0], notes[2])
	newest := k.files.segments()[2:]
	ahead := k.files.changed(func(f files) {
		delete(f, newest[0])
		delete(f, newest[1])
		delete(f, sidefile.CheckpointName)
	})
	v.add(ahead, vectorLog{Log: "key-changes-ahead", About: "the file key-changes is ahead of the segments, as in a copy that was made while the writer wrote", Verdict: verify.VerdictUnchecked, Finding: "rollback"})
	v.add(ahead.changed(func(f files) { f[sidefile.KeyChangesName] = slices.Concat(notes[0], notes[2]) }), vectorLog{Log: "key-changes-ahead-of-nothing", About: "the file key-changes is ahead of the segments, and the log's keys do not lead there", Verdict: verify.VerdictTampering, Finding: "rollback"})
	keyed("key-changes-twice", "the file key-changes has one twice", verify.VerdictTampering, notes[0], notes[1], notes[2], notes[2])
}

// checkpointsOf are all checkpoints of a log.
func checkpointsOf(t *testing.T, f files) (notes [][]byte) {
	t.Helper()
	for _, name := range f.segments() {
		lines, _ := f.lines(name)
		for _, i := range linesOf(lines, segline.KindCheckpoint) {
			note, err := segment.ParseCheckpoint(bytes.TrimSuffix(lines[i], []byte("\n")))
			require.NoError(t, err)
			notes = append(notes, note)
		}
	}
	return notes
}

// changeKey begins a segment with another first key, and says so in the head and the file.
func (p *pen) changeKey(from, to *signing.Signer, leaving ...*signing.Signer) {
	p.t.Helper()
	first, size, root := p.header.FirstIndex, p.tree.Size(), p.tree.Root()
	p.signers = []*signing.Signer{to}
	p.begin(nil)
	detail := p.keyChange(from, leaving...)
	p.own("key_changed", detail)
	p.rotated(first, size, root)
	if from != to {
		p.previous = from
	}
	var said struct {
		KeyChange string `json:"key_change"`
	}
	require.NoError(p.t, json.Unmarshal([]byte(detail), &said))
	p.files[sidefile.KeyChangesName] = append(sidefile.AppendKeyChange(p.files[sidefile.KeyChangesName], []byte(said.KeyChange)), '\n')
}

// commits are about what ends a commit.
func (v *vectorMaker) commits() {
	bad := func(name, about string, write func(p *pen)) {
		p := newPen(v.t, v.ed)
		write(p)
		v.add(p.files, vectorLog{Log: name, About: about, Verdict: verify.VerdictTampering, Finding: "commit_invalid"})
	}
	bad("checkpoint-deleted", "a checkpoint line has been deleted", func(p *pen) {
		p.simple()
		p.event("third")
		p.commit(nil)
		p.files.edit(-1, func(l [][]byte) [][]byte {
			i := linesOf(l, segline.KindCheckpoint)[0]
			return slices.Delete(l, i, i+1)
		})
	})
	bad("commit-number-jumps", "a commit has a number too high by one", func(p *pen) {
		p.simple()
		p.event("third")
		p.commit(func(c *segment.Commit) { c.Number++ })
	})
	bad("commit-number-repeats", "the first commit of the second segment has the number of the one before", func(p *pen) {
		p.begin(nil)
		p.commit(nil)
		p.next(nil)
		p.commit(func(c *segment.Commit) { c.Number-- })
	})
	bad("commit-missing", "a checkpoint without a commit line", func(p *pen) {
		p.begin(nil)
		p.commit(nil)
		p.event("second")
		p.checkpoint()
	})
	ids := func(h *segment.Header) { h.Features = []segline.Feature{segline.FeatureIDs} }
	bad("ids-wrong", "a commit binds other ids than those of its events", func(p *pen) {
		p.begin(ids)
		p.event("a")
		p.commit(func(c *segment.Commit) { c.IDs.Root = merkle.LeafHash([]byte("b")) })
	})
	bad("ids-count-wrong", "a commit counts more events than it has", func(p *pen) {
		p.begin(ids)
		p.event("a")
		p.commit(func(c *segment.Commit) { c.IDs.Count++ })
	})
	bad("ids-missing", "the header has the feature ids, a commit has none", func(p *pen) {
		p.begin(ids)
		p.event("a")
		p.commit(func(c *segment.Commit) { c.IDs = nil })
	})
	bad("ids-unannounced", "a commit has ids, the header does not have the feature", func(p *pen) {
		p.begin(nil)
		p.event("a")
		p.commit(func(c *segment.Commit) { c.IDs = &segline.IDs{Count: 1, Root: merkle.LeafHash([]byte("a"))} })
	})
}

// heads are about the first lines of a segment, at the bound and beyond.
func (v *vectorMaker) heads() {
	one := func(name, about, verdict, finding string, keys, checkpointKeys []string, signers []*signing.Signer, write func(p *pen)) {
		p := newPen(v.t, signers...)
		p.begin(nil)
		p.event("first")
		p.commit(nil)
		write(p)
		p.commit(nil)
		v.add(p.files, vectorLog{Log: name, About: about, Keys: keys, CheckpointKeys: checkpointKeys, Verdict: verdict, Finding: finding})
	}
	edOnly := []*signing.Signer{v.ed}
	one("head-at-bound", "key_changed on line 2, rotated on line 3", verify.VerdictOK, "", nil, nil, edOnly, func(p *pen) { p.changeKey(v.ed, v.p256) })
	one("head-beyond", "key_changed on line 3, rotated on line 2", verify.VerdictTampering, "key_change_invalid", nil, nil, edOnly, func(p *pen) {
		first, size, root := p.header.FirstIndex, p.tree.Size(), p.tree.Root()
		p.signers, p.previous = []*signing.Signer{v.p256}, v.ed
		p.begin(nil)
		detail := p.keyChange(v.ed)
		p.rotated(first, size, root)
		p.own("key_changed", detail)
	})
	one("head-twice", "the same key_changed on lines 2 and 3", verify.VerdictTampering, "key_change_invalid", nil, nil, edOnly, func(p *pen) {
		p.signers, p.previous = []*signing.Signer{v.p256}, v.ed
		p.begin(nil)
		detail := p.keyChange(v.ed)
		p.own("key_changed", detail)
		p.own("key_changed", detail)
	})
	lie := merkle.LeafHash([]byte("a lie"))
	one("rotated-at-bound", "rotated on line 3 tells of another root", verify.VerdictTampering, "root_mismatch", nil, nil, edOnly, func(p *pen) {
		first, size := p.header.FirstIndex, p.tree.Size()
		p.begin(nil)
		p.event("second")
		p.rotated(first, size, lie)
	})
	one("rotated-beyond", "rotated on line 4 tells of another root, and is not looked at", verify.VerdictOK, "", nil, nil, edOnly, func(p *pen) {
		first, size := p.header.FirstIndex, p.tree.Size()
		p.begin(nil)
		p.event("second")
		p.event("third")
		p.rotated(first, size, lie)
	})
	one("key-change-for-nothing", "a key change though nothing differs", verify.VerdictTampering, "key_change_invalid", nil, nil, edOnly, func(p *pen) { p.changeKey(v.ed, v.ed) })
	one("key-change-missing", "another key without a key change", verify.VerdictTampering, "", nil, nil, edOnly, func(p *pen) {
		p.signers, p.previous = []*signing.Signer{v.p256}, v.ed
		p.next(nil)
	})
	one("scope-change-missing", "another scope without a key change", verify.VerdictTampering, "key_change_invalid", nil, nil, edOnly, func(p *pen) {
		p.next(func(h *segment.Header) { h.Scope = segline.ScopeEvent })
	})
	one("key-change-unsigned-before", "the first checkpoint after a key change lacks the old key's signature", verify.VerdictTampering, "checkpoint_signature_invalid", nil, nil, edOnly, func(p *pen) {
		p.changeKey(v.ed, v.p256)
		p.previous = nil
	})
	both := []*signing.Signer{v.p256, v.ed}
	one("checkpoint-key-leaves-unsigned", "a checkpoint key leaves with a key change that it has not signed", verify.VerdictTampering, "", []string{p256File}, nil, both, func(p *pen) { p.changeKey(v.p256, v.p256) })
	one("checkpoint-key-leaves-unseen", "a checkpoint key leaves without a key change", verify.VerdictTampering, "key_change_invalid", []string{p256File}, []string{edFile}, both, func(p *pen) {
		p.signers = p.signers[:1]
		p.next(nil)
	})
	one("checkpoint-key-unknown", "a checkpoint key that the log never names", verify.VerdictUnchecked, "checkpoint_key_missing", nil, []string{p256File}, edOnly, func(p *pen) { p.next(nil) })
	one("checkpoint-key-alone", "the log's checkpoint key is given as a key for events", verify.VerdictUnchecked, "", nil, nil, both, func(p *pen) { p.next(nil) })
}

// own are about what the log says of itself.
func (v *vectorMaker) own() {
	one := func(name, about, verdict, finding, action, detail string) {
		p := newPen(v.t, v.ed)
		p.begin(nil)
		p.own(action, detail)
		p.commit(nil)
		v.add(p.files, vectorLog{Log: name, About: about, Verdict: verdict, Finding: finding})
	}
	one("own-later", "an action that version 1 does not know, whose members have other types than those of that name", verify.VerdictOK, "unknown_action",
		"later", `{"action":"later","before":"x","detail":{},"previous":7,"size":-1}`)
	one("own-more", "a member that version 1 does not know", verify.VerdictOK, "", "opened", `{"Version":7,"a":1,"action":"opened","version":"auditlog/v1"}`)
	one("own-without-action", "a member log without an action", verify.VerdictTampering, "event_malformed", "opened", `{"version":"auditlog/v1"}`)
	one("own-malformed", "a number is written as a text", verify.VerdictTampering, "event_malformed", "state_adopted", `{"action":"state_adopted","size":"7"}`)
	one("own-segments-malformed", "one of the segments that retention deletes is none", verify.VerdictTampering, "event_malformed",
		"pruned", `{"action":"pruned","before":0,"root_hash":"`+base64.StdEncoding.EncodeToString(make([]byte, 32))+`","segments":[{}]}`)
	one("own-action-later", "the action, which is not the first member, goes with a checkpoint that is none", verify.VerdictTampering, "event_malformed",
		"witnessed", `{"a":1,"action":"witnessed","checkpoint":"x","size":1}`)
}

// valuesOf are other looks at a log with commitments.
func (v *vectorMaker) valuesOf(f files, as vectorLog) {
	openings := strings.TrimSuffix(f.segments()[0], ".jsonl") + ".values"
	erased := as
	erased.Log, erased.About, erased.Withheld = "values-erased", "three commitments, no openings", 3
	v.add(f.changed(func(f files) { delete(f, openings) }), erased)
	bad := func(name, about string, change func(b []byte) []byte) {
		one := as
		one.Log, one.About, one.Verdict, one.Finding = name, about, verify.VerdictTampering, "value_invalid"
		v.add(f.changed(func(f files) { f[openings] = change(f[openings]) }), one)
	}
	replace := func(from, to string) func([]byte) []byte {
		return func(b []byte) []byte { return bytes.Replace(b, []byte(from), []byte(to), 1) }
	}
	bad("value-changed", "an opening does not fit its commitment", replace("alice", "mallory"))
	bad("value-without-commitment", "an opening is for a place that has no commitment", replace(`"/body"`, `"/level"`))
	bad("values-twice", "an opening is there twice", func(b []byte) []byte {
		lines := bytes.SplitAfter(b, []byte("\n"))
		return slices.Concat(lines[0], lines[0], lines[1])
	})
}

// misplaced is a commitment where none may be.
func (v *vectorMaker) misplaced() {
	p := newPen(v.t, v.ed)
	p.begin(nil)
	p.write("misplaced", fmt.Appendf(nil, `{"category":"session_management","event_id":"misplaced","level":"info","mapped_from":{"user_id":%s},"metadata":{},"operation":"log","resource_id":"r","resource_type":"t","success":null,"timestamp":"2026-11-23T10:00:00.000000000Z"}`, salted{`"x"`, [32]byte{}}.commitment()))
	p.commit(nil)
	v.add(p.files, vectorLog{Log: "commitment-misplaced", About: "a commitment where none may be", Verdict: verify.VerdictTampering, Finding: "event_malformed"})
}

// checked are about what a verifier may say of what it could not check.
func (v *vectorMaker) checked() {
	base := v.base()
	first := base.segments()[0]
	nothing := func(name, about, verdict, finding string, keys []string, change func(f files)) {
		v.add(base.changed(func(f files) {
			delete(f, sidefile.CheckpointName)
			change(f)
		}), vectorLog{Log: name, About: about, Keys: keys, Verdict: verdict, Finding: finding})
	}
	only := func(content func(lines [][]byte) []byte) func(f files) {
		return func(f files) {
			lines, _ := f.lines(first)
			clear(f)
			f[first] = content(lines)
		}
	}
	nothing("nothing-empty", "an empty segment in place of a log", verify.VerdictUnchecked, "nothing_checked", nil, only(func([][]byte) []byte { return nil }))
	nothing("nothing-but-header", "a header in place of a log", verify.VerdictUnchecked, "nothing_checked", nil, only(func(l [][]byte) []byte { return l[0] }))
	nothing("nothing-but-zeros", "zeros in place of a log", verify.VerdictUnchecked, "nothing_checked", nil, only(func([][]byte) []byte { return make([]byte, 1000) }))
	nothing("nothing-committed", "events without a checkpoint", verify.VerdictUnchecked, "nothing_checked", nil, only(func(l [][]byte) []byte { return slices.Concat(l[0], l[1]) }))
	nothing("wrong-key", "a good log, and the key of another", verify.VerdictUnchecked, "", []string{p256File}, func(files) {})
	nothing("nothing-sealed", "the sealed segments have no checkpoints", verify.VerdictTampering, "segment_truncated", nil, func(f files) {
		for _, name := range f.segments() {
			lines, _ := f.lines(name)
			f[name] = lines[0]
		}
	})
	v.add(base.changed(func(f files) {
		note := f[sidefile.CheckpointName]
		only(func(l [][]byte) []byte { return l[0] })(f)
		f[sidefile.CheckpointName] = note
	}), vectorLog{Log: "nothing-but-checkpoint", About: "a header in place of a log, and the file checkpoint", Verdict: verify.VerdictTampering, Finding: "rollback"})

	// Kept checkpoints.
	notes := checkpointsOf(v.t, base)
	kept := func(name, about, verdict, finding string, note []byte) {
		v.add(base.clone(), vectorLog{Log: name, About: about, Checkpoints: []string{v.keep(name, note)}, Verdict: verdict, Finding: finding})
	}
	c, err := signing.ParseCheckpoint(notes[0])
	require.NoError(v.t, err)
	sign := func(origin string, size uint64, root [32]byte, s *signing.Signer) []byte {
		note, err := signing.SignCheckpoint(origin, size, root, s)
		require.NoError(v.t, err)
		return note
	}
	kept("kept", "the log extends the kept checkpoint", verify.VerdictOK, "", notes[0])
	kept("kept-contradicted", "the log's key has signed another root", verify.VerdictTampering, "rollback", sign(vectorOrigin, c.Size, [32]byte{1}, v.ed))
	kept("kept-beyond", "the log's key has signed a larger tree", verify.VerdictTampering, "rollback", sign(vectorOrigin, 1000, [32]byte{1}, v.ed))
	kept("kept-of-another-log", "a checkpoint of another log was kept", verify.VerdictUnchecked, "checkpoint_unchecked", sign("other.example/auditlog", c.Size, c.Root, v.ed))
	kept("kept-by-a-stranger", "a stranger has signed the kept checkpoint", verify.VerdictUnchecked, "checkpoint_unchecked", sign(vectorOrigin, c.Size, [32]byte{1}, v.p256))
	kept("kept-malformed", "the kept checkpoint begins with a byte order mark", verify.VerdictUnchecked, "", append([]byte("\ufeff"), notes[0]...))

	// Readers of the future.
	newer := func(name, about, verdict, finding, from, to string, spoil bool) {
		p := newPen(v.t, v.ed)
		h := segment.Header{Origin: p.origin, Log: p.id, Created: p.tick(), Scope: segline.ScopeCheckpoint, Retain: time.Unix(0, 0), Keys: []segline.Key{segline.KeyOf(v.ed.Public())}}
		line := strings.Replace(string(h.AppendTo(nil)), from, to, 1)
		p.beginWith(h, line)
		p.line(`{"later":"a line that version 1 does not know"}`)
		p.commit(nil)
		if spoil {
			p.files.edit(0, func(l [][]byte) [][]byte {
				l[1] = bytes.Replace(l[1], []byte("does not"), []byte("does"), 1)
				return l
			})
		}
		v.add(p.files, vectorLog{Log: name, About: about, Verdict: verdict, Finding: finding})
	}
	newer("newer-format", "a segment of a format to come", verify.VerdictUnchecked, "newer_version", `"auditlog/v1"`, `"auditlog/v2"`, false)
	newer("newer-feature", "a segment with a feature to come", verify.VerdictUnchecked, "newer_version", `"features":[]`, `"features":["later"]`, false)
	newer("newer-changed", "the same, and a line was changed", verify.VerdictTampering, "root_mismatch", `"features":[]`, `"features":["later"]`, true)
	unknown := newPen(v.t, v.ed)
	unknown.begin(nil)
	unknown.own("later", `{"action":"later"}`)
	unknown.commit(nil)
	v.add(unknown.files, vectorLog{Log: "unknown-action", About: "the log says of itself what version 1 does not know", Finding: "unknown_action"})

	// A log that replaces another, and two of one name.
	p := newPen(v.t, v.ed)
	p.begin(func(h *segment.Header) {
		h.Succeeds = &segline.Predecessor{Log: signing.LogID{9}, Size: 7, Root: merkle.LeafHash(nil)}
	})
	p.commit(nil)
	v.add(p.files, vectorLog{Log: "succeeds", About: "the first header says which log this one replaces"})
	other := newPen(v.t, v.ed)
	other.id = signing.LogID{7}
	other.simple()
	mixed := base.changed(func(f files) {
		last := other.files.segments()[1]
		delete(f, sidefile.CheckpointName)
		for _, name := range f.segments()[1:] {
			delete(f, name)
		}
		f[last] = other.files[last]
	})
	v.add(mixed, vectorLog{Log: "another-identity", About: "the second segment is of another log of that name", Verdict: verify.VerdictTampering, Finding: "header_invalid"})
	copied := newPen(v.t, v.ed)
	copied.begin(func(h *segment.Header) { h.Scope = segline.ScopeEvent })
	id := copied.id
	copied.id = signing.LogID{7} // what the event's signature covers
	copied.event("of another log")
	copied.id = id
	copied.commit(nil)
	v.add(copied.files, vectorLog{Log: "event-of-another-log", About: "an event's signature is for another log of that name", Verdict: verify.VerdictTampering, Finding: "event_signature_invalid"})
}

// times are about clocks.
func (v *vectorMaker) times() {
	p := newPen(v.t, v.ed)
	p.begin(nil)
	p.commit(nil)
	p.now = p.now.Add(-time.Hour)
	p.commit(nil)
	v.add(p.files, vectorLog{Log: "time-goes-back", About: "a commit is earlier than the one before", Finding: "time_went_back"})
	p = newPen(v.t, v.ed)
	p.simple()
	v.add(p.files, vectorLog{Log: "time-ahead", About: "commits are ahead of the verifier's clock", Now: "2026-11-23T09:00:00.000000000Z", Finding: "time_in_future"})
}

// compressedByHand are logs of which somebody has compressed segments. The tools make them.
func (v *vectorMaker) compressedByHand() {
	base := v.base()
	all := base.segments()
	run := func(content []byte, tool ...string) []byte {
		path := filepath.Join(v.t.TempDir(), "segment.jsonl")
		require.NoError(v.t, os.WriteFile(path, content, 0o600))
		in, err := os.Open(path)
		require.NoError(v.t, err)
		defer in.Close()
		if tool[0] == "gzip" {
			tool = append(tool, path) // which puts the name into the file
		}
		cmd := exec.Command(tool[0], tool[1:]...)
		cmd.Stdin = in
		out, err := cmd.Output()
		require.NoError(v.t, err)
		return out
	}
	add := func(name, about, verdict, finding string, change func(f files)) {
		v.add(base.changed(change), vectorLog{Log: "by-hand-" + name, About: about, Verdict: verdict, Finding: finding})
	}
	replaced := func(i int, suffix string, compress func(content []byte) []byte) func(f files) {
		return func(f files) {
			f[all[i]+suffix] = compress(f[all[i]])
			delete(f, all[i])
		}
	}
	with := func(tool ...string) func(content []byte) []byte {
		return func(content []byte) []byte { return run(content, tool...) }
	}
	twice := func(tool ...string) func(content []byte) []byte {
		return func(content []byte) []byte {
			half := len(content) / 2
			return append(run(content[:half], tool...), run(content[half:], tool...)...)
		}
	}
	gz, zst, long, xz := []string{"gzip", "-c"}, []string{"zstd", "-qc"}, []string{"zstd", "-qc", "--long=27"}, []string{"xz", "-c"}
	readable := func(name, about string, change func(f files)) {
		add(name, about, verify.VerdictUnchecked, string(verify.ForeignCompression), change)
	}
	unreadable := func(name, about string, change func(f files)) {
		add(name, about, verify.VerdictUnchecked, string(verify.SegmentUnreadable), change)
	}
	readable("gzip", "gzip SEGMENT, the first one", replaced(0, ".gz", with(gz...)))
	readable("gzip-sealed", "gzip SEGMENT, the newest that is sealed", replaced(1, ".gz", with(gz...)))
	readable("gzip-newest", "gzip SEGMENT, the newest", replaced(2, ".gz", with(gz...)))
	readable("gzip-members", "several gzip members", replaced(1, ".gz", twice(gz...)))
	readable("zstd-no-check", "a zstd frame without a checksum", replaced(0, ".zst", with("zstd", "-qc", "--no-check")))
	readable("zstd-frames", "several zstd frames", replaced(1, ".zst", twice(zst...)))
	add("zstd", "zstd SEGMENT makes what the exporter makes", verify.VerdictOK, "", replaced(0, ".zst", with(zst...)))
	unreadable("zstd-long", "zstd --long, the first one", replaced(0, ".zst", with(long...)))
	unreadable("zstd-long-sealed", "zstd --long, the newest that is sealed", replaced(1, ".zst", with(long...)))
	unreadable("zstd-frames-long", "several zstd frames, the second one with a large window", replaced(1, ".zst", func(content []byte) []byte {
		half := len(content) / 2
		return append(run(content[:half], zst...), run(content[half:], long...)...)
	}))
	unreadable("xz", "xz SEGMENT, the first one", replaced(0, ".xz", with(xz...)))
	unreadable("xz-sealed", "xz SEGMENT, the newest that is sealed", replaced(1, ".xz", with(xz...)))
	unreadable("xz-newest", "xz SEGMENT, the newest: the file checkpoint is ahead of what can be read", replaced(2, ".xz", with(xz...)))
	unreadable("xz-all", "all segments", func(f files) {
		for i := range all {
			replaced(i, ".xz", with(xz...))(f)
		}
	})
	add("gzip-kept", "gzip -k: both forms", verify.VerdictOK, string(verify.Kind("compression_leftover")), func(f files) { f[all[0]+".gz"] = run(f[all[0]], gz...) })
	add("xz-kept", "xz -k: both forms", verify.VerdictOK, string(verify.Kind("unknown_file")), func(f files) { f[all[0]+".xz"] = run(f[all[0]], xz...) })
	unreadable("zstd-long-kept", "zstd --long -k: both forms, which cannot be compared", func(f files) { f[all[0]+".zst"] = run(f[all[0]], long...) })
	add("changed", "gzip SEGMENT, and a line was changed", verify.VerdictTampering, string(verify.RootMismatch), replaced(0, ".gz", func(content []byte) []byte {
		return run(bytes.Replace(content, []byte(`"first",`), []byte(`"other",`), 1), gz...)
	}))
	add("cut", "gzip SEGMENT, and the file was cut off", verify.VerdictTampering, string(verify.SegmentUnreadable), replaced(0, ".gz", func(content []byte) []byte {
		f := run(content, gz...)
		return f[:len(f)-9]
	}))
	add("name-alone", "a name ends in .xz, and the file is none", verify.VerdictTampering, string(verify.SegmentMissing), replaced(1, ".xz", func(content []byte) []byte { return content }))
	add("hole", "two segments are gone, and a file that cannot be read is in the place of the first", verify.VerdictTampering, string(verify.SegmentMissing), func(f files) {
		f[all[0]+".xz"] = run(f[all[0]], xz...)
		delete(f, all[0])
		delete(f, all[1])
	})
	readable("gzip-nothing", "hundreds of gzip members that hold nothing", replaced(1, ".gz", func(content []byte) []byte {
		return append(bytes.Repeat(run(nil, "gzip", "-cn"), 300), run(content, gz...)...)
	}))
	v.unreadNextToOthers(with(xz...), with(zst...))
	v.add(base.changed(replaced(2, ".xz", with(xz...))), vectorLog{Log: "by-hand-end", About: "xz SEGMENT, the newest, which a kept checkpoint covers", Checkpoints: []string{v.keep("by-hand-end", base[sidefile.CheckpointName])}, Verdict: verify.VerdictUnchecked, Finding: "rollback"})
	v.add(base.changed(replaced(2, ".xz", with(xz...))), vectorLog{Log: "by-hand-forked", About: "the same, and a kept checkpoint has another root", Checkpoints: []string{v.keep("by-hand-forked", v.another(base))}, Verdict: verify.VerdictTampering, Finding: "rollback"})
}

// unreadNextToOthers are logs where it matters what may be in a segment that cannot be read.
func (v *vectorMaker) unreadNextToOthers(xz, zst func(content []byte) []byte) {
	p := newPen(v.t, v.ed)
	p.simple()
	p.next(nil)
	before, err := merkle.NewFrontier(p.header.FirstIndex, p.header.Frontier)
	require.NoError(v.t, err)
	root := before.Root()
	p.own("pruned", fmt.Sprintf(`{"action":"pruned","before":%d,"root_hash":%q}`, before.Size(), base64.StdEncoding.EncodeToString(root[:])))
	p.commit(nil)
	v.add(p.files.changed(func(f files) {
		f[p.name+".xz"] = xz(f[p.name])
		for _, name := range f.segments() {
			delete(f, name)
		}
		p.next(nil)
		p.event("last")
		p.commit(nil)
		f[p.name], f[sidefile.CheckpointName] = p.files[p.name], p.files[sidefile.CheckpointName]
	}), vectorLog{Log: "by-hand-retention", About: "xz SEGMENT, which says what retention has deleted", Verdict: verify.VerdictUnchecked, Finding: "segment_missing"})

	p = newPen(v.t, v.ed)
	p.simple()
	p.next(nil)
	p.event("third")
	p.commit(nil)
	sealed, note := p.name, p.files[sidefile.CheckpointName]
	p.next(nil)
	headless := p.files.changed(func(f files) {
		f[sealed+".xz"] = xz(f[sealed])
		delete(f, sealed)
		f[p.name] = f[p.name][:bytes.IndexByte(f[p.name], '\n')+1]
		f[sidefile.CheckpointName] = note
	})
	v.add(headless, vectorLog{Log: "by-hand-empty-end", About: "xz SEGMENT, and after it an active one of which nothing counts yet", Checkpoints: []string{v.keep("by-hand-empty-end", note)}, Verdict: verify.VerdictUnchecked, Finding: "rollback"})

	p = newPen(v.t, v.ed)
	p.simple()
	fork := *p
	fork.files = p.files.changed(func(files) {})
	p.event("third")
	p.commit(nil)
	fork.next(nil)
	fork.event("another third")
	fork.commit(nil)
	v.add(fork.files.changed(func(f files) {
		f[p.name+".zst"] = append(zst(p.files[p.name]), "\x28\xb5\x2f\xfd\xa4\x00\x00\x00\x40"...)
		delete(f, p.name)
	}), vectorLog{Log: "by-hand-overlap", About: "what can be read of a segment goes further than where the next one begins", Verdict: verify.VerdictTampering, Finding: "segment_overlap"})
}

// another is a checkpoint of the size of a log's first one, with another root.
func (v *vectorMaker) another(f files) []byte {
	c, err := signing.ParseCheckpoint(checkpointsOf(v.t, f)[0])
	require.NoError(v.t, err)
	note, err := signing.SignCheckpoint(vectorOrigin, c.Size, [32]byte{1}, v.ed)
	require.NoError(v.t, err)
	return note
}

// Of each log among the vectors both verifiers say what is written next to it.
func TestVectorLogs(t *testing.T) {
	if *update {
		golden(t, "logs.json", makeVectorLogs(t, vectors))
	}
	other := startSecond(t)
	for _, v := range vectorLogs(t) {
		t.Run(v.Log, func(t *testing.T) {
			mine := ourAnswer(t, v.dir(), v.options(t))
			theirs := other.check(t, v.arguments(v.dir()))
			if theirs.cannotRead() {
				t.Skip(skippedZstd)
			}
			for who, a := range map[string]answer{"ours": mine, "the other": theirs} {
				if a.Verdict != v.Verdict || v.Finding != "" && !slices.ContainsFunc(a.Findings, func(f string) bool { return strings.Contains(f, " "+v.Finding+" ") }) {
					t.Errorf("%s says %s, not %s %s:\n%s", who, a.Verdict, v.Verdict, v.Finding, strings.Join(a.Findings, "\n"))
				}
				if a.Withheld != v.Withheld && v.Verdict == verify.VerdictOK {
					t.Errorf("%s: %d values are withheld, not %d", who, a.Withheld, v.Withheld)
				}
			}
		})
	}
}

// vectorLogs are the logs among the vectors.
func vectorLogs(t *testing.T) (all []vectorLog) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(vectors, "logs.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &all))
	return all
}

// dir is the log's directory.
func (v vectorLog) dir() string { return filepath.Join(vectors, "logs", v.Log) }

// arguments are what the other verifier is told, for a log in a directory.
func (v vectorLog) arguments(dir string) []string {
	args := []string{dir, "--now", v.Now}
	for _, k := range v.Keys {
		args = append(args, filepath.Join(vectors, k))
	}
	for flag, values := range map[string][]string{"--checkpoint-key": v.CheckpointKeys, "--checkpoint": v.Checkpoints} {
		for _, one := range values {
			args = append(args, flag, filepath.Join(vectors, one))
		}
	}
	for _, w := range v.Witnesses {
		args = append(args, "--witness", w)
	}
	return args
}

// options are what ours is told.
func (v vectorLog) options(t *testing.T) verify.Options {
	t.Helper()
	now, err := time.Parse(timestamp.Layout, v.Now)
	require.NoError(t, err)
	o := verify.Options{Now: func() time.Time { return now }, Jobs: 1}
	for _, k := range v.Keys {
		o.Keys = append(o.Keys, loadKey(t, k))
	}
	for _, k := range v.CheckpointKeys {
		o.CheckpointKeys = append(o.CheckpointKeys, loadKey(t, k))
	}
	for _, c := range v.Checkpoints {
		note, err := os.ReadFile(filepath.Join(vectors, c))
		require.NoError(t, err)
		o.Checkpoints = append(o.Checkpoints, verify.Kept{Note: note})
	}
	for _, w := range v.Witnesses {
		k, err := witness.ParseKey(w)
		require.NoError(t, err)
		o.Witnesses = append(o.Witnesses, k)
	}
	return o
}

func loadKey(t *testing.T, name string) *signing.PublicKey {
	t.Helper()
	k, err := keyfile.LoadPublic(filepath.Join(vectors, name))
	require.NoError(t, err)
	return k
}
