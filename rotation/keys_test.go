// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// modelKeys are keys for segments, of which no crash takes anything.
type modelKeys struct {
	t             *testing.T
	mu            sync.Mutex
	current, next *signing.Signer
	chance        *rand.Rand
	fails         bool
}

func (k *modelKeys) Pending() *signing.Signer {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.next
}

func (k *modelKeys) Next() (*signing.Signer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.next == nil {
		k.next = signingtest.New(k.t, signing.Ed25519)
	}
	return k.next, nil
}

func (k *modelKeys) Advance() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fails && k.chance.IntN(10) == 0 {
		return errors.New("the key file cannot be replaced")
	}
	k.current, k.next = k.next, nil
	return nil
}

// failNowAndThen sets whether advancing may fail. A log that cannot destroy a key
// refuses to start, so it is off at a start.
func (k *modelKeys) failNowAndThen(on bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fails = on
}

// restart returns options for a restart with the keys as they are.
func (k *modelKeys) restart(o rotation.Options) rotation.Options {
	k.failNowAndThen(false)
	if o.SegmentKeys != nil {
		o.Signer = k.current
	}
	return o
}

// asOf returns options for a restart with a copy of the keys.
func (k *modelKeys) asOf(o rotation.Options) rotation.Options {
	k.mu.Lock()
	defer k.mu.Unlock()
	if o.SegmentKeys != nil {
		o.Signer = k.current
		o.SegmentKeys = &modelKeys{t: k.t, current: k.current, next: k.next}
	}
	return o
}

// verifyWith checks a directory with some keys.
func verifyWith(t testing.TB, dir string, signers ...*signing.Signer) (*verify.Report, error) {
	t.Helper()
	var o verify.Options
	for _, s := range signers {
		o.Keys = append(o.Keys, s.Public())
	}
	return verify.Log(context.Background(), os.DirFS(dir), o)
}

func mustVerify(t testing.TB, dir string, signers ...*signing.Signer) *verify.Report {
	t.Helper()
	r, err := verifyWith(t, dir, signers...)
	if err != nil {
		t.Fatal(err)
	}
	if r.TamperingDetected {
		t.Fatalf("tampering: %+v", r.Findings)
	}
	return r
}

func trusts(r *verify.Report) (all []string) {
	for _, s := range r.Segments {
		all = append(all, s.Trust)
	}
	return all
}

// The configuration names another key and the one before: whoever has either of them
// follows the log.
func TestKeyChangedByConfiguration(t *testing.T) {
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		t.Run(string(scope), func(t *testing.T) {
			o := options(t)
			o.Scope = scope
			first, second, third := o.Signer, signingtest.New(t, signing.Ed25519), signingtest.New(t, signing.ECDSAP256)
			l := open(t, o)
			mustAppend(t, l, o, "a")
			closeLog(t, l)

			o.Signer = second
			if _, err := rotation.Open(t.Context(), o); !errors.Is(err, rotation.ErrWrongKey) {
				t.Fatalf("a key that nobody introduced: %v", err)
			}
			o.PreviousSigner = first
			l = open(t, o)
			mustAppend(t, l, o, "b")
			closeLog(t, l)
			l = open(t, o) // the previous key is still configured, and not needed
			mustAppend(t, l, o, "c")
			closeLog(t, l)
			o.Signer, o.PreviousSigner = third, second
			l = open(t, o)
			mustAppend(t, l, o, "d")
			closeLog(t, l)

			got := read(t, o.Directory)
			sameIDs(t, got.ids, []string{"a", "b", "c", "d"})
			if n := len(segmentNames(t, o.Directory)); n != 3 {
				t.Errorf("%d segments, want one for each key", n)
			}
			for _, c := range []struct {
				key    *signing.Signer
				trusts []string
				begins bool
			}{
				{first, []string{"given", "introduced", "introduced"}, false},
				{second, []string{"vouched", "given", "introduced"}, true},
				{third, []string{"vouched", "vouched", "given"}, true},
			} {
				r := mustVerify(t, o.Directory, c.key)
				if !slices.Equal(trusts(r), c.trusts) {
					t.Errorf("trust %q, want %q", trusts(r), c.trusts)
				}
				if r.VerifiedEvents != r.TotalEvents || r.TrustedFrom == nil || (*r.TrustedFrom > 0) != c.begins {
					t.Errorf("%d of %d events, trusted from %v", r.VerifiedEvents, r.TotalEvents, r.TrustedFrom)
				}
				said := slices.ContainsFunc(r.Findings, func(f verify.Finding) bool { return f.Kind == verify.Kind("trust_begins") })
				if said != c.begins {
					t.Errorf("findings %+v", r.Findings)
				}
			}
			if _, err := verifyWith(t, o.Directory, signingtest.New(t, signing.ECDSAP256)); !errors.Is(err, verify.ErrWrongKey) {
				t.Errorf("a stranger's key: %v", err)
			}
		})
	}
}

// Each segment has a key of its own. The first public key is enough to check them all.
func TestKeyForEachSegment(t *testing.T) {
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		t.Run(string(scope), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key.pem")
			first, err := keyfile.Create(path, signing.ECDSAP256)
			if err != nil {
				t.Fatal(err)
			}
			o := options(t)
			o.Scope = scope
			o.MaxSegmentBytes = 3000
			o.Compression = compression.Zstd
			reopen := func() *rotation.Log {
				k, err := keyfile.OpenRotating(path)
				if err != nil {
					t.Fatal(err)
				}
				o.Signer, o.SegmentKeys = k.Current(), k
				return open(t, o)
			}
			var want []string
			for run := range 3 {
				l := reopen()
				for _, id := range numbered(fmt.Sprint(run), 10) {
					mustAppend(t, l, o, id)
					want = append(want, id)
				}
				closeLog(t, l)
			}
			sameIDs(t, read(t, o.Directory).ids, want)
			r := mustVerify(t, o.Directory, first)
			if len(r.Segments) < 5 || r.VerifiedEvents != r.TotalEvents {
				t.Fatalf("%d segments, %d of %d events", len(r.Segments), r.VerifiedEvents, r.TotalEvents)
			}
			seen := map[string]bool{}
			for i, s := range r.Segments {
				if seen[s.KeyID] {
					t.Errorf("segment %d has the key of another", i)
				}
				seen[s.KeyID] = true
				if want := map[bool]string{true: "given", false: "introduced"}[i == 0]; s.Trust != want {
					t.Errorf("segment %d is %s, want %s", i, s.Trust, want)
				}
			}
			now, err := keyfile.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			if last := r.Segments[len(r.Segments)-1].KeyID; now.Public().ID() != last {
				t.Errorf("the key file holds %s, the newest segment is signed with %s", now.Public().ID(), last)
			}
		})
	}
}

// A commit that would change the key and fails, wherever it does, leaves the key as it is, with
// nothing destroyed and nothing filed. The next one that succeeds makes the change, once.
func TestKeyChangeThatFailsChangesNothing(t *testing.T) {
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		for name, reason := range map[string]rotation.Reason{
			"the key is not permitted": rotation.ReasonSigning,
			"the disk is full":         rotation.ReasonDiskFull,
			"the disk fails":           rotation.ReasonIO,
		} {
			t.Run(string(scope)+"/"+name, func(t *testing.T) {
				o := options(t)
				first, fsys := o.Signer, faulty(t, o.Directory)
				keys := &modelKeys{t: t, current: first}
				o.FS, o.Scope, o.SegmentKeys, o.MaxSegmentBytes = fsys, scope, keys, 1
				var fails atomic.Bool
				o.Permit = func(key *signing.PublicKey, _ uint64, _ time.Time) error {
					if fails.Load() && reason == rotation.ReasonSigning && !key.Equal(first.Public()) {
						return errors.New("the key is not valid yet")
					}
					return nil
				}
				fsys.onWrite(func(p []byte) (int, error) {
					switch {
					case fails.Load() && reason == rotation.ReasonDiskFull:
						return len(p) / 2, syscall.ENOSPC
					case fails.Load() && reason == rotation.ReasonIO:
						return len(p) / 2, syscall.EIO
					}
					return len(p), nil
				})
				l := open(t, o)
				mustAppend(t, l, o, "before")
				fails.Store(true)
				for range 3 {
					_, err := appendIDs(t, l, o, "after")
					wantReason(t, err, reason)
					if got := l.Signer(); got != first {
						t.Fatalf("the log goes on with the key %s", got.Public().ID())
					}
				}
				if k := keys.asOf(o); k.Signer != first {
					t.Error("the key that the log is signed with was destroyed")
				}
				if _, err := os.Stat(filepath.Join(o.Directory, sidefile.KeyChangesName)); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("the file %s: %v, want none", sidefile.KeyChangesName, err)
				}
				fails.Store(false)
				mustAppend(t, l, o, "after")
				next := l.Signer()
				closeLog(t, l)
				if next == first {
					t.Error("the log has not gone over to the next key")
				}
				got := read(t, o.Directory)
				sameIDs(t, got.ids, []string{"before", "after"})
				changes := 0
				for _, a := range got.actions {
					if a == "key_changed" {
						changes++
					}
				}
				filed, err := os.ReadFile(filepath.Join(o.Directory, sidefile.KeyChangesName))
				if lines := bytes.Count(filed, []byte("\n")); err != nil || lines != changes || changes != 1 {
					t.Errorf("%d changes of the key, %d of them filed: %v, want 1", changes, lines, err)
				}
				mustVerify(t, o.Directory, first)
				mustVerify(t, o.Directory, next)
			})
		}
	}
}

// Whoever has taken every private key that there is now, and can write everything,
// cannot make another past: the key of an earlier segment is gone.
func TestForwardSecurity(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.pem")
	first, err := keyfile.Create(path, signing.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	k, err := keyfile.OpenRotating(path)
	if err != nil {
		t.Fatal(err)
	}
	o := options(t)
	o.Signer, o.SegmentKeys = k.Current(), k
	o.MaxSegmentBytes = 3000
	l := open(t, o)
	for _, id := range numbered("e", 12) {
		mustAppend(t, l, o, id)
	}
	closeLog(t, l)
	mustVerify(t, o.Directory, first)
	names := segmentNames(t, o.Directory)
	if len(names) < 4 {
		t.Fatalf("only %d segments", len(names))
	}
	var stolen []*signing.Signer
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if s, err := keyfile.Load(filepath.Join(filepath.Dir(path), f.Name())); err == nil {
			stolen = append(stolen, s)
		}
	}
	if len(stolen) == 0 || slices.ContainsFunc(stolen, func(s *signing.Signer) bool { return s.Public().Equal(first.Public()) }) {
		t.Fatalf("%d private keys are there, the first among them", len(stolen))
	}
	for _, thief := range stolen {
		for from := range len(names) - 1 {
			for _, named := range []bool{false, true} {
				forged := t.TempDir()
				forge(t, o.Directory, forged, from, thief, named)
				r, err := verifyWith(t, forged, first)
				if err == nil && !r.TamperingDetected {
					t.Errorf("segments forged from number %d on, header naming the thief's key: %t: not found", from, named)
				}
				// The forger did all else right: with a verifier that trusts the stolen
				// key, and follows it backwards, only the names of keys give it away.
				if named && from == 0 {
					if r, err := verifyWith(t, forged, thief); err != nil || r.TamperingDetected {
						t.Errorf("the forgery is not as good as it can be: %v, %+v", err, r)
					}
				}
			}
		}
	}
}

// forge writes a log that differs from number from on: one event's body is changed,
// and all signatures, checkpoints and key changes are made anew with the stolen key.
// If named is set, headers name that key.
func forge(t *testing.T, dir, out string, from int, thief *signing.Signer, named bool) {
	t.Helper()
	names := segmentNames(t, dir)
	for _, name := range names[:from] {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(out, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := &forger{t: t, thief: thief, named: named}
	for i, name := range names[from:] {
		b, forged := w.segment(filepath.Join(dir, name), i == 0)
		if err := os.WriteFile(filepath.Join(out, forged), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// The note of each change that a thief can keep is kept.
	if b, err := os.ReadFile(filepath.Join(dir, sidefile.KeyChangesName)); err == nil && from > 0 {
		lines := bytes.SplitAfter(b, []byte("\n"))
		if err := os.WriteFile(filepath.Join(out, sidefile.KeyChangesName), bytes.Join(lines[:from-1], nil), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func otherKey(t *testing.T) *signing.Signer { return signingtest.New(t, signing.Ed25519) }

// headersOf returns the headers of a log's segments.
func headersOf(t *testing.T, dir string) (all []segment.Header) {
	t.Helper()
	for _, name := range segmentNames(t, dir) {
		r, err := segment.Open(os.DirFS(dir), name, -1)
		if err != nil {
			t.Fatal(err)
		}
		line, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		h, err := segment.ParseHeader(line)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, h)
		r.Close()
	}
	return all
}

// A checkpoint key comes and is replaced or taken out with a note, which it signs when it
// leaves. Without its private key the log is not gone on with.
func TestCheckpointKeyComesAndLeaves(t *testing.T) {
	o := options(t)
	run := func(id string) {
		t.Helper()
		l := open(t, o)
		mustAppend(t, l, o, id)
		closeLog(t, l)
	}
	one, two := otherKey(t), otherKey(t)
	run("a")
	o.CheckpointSigner = one
	run("b")
	for _, replaced := range []bool{false, true} {
		without := o
		without.CheckpointSigner = nil
		if replaced {
			without.CheckpointSigner = two
		}
		before, err := os.ReadDir(o.Directory)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := rotation.Open(t.Context(), without); !errors.Is(err, rotation.ErrCheckpointKeyLeaves) {
			t.Fatalf("a checkpoint key is gone, another there: %t: %v", replaced, err)
		}
		if after, err := os.ReadDir(o.Directory); err != nil || len(after) != len(before) {
			t.Errorf("the directory has %d files, before %d", len(after), len(before))
		}
	}
	o.CheckpointSigner, o.PreviousCheckpointSigner = two, one
	run("c")
	o.PreviousCheckpointSigner = nil // not needed any longer
	run("d")
	o.CheckpointSigner, o.PreviousCheckpointSigner = nil, two
	run("e")
	o.PreviousSigner, o.Signer = o.Signer, otherKey(t)
	run("f")

	sameIDs(t, read(t, o.Directory).ids, []string{"a", "b", "c", "d", "e", "f"})
	mustVerify(t, o.Directory, o.Signer)
	b, err := os.ReadFile(filepath.Join(o.Directory, sidefile.KeyChangesName))
	if err != nil {
		t.Fatal(err)
	}
	var leaves [][]*signing.PublicKey
	for line := range bytes.Lines(b) {
		note, err := sidefile.ParseKeyChange(bytes.TrimSuffix(line, []byte("\n")))
		if err != nil {
			t.Fatal(err)
		}
		c, err := signing.OpenKeyChange(note)
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, c.Leaving)
	}
	if len(leaves) != 4 || len(leaves[0]) != 0 || len(leaves[1]) != 1 || !leaves[1][0].Equal(one.Public()) ||
		len(leaves[2]) != 1 || !leaves[2][0].Equal(two.Public()) || len(leaves[3]) != 0 {
		t.Errorf("the notes name as leaving %v", leaves)
	}
}

// Scope and features change with a note of the same key.
func TestScopeAndFeaturesChangeWithANote(t *testing.T) {
	o := options(t)
	for i, change := range []func(){
		func() {}, func() { o.BindIDs = true }, func() { o.Scope = segline.ScopeCheckpoint }, func() {}, func() { o.BindIDs = false },
	} {
		change()
		l := open(t, o)
		mustAppend(t, l, o, fmt.Sprint(i, "a"), fmt.Sprint(i, "b"))
		closeLog(t, l)
	}
	mustVerify(t, o.Directory, o.Signer)
	if n := strings.Count(ownEvents(t, o.Directory), `"action":"key_changed"`); n != 3 {
		t.Errorf("%d notes", n)
	}
	if h := headersOf(t, o.Directory); len(h) != 4 || !slices.Contains(h[1].Features, segline.FeatureIDs) || slices.Contains(h[3].Features, segline.FeatureIDs) {
		t.Errorf("headers %+v", h)
	}
}

// What stands in the file of key changes leads to the key that the log is signed with, or the
// file is written anew of what does.
func TestKeyChangesFileIsNotBelieved(t *testing.T) {
	o := options(t)
	k := &modelKeys{t: t, current: o.Signer}
	o.SegmentKeys, o.MaxSegmentBytes = k, 1
	first := o.Signer
	l := open(t, o)
	for _, id := range numbered("id", 6) {
		mustAppend(t, l, o, id)
	}
	closeLog(t, l)
	path := filepath.Join(o.Directory, sidefile.KeyChangesName)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h := headersOf(t, o.Directory)
	thief, puppet := otherKey(t), otherKey(t)
	note, err := signing.SignKeyChange(signing.KeyChange{Origin: origin, Log: h[0].Log, Index: h[len(h)-1].FirstIndex + 1}, thief, puppet)
	if err != nil {
		t.Fatal(err)
	}
	forged := append(sidefile.AppendKeyChange(nil, note), '\n')
	for name, content := range map[string][]byte{
		"removed":                   nil,
		"empty":                     {},
		"a line cut out":            slices.Concat(bytes.SplitAfter(good, []byte("\n"))[0], bytes.Join(bytes.SplitAfter(good, []byte("\n"))[2:], nil)),
		"a line that means nothing": append(bytes.Clone(good), "{}\n"...),
		"a line torn":               append(bytes.Clone(good), `{"key_change":"audit`...),
		"keys of somebody else":     append(bytes.Clone(good), forged...),
		"nothing but those":         forged,
		"the last line cut off":     good[:bytes.LastIndexByte(good[:len(good)-1], '\n')+1],
	} {
		t.Run(name, func(t *testing.T) {
			o := k.restart(o)
			o.Directory = filepath.Join(t.TempDir(), "copy")
			if err := os.CopyFS(o.Directory, os.DirFS(filepath.Dir(path))); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(o.Directory, 0o700); err != nil {
				t.Fatal(err)
			}
			copied := filepath.Join(o.Directory, sidefile.KeyChangesName)
			if err := os.Remove(copied); err != nil {
				t.Fatal(err)
			}
			if content != nil {
				if err := os.WriteFile(copied, content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			o.SegmentKeys, o.MaxSegmentBytes = nil, 0
			l := open(t, o)
			mustAppend(t, l, o, "after")
			closeLog(t, l)
			if got, err := os.ReadFile(copied); err != nil || !bytes.Equal(got, good) {
				t.Errorf("the file has %d bytes, want the %d it had: %v", len(got), len(good), err)
			}
			mustVerify(t, o.Directory, first)
		})
	}
}
