// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/consistency"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/witnesstest"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

func ofKind(r *verify.Report, kind verify.Kind) (all []verify.Finding) {
	for _, f := range r.Findings {
		if f.Kind == kind {
			all = append(all, f)
		}
	}
	return all
}

// What the writer writes, a verifier accepts: through all compression and retention.
func TestWitnessedLog(t *testing.T) {
	for name, o := range map[string]rotation.Options{
		"events":      {},
		"checkpoints": {Scope: segline.ScopeCheckpoint},
		"segments":    {MaxSegmentBytes: 1, Compression: compression.Zstd},
		"pruned":      {MaxSegmentBytes: 1, Retention: rotation.Retention{MaxSegments: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			o, all := logtest.Witnessed(t, o, "witness.example/w1", "witness.example/w2")
			w := logtest.Write(t, o, 1, 2, 3, 1, 5)
			r := check(t, w.Files, verify.Options{Keys: logtest.PublicKeys(w.Signer), Witnesses: logtest.WitnessKeys(all...)})
			if r.TamperingDetected {
				t.Fatalf("%+v", r.Findings)
			}
			// It was asked for the last time when the log was closed.
			size := all[0].Size(o.Origin)
			if r.WitnessedSize != size || size == 0 || size >= r.TreeSize {
				t.Errorf("witnessed up to %d; the witness has cosigned %d of %d", r.WitnessedSize, size, r.TreeSize)
			}
			for i, got := range r.Witnesses {
				if got.Name != all[i].Name() || got.Size != size || got.Time == nil {
					t.Errorf("%+v", got)
				}
			}
			if got := ofKind(r, verify.NotWitnessed); len(got) != 1 || got[0].Severity != verify.Info || *got[0].Index != size {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestWitnessesAreMissed(t *testing.T) {
	o, all := logtest.Witnessed(t, rotation.Options{}, "witness.example/w1", "witness.example/w2")
	w := logtest.Write(t, o, 3)
	stranger, namesake := witnesstest.New(t, "witness.example/w3"), witnesstest.New(t, "witness.example/w1")
	for name, c := range map[string]struct {
		keys   []*witness.Key
		quorum int
		good   bool
	}{
		"both":                  {logtest.WitnessKeys(all...), 0, true},
		"one of them":           {logtest.WitnessKeys(all[1]), 1, true},
		"two of three":          {logtest.WitnessKeys(all[0], stranger, all[1]), 2, true},
		"three of three":        {logtest.WitnessKeys(all[0], stranger, all[1]), 3, false},
		"all of three":          {logtest.WitnessKeys(all[0], stranger, all[1]), 0, false},
		"a stranger":            {logtest.WitnessKeys(stranger), 1, false},
		"one of the same name":  {logtest.WitnessKeys(namesake), 1, false},
		"one or its namesake":   {logtest.WitnessKeys(namesake, all[0]), 1, true},
		"nobody, as it happens": {nil, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := check(t, w.Files, verify.Options{Keys: logtest.PublicKeys(w.Signer), Witnesses: c.keys, Quorum: c.quorum})
			// Whoever names a witness that the log never had accuses nobody.
			if want := map[bool]string{true: verify.VerdictOK, false: verify.VerdictUnchecked}[c.good]; r.Verdict != want {
				t.Errorf("%s: %+v", r.Verdict, r.Findings)
			}
			if !c.good && (!slices.Equal(kinds(amiss(r)), []verify.Kind{verify.NotWitnessed}) || r.WitnessedSize != 0) {
				t.Errorf("witnessed up to %d: %+v", r.WitnessedSize, r.Findings)
			}
			if len(r.Witnesses) != len(c.keys) {
				t.Errorf("the report tells of the witnesses %+v", r.Witnesses)
			}
		})
	}
	for name, o := range map[string]verify.Options{
		"twice the same":     {Witnesses: logtest.WitnessKeys(all[0], all[0])},
		"one by two names":   {Witnesses: []*witness.Key{all[0].Key, renamed(t, all[0].Key, "witness.example/w3")}},
		"twice by one name":  {Witnesses: logtest.WitnessKeys(all[0], namesake), Quorum: 2},
		"a quorum of none":   {Quorum: 1},
		"too large a quorum": {Witnesses: logtest.WitnessKeys(all...), Quorum: 3},
		"a negative quorum":  {Witnesses: logtest.WitnessKeys(all...), Quorum: -1},
	} {
		if _, err := verify.Log(t.Context(), w.Files, o); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// renamed returns the key of a witness under another name.
func renamed(t testing.TB, k *witness.Key, name string) *witness.Key {
	t.Helper()
	_, encoded, _ := strings.Cut(strings.TrimPrefix(k.String(), k.Name()+"+"), "+")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(append([]byte(name+"\n"), key...))
	other, err := witness.ParseKey(fmt.Sprintf("%s+%x+%s", name, hash[:4], encoded))
	if err != nil {
		t.Fatal(err)
	}
	return other
}

// says is an event `witnessed`, with members in canonical order.
type says struct {
	Action     string   `json:"action"`
	Checkpoint string   `json:"checkpoint"`
	Proof      [][]byte `json:"proof,omitempty"`
	Size       uint64   `json:"size"`
}

// claims is an event `witnessed` of the author's about a checkpoint.
func claims(a *logtest.Forger, note []byte, mark *consistency.Mark, cosignatures string) says {
	a.T.Helper()
	c, err := signing.ParseCheckpoint(note)
	if err != nil {
		a.T.Fatal(err)
	}
	s := says{Action: "witnessed", Checkpoint: string(note) + cosignatures, Size: c.Size}
	for _, h := range mark.Proof(&a.Tree) {
		s.Proof = append(s.Proof, h[:])
	}
	return s
}

func TestClaimsOfWitnesses(t *testing.T) {
	w := witnesstest.New(t, "witness.example/w1")
	other := logtest.NewForger(t) // another log of the same name
	other.Say(map[string]string{"action": "other"})
	otherNote, _ := other.Commit()
	for name, c := range map[string]struct {
		change func(a *logtest.Forger, s *says)
		want   []verify.Kind
	}{
		"none": {func(*logtest.Forger, *says) {}, nil},
		"another root": {func(_ *logtest.Forger, s *says) {
			s.Checkpoint, s.Size = string(otherNote)+w.Cosign(t, otherNote), 3
		}, []verify.Kind{verify.NotWitnessed, verify.Rollback}},
		"another log": {func(a *logtest.Forger, s *says) {
			note, err := signing.SignCheckpoint("other.example/auditlog", 3, [32]byte{}, a.Signer)
			if err != nil {
				t.Fatal(err)
			}
			s.Checkpoint = string(note) + w.Cosign(t, note)
		}, []verify.Kind{verify.NotWitnessed, verify.Rollback}},
		"more than the log had": {func(a *logtest.Forger, s *says) {
			note, err := signing.SignCheckpoint("test.example/auditlog", 100, [32]byte{}, a.Signer)
			if err != nil {
				t.Fatal(err)
			}
			s.Checkpoint, s.Size = string(note)+w.Cosign(t, note), 100
		}, []verify.Kind{verify.NotWitnessed, verify.Rollback}},
		"no proof":         {func(_ *logtest.Forger, s *says) { s.Proof = nil }, []verify.Kind{verify.NotWitnessed, verify.Rollback}},
		"half a proof":     {func(_ *logtest.Forger, s *says) { s.Proof = s.Proof[1:] }, []verify.Kind{verify.NotWitnessed, verify.Rollback}},
		"a changed proof":  {func(_ *logtest.Forger, s *says) { s.Proof[0] = make([]byte, 32) }, []verify.Kind{verify.NotWitnessed, verify.Rollback}},
		"too long a proof": {func(_ *logtest.Forger, s *says) { s.Proof = make([][]byte, 64) }, []verify.Kind{verify.EventMalformed, verify.NotWitnessed}},
		"no hashes":        {func(_ *logtest.Forger, s *says) { s.Proof = [][]byte{{1}} }, []verify.Kind{verify.EventMalformed, verify.NotWitnessed}},
		"another size":     {func(_ *logtest.Forger, s *says) { s.Size++ }, []verify.Kind{verify.EventMalformed, verify.NotWitnessed}},
		"no checkpoint":    {func(_ *logtest.Forger, s *says) { s.Checkpoint = "" }, []verify.Kind{verify.EventMalformed, verify.NotWitnessed}},
		"junk":             {func(_ *logtest.Forger, s *says) { s.Checkpoint = "\u2014 junk" }, []verify.Kind{verify.EventMalformed, verify.NotWitnessed}},
		"of nothing":       {func(_ *logtest.Forger, s *says) { s.Size = 0 }, []verify.Kind{verify.EventMalformed, verify.NotWitnessed}},
		"no cosignature": {func(_ *logtest.Forger, s *says) {
			s.Checkpoint = strings.TrimSuffix(s.Checkpoint, lastLine(s.Checkpoint))
		}, []verify.Kind{verify.NotWitnessed}},
		"of another note": {func(_ *logtest.Forger, s *says) {
			s.Checkpoint = strings.TrimSuffix(s.Checkpoint, lastLine(s.Checkpoint)) + w.Cosign(t, otherNote)
		}, []verify.Kind{verify.CosignatureInvalid, verify.NotWitnessed}},
		"cosigned twice":    {func(_ *logtest.Forger, s *says) { s.Checkpoint += lastLine(s.Checkpoint) }, []verify.Kind{verify.CosignatureInvalid, verify.NotWitnessed}},
		"without log's key": {func(_ *logtest.Forger, s *says) { s.Checkpoint = unsigned(s.Checkpoint) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			a := logtest.NewForger(t)
			a.Say(map[string]string{"action": "opened"})
			note, mark := a.Commit()
			for range 3 {
				a.Say(map[string]string{"action": "more"})
			}
			a.Commit()
			s := claims(a, note, mark, w.Cosign(t, note))
			c.change(a, &s)
			a.Say(s)
			a.Commit()
			r := checkForged(a, verify.Options{Witnesses: logtest.WitnessKeys(w)})
			got := kinds(amiss(r))
			slices.Sort(got)
			if !slices.Equal(got, c.want) || slices.ContainsFunc(bad(r), func(f verify.Finding) bool { return f.Kind == verify.NotWitnessed }) {
				t.Errorf("found %q, want %q: %+v", got, c.want, r.Findings)
			}
			if want := uint64(3); c.want == nil && r.WitnessedSize != want || c.want != nil && r.WitnessedSize != 0 {
				t.Errorf("witnessed up to %d", r.WitnessedSize)
			}
			// That the log speaks of another history is found without witnesses, too.
			alone := checkForged(a, verify.Options{})
			if want := slices.Contains(c.want, verify.Rollback) || slices.Contains(c.want, verify.EventMalformed); alone.TamperingDetected != want {
				t.Errorf("without witnesses: %+v", alone.Findings)
			}
		})
	}
}

func lastLine(note string) string {
	return note[strings.LastIndex(strings.TrimSuffix(note, "\n"), "\n")+1:]
}

// unsigned leaves the cosignature, which covers the text alone.
func unsigned(note string) string {
	text, _, _ := strings.Cut(note, "\n\n")
	return text + "\n\n" + lastLine(note)
}

// A quorum vouches for what each of its members does, at least.
func TestQuorumOfDifferentSizes(t *testing.T) {
	all := []*witnesstest.Witness{witnesstest.New(t, "w1"), witnesstest.New(t, "w2"), witnesstest.New(t, "w3")}
	a := logtest.NewForger(t)
	for i := range 6 {
		a.Say(map[string]string{"action": "more"})
		note, mark := a.Commit()
		switch i {
		case 1:
			a.Say(claims(a, note, mark, all[0].Cosign(t, note)+all[1].Cosign(t, note))) // over 5
		case 3:
			a.Say(claims(a, note, mark, all[2].Cosign(t, note))) // over 10
		case 4:
			a.Say(claims(a, note, mark, all[0].Cosign(t, note))) // over 13
		}
	}
	for quorum, want := range map[int]uint64{1: 13, 2: 10, 3: 5, 0: 5} {
		r := checkForged(a, verify.Options{Witnesses: logtest.WitnessKeys(all...), Quorum: quorum})
		if r.TamperingDetected || r.WitnessedSize != want {
			t.Errorf("a quorum of %d vouches for %d leaves, want %d: %+v", quorum, r.WitnessedSize, want, r.Findings)
		}
	}
}

// A witness that has changed its key may be given with both, and counts once.
func TestWitnessWithTwoKeys(t *testing.T) {
	before, after, other := witnesstest.New(t, "w1"), witnesstest.New(t, "w1"), witnesstest.New(t, "w2")
	a := logtest.NewForger(t)
	note, mark := a.Commit()
	a.Say(claims(a, note, mark, before.Cosign(t, note)+other.Cosign(t, note))) // over 2
	note, mark = a.Commit()
	a.Say(claims(a, note, mark, before.Cosign(t, note)+after.Cosign(t, note))) // over 4
	a.Commit()
	for quorum, want := range map[int]uint64{1: 4, 2: 2, 0: 2} {
		r := checkForged(a, verify.Options{Witnesses: logtest.WitnessKeys(before, other, after), Quorum: quorum})
		if r.TamperingDetected || r.WitnessedSize != want || len(r.Witnesses) != 3 {
			t.Errorf("a quorum of %d vouches for %d leaves, want %d: %+v", quorum, r.WitnessedSize, want, r.Findings)
		}
	}
	if r := checkForged(a, verify.Options{Witnesses: logtest.WitnessKeys(before, after)}); r.TamperingDetected || r.WitnessedSize != 4 {
		t.Errorf("the one witness vouches for %d leaves: %+v", r.WitnessedSize, r.Findings)
	}
	third := witnesstest.New(t, "w3")
	r := checkForged(a, verify.Options{Witnesses: logtest.WitnessKeys(before, after, third), Quorum: 2})
	if !slices.Equal(kinds(amiss(r)), []verify.Kind{verify.NotWitnessed}) || r.WitnessedSize != 0 {
		t.Errorf("one witness is a quorum of two: %+v", r.Findings)
	}
}

// What no checkpoint covers does not count.
func TestAClaimInTheTail(t *testing.T) {
	w := witnesstest.New(t, "w1")
	a := logtest.NewForger(t)
	note, mark := a.Commit()
	a.Say(claims(a, note, mark, w.Cosign(t, note)))
	r := checkForged(a, verify.Options{Witnesses: logtest.WitnessKeys(w)})
	if r.Verdict != verify.VerdictUnchecked || !slices.Equal(kinds(amiss(r)), []verify.Kind{verify.NotWitnessed}) {
		t.Errorf("%+v", r.Findings)
	}
}

// A checkpoint that was kept, and the file of that name, vouch as well.
func TestKeptCheckpointsCarryCosignatures(t *testing.T) {
	w := witnesstest.New(t, "w1")
	a := logtest.NewForger(t)
	note, _ := a.Commit()
	a.Say(map[string]string{"action": "more"})
	newer, _ := a.Commit()
	cosigned := []byte(string(note) + w.Cosign(t, note))
	r := checkForged(a, verify.Options{Witnesses: logtest.WitnessKeys(w), Checkpoints: []verify.Kept{{Note: cosigned}}})
	if r.TamperingDetected || r.WitnessedSize != 2 {
		t.Errorf("witnessed up to %d: %+v", r.WitnessedSize, r.Findings)
	}
	fsys := fstest.MapFS{logtest.ForgedName: {Data: a.Text, Mode: 0o600}, sidefile.CheckpointName: {Data: []byte(string(newer) + w.Cosign(t, newer)), Mode: 0o600}}
	r = check(t, fsys, verify.Options{Keys: logtest.PublicKeys(a.Signer), Witnesses: logtest.WitnessKeys(w), Checkpoints: []verify.Kept{{Note: cosigned}}})
	if r.TamperingDetected || r.WitnessedSize != 4 || len(ofKind(r, verify.NotWitnessed)) != 0 {
		t.Errorf("witnessed up to %d: %+v", r.WitnessedSize, r.Findings)
	}
	forged := []byte(string(note) + w.Cosign(t, newer))
	r = checkForged(a, verify.Options{Witnesses: logtest.WitnessKeys(w), Checkpoints: []verify.Kept{{Note: forged}}})
	if found := ofKind(r, verify.CosignatureInvalid); len(found) != 1 || found[0].Severity != verify.Unchecked {
		t.Errorf("%+v", r.Findings)
	}
	// What is wrong with a copy of the user's own accuses nobody; the log's own file does.
	twice := []byte(string(cosigned) + lastLine(string(cosigned)))
	for name, copy := range map[string][]byte{"two cosignatures": twice, "a spoiled one next to a good one": []byte(string(cosigned) + lastLine(string(forged)))} {
		r = checkForged(a, verify.Options{Witnesses: logtest.WitnessKeys(w), Checkpoints: []verify.Kept{{Note: cosigned}, {Note: copy}}})
		if r.TamperingDetected || len(ofKind(r, verify.CosignatureInvalid)) != 1 {
			t.Errorf("%s: %+v", name, r.Findings)
		}
		fsys := fstest.MapFS{logtest.ForgedName: {Data: a.Text, Mode: 0o600}, sidefile.CheckpointName: {Data: copy, Mode: 0o600}}
		r = check(t, fsys, verify.Options{Keys: logtest.PublicKeys(a.Signer), Witnesses: logtest.WitnessKeys(w), Checkpoints: []verify.Kept{{Note: cosigned}}})
		if !slices.Contains(kinds(bad(r)), verify.CosignatureInvalid) {
			t.Errorf("%s, in the log's file: %+v", name, r.Findings)
		}
	}
	// One of another history is found as such, whoever cosigned it.
	other := logtest.NewForger(t)
	other.Signer = a.Signer
	other.Say(map[string]string{"action": "other"})
	fork, _ := other.Commit()
	r = checkForged(a, verify.Options{Witnesses: logtest.WitnessKeys(w), Checkpoints: []verify.Kept{{Note: []byte(string(fork) + w.Cosign(t, fork))}}})
	if !slices.Contains(kinds(bad(r)), verify.Rollback) || r.WitnessedSize != 0 {
		t.Errorf("witnessed up to %d: %+v", r.WitnessedSize, r.Findings)
	}
}

// What the log says of a witness that contradicts it counts as much as the witness does.
func TestContradictions(t *testing.T) {
	w := witnesstest.New(t, "w1")
	a := logtest.NewForger(t)
	note, mark := a.Commit()
	a.Say(claims(a, note, mark, w.Cosign(t, note)))
	a.Say(map[string]any{"action": "contradicted", "reason": "forked", "size": 77, "witness": "w1"})
	note, mark = a.Commit()
	severity := func(keys ...*witness.Key) verify.Severity {
		t.Helper()
		r := checkForged(a, verify.Options{Witnesses: keys})
		got := ofKind(r, verify.Rollback)
		if len(got) != 1 || !strings.Contains(got[0].Message, `"w1"`) || !strings.Contains(got[0].Message, "77") || *got[0].Index != 3 {
			t.Fatalf("%+v", r.Findings)
		}
		return got[0].Severity
	}
	if got := severity(); got != verify.Warning {
		t.Errorf("of a witness that nobody asked for: %s", got)
	}
	if got := severity(w.Key); got != verify.Tampering {
		t.Errorf("of a witness that is trusted: %s", got)
	}
	// The witness has cosigned a tree since that holds the event.
	a.Say(claims(a, note, mark, w.Cosign(t, note)))
	a.Commit()
	if got := severity(w.Key); got != verify.Warning {
		t.Errorf("of a witness that agrees again: %s", got)
	}
	if got := severity(w.Key, witnesstest.New(t, "w1").Key); got != verify.Warning {
		t.Errorf("of a witness that agrees again, with one of its keys: %s", got)
	}
}

// Cosignatures are leaves: none can be stripped, nor added, unseen.
func TestCosignaturesCannotBeStripped(t *testing.T) {
	o, all := logtest.Witnessed(t, rotation.Options{}, "witness.example/w1", "witness.example/w2")
	w := logtest.Write(t, o, 3)
	delete(w.Files, sidefile.CheckpointName)
	data := w.Files[w.Segments[0]].Data
	at := bytes.Index(data, []byte(`"action":"witnessed"`))
	if at < 0 {
		t.Fatal("there is no event about witnesses")
	}
	marker := []byte("\u2014 witness.example/w2 ")
	from := at + bytes.Index(data[at:], marker)
	to := from + bytes.Index(data[from:], []byte(`\n`)) + 2
	w.Files[w.Segments[0]].Data = slices.Concat(data[:from], data[to:])
	r := check(t, w.Files, verify.Options{Keys: logtest.PublicKeys(w.Signer), Witnesses: logtest.WitnessKeys(all...), Quorum: 1})
	if !r.TamperingDetected || !slices.ContainsFunc(bad(r), func(f verify.Finding) bool {
		return f.Kind == verify.RootMismatch || f.Kind == verify.EventSignatureInvalid
	}) {
		t.Errorf("%+v", r.Findings)
	}
}

// Nothing but what a witness has cosigned, and fits, counts.
func FuzzClaim(f *testing.F) {
	w := witnesstest.New(f, "w1")
	a := logtest.NewForger(f)
	note, mark := a.Commit()
	a.Say(map[string]string{"action": "more"})
	a.Commit()
	good := claims(a, note, mark, w.Cosign(f, note))
	f.Add(good.Checkpoint, good.Proof[0], good.Size)
	f.Add(string(note), []byte(nil), uint64(1))
	f.Add("", []byte{1}, uint64(0))
	f.Fuzz(func(t *testing.T, checkpoint string, proof []byte, size uint64) {
		copied := *a
		b := &copied
		b.T, b.Marks, b.Text = t, nil, slices.Clone(a.Text)
		b.Say(says{Action: "witnessed", Checkpoint: checkpoint, Proof: [][]byte{proof}, Size: size})
		b.Commit()
		r := checkForged(b, verify.Options{Witnesses: logtest.WitnessKeys(w)})
		genuine := size == good.Size && bytes.Equal(proof, good.Proof[0]) && strings.Contains(checkpoint, lastLine(good.Checkpoint))
		if r.WitnessedSize != 0 && !genuine {
			t.Errorf("%q with the proof %x is taken for %d leaves", checkpoint, proof, r.WitnessedSize)
		}
	})
}
