// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/proof"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// ProofOptions say what a proof must show.
type ProofOptions struct {
	// Keys are the trusted public keys; at least one is needed, here or in Trust. Where the
	// log has changed its key since, the proof leads from the first key to the later ones.
	Keys []*signing.PublicKey
	// CheckpointKeys must have signed the checkpoint next to one of those, unless they had
	// left by then, as the proof or Trust says. They are no reason to trust it.
	CheckpointKeys []*signing.PublicKey
	// Trust are more trusted keys, with what they are for and what bounds them, and what
	// bounds witnesses. What one signed outside its bounds does not count. Times are held
	// against that of the event's commit; a key with a bound in time introduces another only
	// where the commit shows when that was. What revoked keys alone have signed shows
	// nothing, whatever it says of its time: whoever has come by one may have made it.
	Trust trust.Keys
	// AsOf says that the proof has been there since the log had no more than so many
	// leaves, so that keys count which were revoked since; nil says nothing of the kind.
	AsOf *uint64
	// Origin is the origin that the log must have; "" for any.
	Origin string
	// Witnesses are trusted to have followed the log. Quorum is how many of them must
	// have cosigned the checkpoint; 0 means all of them. Keys of the same name are of one
	// witness, which counts once.
	Witnesses []*witness.Key
	Quorum    int
}

// Proven is what a proof shows.
type Proven struct {
	// Event is the event in canonical JSON, Line the leaf that holds it.
	Event []byte
	Line  []byte
	// Index is the event's leaf index, and Origin, TreeSize and RootHash those of the
	// checkpoint that covers it.
	Index    uint64
	Origin   string
	TreeSize uint64
	RootHash []byte
	// SignedBy are the ids of the trusted keys that signed the checkpoint.
	SignedBy []string
	// Committed is when the log committed the event, by the writer's clock.
	Committed time.Time
	// EventSignedBy is the id of the trusted key that signed the event itself, "" if
	// it carries no signature, or one of a key that is not known.
	EventSignedBy string
	// LaterKeysOnly says that of the trusted keys only such have signed that the log took up
	// after the event, as no earlier one was given: whoever has one of them may have made
	// the event up.
	LaterKeysOnly bool
	// Cosigned are the names of the witnesses that cosigned the checkpoint.
	Cosigned []string
}

// ErrProofFails: a proof does not show what it claims. Other errors than that say that it
// could not be checked, or that nobody who is trusted stands for it.
var ErrProofFails = errors.New("the proof fails")

// ErrRevokedAlone: nobody but the holders of a revoked key stands for a proof or a receipt.
var ErrRevokedAlone = errors.New("it is signed with revoked keys alone, and whoever has come by one may have made it: hold it against the log (for receipts: verify --receipts), have the proof made anew, or say as of which size of the log you have had it (--as-of)")

// ErrNotWitnessed: the witnesses given have not cosigned a proof's checkpoint.
var ErrNotWitnessed = errors.New("the proof lacks cosignatures, of witnesses that the log may never have had")

// ErrNoCheckpointKey: a key that is trusted for checkpoints has not signed one.
var ErrNoCheckpointKey = errors.New("a key that is given for checkpoints has not signed the checkpoint")

// options are those that proofs and logs have in common.
func (o *ProofOptions) options() *Options {
	return &Options{Keys: o.Keys, CheckpointKeys: o.CheckpointKeys, Trust: o.Trust, AsOf: o.AsOf, Origin: o.Origin}
}

// CheckProof checks the text of a proof (c2sp.org/tlog-proof) that [Prove] has made:
// that an event is in the log whose checkpoint a trusted key has signed, and, if asked
// for, witnesses have cosigned. It needs nothing else.
func CheckProof(text []byte, o ProofOptions) (*Proven, error) {
	trusts := o.options()
	if err := trusts.checkKeys(); err != nil {
		return nil, fmt.Errorf("check a proof: %w", err)
	}
	keys := trusts.trusted()
	if len(keys) == 0 {
		return nil, errors.New("check a proof: no trusted key given")
	}
	var err error
	if o.Quorum, err = quorumOf(o.Witnesses, o.Quorum); err != nil {
		return nil, fmt.Errorf("check a proof: %w", err)
	}
	p, err := proof.Parse(text)
	if errors.Is(err, proof.ErrNone) || errors.Is(err, proof.ErrCut) {
		return nil, err // there is nothing in it that could fail, or not all of it
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProofFails, err)
	}
	line, err := segment.ParseEvent(p.Line)
	if err != nil {
		return nil, fmt.Errorf("%w: it does not hold an event: %w", ErrProofFails, err)
	}
	var sum event.Summary
	if err := event.Scan(line.Canonical, &sum); err != nil {
		return nil, fmt.Errorf("%w: it does not hold an event: %w", ErrProofFails, err)
	}
	commit, err := segment.ParseCommit(p.Commit)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProofFails, err)
	}
	c, err := signing.ParseCheckpoint(p.Checkpoint)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProofFails, err)
	}
	if err := trusts.checkOrigin(c.Origin); err != nil {
		return nil, err
	}
	if p.Index >= c.Size || c.Size > segment.MaxIndex {
		return nil, fmt.Errorf("%w: the checkpoint over %d leaves does not cover leaf %d", ErrProofFails, c.Size, p.Index)
	}
	if !within(p.Path, c.Size, c.Root, p) {
		return nil, fmt.Errorf("%w: the event and its path do not lead to the checkpoint's root", ErrProofFails)
	}
	if len(p.KeyChanges) > 0 {
		if n, err := signing.OpenKeyChange(p.KeyChanges[0]); err == nil && n.Log != p.Log {
			return nil, fmt.Errorf("%w: its key changes are of another log", ErrProofFails)
		}
	}
	chain, err := followKeys(p.KeyChanges, c, keys, func(n *signing.KeyChange) string {
		at := commit.Time
		if n.Index > p.Index {
			at = time.Time{} // later than the event
		}
		return trusts.objection(n, at)
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProofFails, err)
	}
	signedBy, others, err := openSigned(p.Checkpoint, c.Origin, chain.trusted, trusts.trustedForCheckpoints())
	if errors.Is(err, signing.ErrNoTrustedSignature) {
		return nil, fmt.Errorf("%w: the %w%s", ErrWrongKey, err, chain.refused)
	}
	if err == nil {
		if err := chain.checkSigner(c, signedBy); err != nil {
			return nil, err
		}
	}
	all := signedBy
	if err == nil {
		err = chain.checkCommit(p, c)
	}
	if err == nil {
		signedBy, err = chain.judgeSigners(o.Trust, signedBy, p.Index, c.Size, commit.Time)
	}
	if err == nil {
		err = chain.checkPath(p)
	}
	if err == nil {
		err = chain.judgeValidFrom(o.Trust, all, c.Size)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProofFails, err)
	}
	if err := trusts.judgeSigned(c.Size, signedBy, others, commit.Time, chain.left); err != nil {
		return nil, err
	}
	proven := &Proven{Event: line.Canonical, Line: p.Line, Index: p.Index, Origin: c.Origin, TreeSize: c.Size, RootHash: c.Root[:], Committed: commit.Time}
	for _, k := range append(signedBy, others...) {
		proven.SignedBy = append(proven.SignedBy, k.ID())
	}
	if line.Form == segment.FormSigned {
		if proven.EventSignedBy, err = chain.checkEvent(line, signing.NewEventContext(c.Origin, p.Log), p.Index); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrProofFails, err)
		}
	}
	proven.LaterKeysOnly = proven.EventSignedBy == "" && !chain.vouched(p.Index) && chain.later(p.Index, signedBy)
	if proven.Cosigned, err = cosigned(c, o); err != nil {
		return nil, err
	}
	return proven, nil
}

// openSigned checks the signatures of a checkpoint. It returns those keys that have signed
// it which are trusted for events, one at least, and those that are for checkpoints only.
func openSigned(note []byte, origin string, keys, checkpointKeys []*signing.PublicKey) (signers, others []*signing.PublicKey, err error) {
	c, by, err := signing.OpenCheckpoint(note, origin, once(slices.Concat(keys, checkpointKeys)))
	if err != nil {
		return nil, nil, err
	}
	for _, k := range by {
		if slices.ContainsFunc(keys, k.Equal) {
			signers = append(signers, k)
		} else {
			others = append(others, k)
		}
	}
	if len(signers) == 0 {
		return nil, nil, fmt.Errorf("checkpoint over %d leaves: %w for events", c.Size, signing.ErrNoTrustedSignature)
	}
	return signers, others, nil
}

// judgeSigned says what is wrong with who has signed a checkpoint, all of which may have done
// so, at some time: whether keys that sign next to others are missing, and whether somebody
// stands for it who has not lost a key since. left says that a key had left by then.
func (o *Options) judgeSigned(size uint64, signers, others []*signing.PublicKey, at time.Time, left func(*signing.PublicKey) bool) error {
	if o.AsOf != nil && size > *o.AsOf {
		return fmt.Errorf("its checkpoint covers %d leaves, so that it has not been there since the log had %d", size, *o.AsOf)
	}
	for _, k := range o.trustedForCheckpoints() {
		if slices.ContainsFunc(others, k.Equal) || slices.ContainsFunc(signers, k.Equal) || left(k) {
			continue
		}
		bounds := o.Trust.Find(k)
		begun := bounds != nil && bounds.From != nil && bounds.From.Reached(size-1, at)
		switch {
		case bounds != nil && (bounds.From != nil && !begun || bounds.Until != nil && bounds.Until.Reached(size-1, at) || bounds.Revoked != nil && bounds.Revoked.Reached(size-1, at)):
		case begun:
			return fmt.Errorf("%w: the checkpoint over %d leaves lacks the signature of the key %s, which is known to sign from %s on", ErrProofFails, size, k.ID(), bounds.From)
		default:
			return fmt.Errorf("%w: %s, over %d leaves", ErrNoCheckpointKey, k.ID(), size)
		}
	}
	lost := func(k *signing.PublicKey) bool { b := o.Trust.Find(k); return b != nil && b.Revoked != nil }
	if o.AsOf == nil && !slices.ContainsFunc(slices.Concat(signers, others), func(k *signing.PublicKey) bool { return !lost(k) }) {
		return ErrRevokedAlone
	}
	return nil
}

// permitted returns those keys that may have signed the leaves from one to another, at a
// time that is zero if it is not known. The error says why none may.
func permitted(known trust.Keys, keys []*signing.PublicKey, from, to uint64, at time.Time) (good []*signing.PublicKey, err error) {
	for _, k := range keys {
		bounds := known.Find(k)
		_, why := objection(bounds, from, at)
		if why == "" {
			_, why = objection(bounds, to, at)
		}
		if why == "" {
			good = append(good, k)
		} else {
			err = errors.New(why)
		}
	}
	if len(good) > 0 {
		err = nil
	}
	return good, err
}

// keyChain is the keys that a proof's key changes lead to.
type keyChain struct {
	trusted []*signing.PublicKey
	changes []signing.KeyChange
	// good says of each whether a trusted key introduced another with it. refused says why
	// a trusted one could not, for an error; it is empty if there is none.
	good    []bool
	refused string
}

// followKeys follows a proof's key changes from the trusted keys. They must be one
// chain: a change that comes from nowhere could give the log another key at an index
// than it had. What object says something against leads nowhere.
func followKeys(notes [][]byte, c signing.Checkpoint, keys []*signing.PublicKey, object func(*signing.KeyChange) string) (*keyChain, error) {
	chain := &keyChain{trusted: once(keys)}
	known := map[string]bool{}
	for _, k := range chain.trusted {
		known[string(k.SPKI())] = true
	}
	for _, text := range notes {
		n, err := signing.OpenKeyChange(text)
		if err != nil {
			return nil, err
		}
		if n.Origin != c.Origin || n.Index >= c.Size {
			return nil, errors.New("its key changes are of another log, or later than its checkpoint")
		}
		if i := len(chain.changes); i > 0 && !follows(chain.changes[i-1], n) {
			return nil, errors.New("its key changes are not one chain")
		}
		good := known[string(n.From.SPKI())]
		if why := object(&n); good && why != "" {
			good = false
			chain.refused = ". That of leaf " + strconv.FormatUint(n.Index, 10) + " on could not be introduced: " + why
		}
		chain.changes, chain.good = append(chain.changes, n), append(chain.good, good)
		if to := string(n.To.SPKI()); good && !known[to] {
			known[to] = true
			chain.trusted = append(chain.trusted, n.To)
		}
	}
	return chain, nil
}

// behind returns the number of the first key change behind a leaf, or -1.
func (k *keyChain) behind(index uint64) int {
	return slices.IndexFunc(k.changes, func(n signing.KeyChange) bool { return n.Index > index })
}

// vouched reports whether a trusted key that the log had at a leaf has signed, with the key
// change behind the leaf, the tree up to there.
func (k *keyChain) vouched(index uint64) bool {
	i := k.behind(index)
	return i >= 0 && k.good[i]
}

// checkSigner checks that the key that the log had at a checkpoint is among those of events that
// have signed it: others sign next to it.
func (k *keyChain) checkSigner(c signing.Checkpoint, signers []*signing.PublicKey) error {
	last := k.at(c.Size - 1)
	if last == nil || slices.ContainsFunc(signers, last.Equal) {
		return nil
	}
	return fmt.Errorf("%w: the log's key was %s at the checkpoint over %d leaves, and those that are trusted have signed it next to that one only%s", ErrWrongKey, last.ID(), c.Size, k.refused)
}

// checkCommit checks that a proof's commit is one of the log, no earlier than its event, in the
// tree that the key of the time has signed.
func (k *keyChain) checkCommit(p *proof.Inclusion, c signing.Checkpoint) error {
	size, root := c.Size, c.Root
	if i := k.behind(p.Index); i >= 0 {
		size, root = k.changes[i].Index, k.changes[i].Root
	}
	if p.CommitIndex <= p.Index || p.CommitIndex >= size {
		return fmt.Errorf("leaf %d is not the commit of leaf %d", p.CommitIndex, p.Index)
	}
	if tlog.CheckRecord(p.CommitPath, int64(size), tlog.Hash(root), int64(p.CommitIndex), tlog.RecordHash(p.Commit)) != nil {
		return errors.New("the commit and its path do not lead to the tree that the log's key has signed")
	}
	return nil
}

// left reports whether a key that signed checkpoints has signed, too, that it leaves.
func (k *keyChain) left(key *signing.PublicKey) bool {
	return slices.ContainsFunc(k.changes, func(n signing.KeyChange) bool { return slices.ContainsFunc(n.Leaving, key.Equal) })
}

// judgeValidFrom says so if the log had another key at a leaf than the one that is known to
// be valid from there on.
func (k *keyChain) judgeValidFrom(known trust.Keys, signers []*signing.PublicKey, size uint64) error {
	for i := range known {
		one := &known[i]
		if one.Public == nil || !one.For(trust.UseEvents) || one.From == nil || !one.From.ByIndex || one.From.Index >= size {
			continue
		}
		at := k.at(one.From.Index)
		if at == nil && slices.ContainsFunc(signers, one.Public.Equal) || at != nil && at.Equal(one.Public) {
			continue
		}
		return fmt.Errorf("the key %s is known to sign the log from leaf %d on, but the proof shows another there", one.Name(), one.From.Index)
	}
	return nil
}

// checkPath checks that a proof's event was in the log when it went over to another key.
func (k *keyChain) checkPath(p *proof.Inclusion) error {
	i := k.behind(p.Index)
	switch {
	case i < 0 && len(p.KeyChangePath) > 0:
		return errors.New("it has a path to a key change behind the event, and there is none")
	case i < 0:
		return nil
	case len(p.KeyChangePath) == 0:
		return fmt.Errorf("it does not show that the event was in the log when the key of the time, %s, was changed: have it made anew by auditlog prove", k.changes[i].From.ID())
	case !within(p.KeyChangePath, k.changes[i].Index, k.changes[i].Root, p):
		return fmt.Errorf("the event was not in the log when its key, %s, was changed at leaf %d", k.changes[i].From.ID(), k.changes[i].Index)
	}
	return nil
}

// follows reports whether a log can change its key so after another change.
func follows(before, n signing.KeyChange) bool {
	return n.Origin == before.Origin && n.Log == before.Log && n.Index > before.Index && n.From.Equal(before.To)
}

// at returns the key that the log had at a leaf, as its key changes say, or nil if
// there are none.
func (k *keyChain) at(index uint64) *signing.PublicKey {
	if len(k.changes) == 0 {
		return nil
	}
	if i := k.behind(index); i >= 0 {
		return k.changes[i].From
	}
	return k.changes[len(k.changes)-1].To
}

// judgeSigners returns those of the signers of a checkpoint that may have signed it. The
// error says why none may, or why the key that the log had at an event's leaf may not have
// signed that.
func (k *keyChain) judgeSigners(known trust.Keys, signers []*signing.PublicKey, index, size uint64, at time.Time) ([]*signing.PublicKey, error) {
	now := k.at(index)
	if now == nil {
		return permitted(known, signers, index, size-1, at)
	}
	if _, err := permitted(known, []*signing.PublicKey{now}, index, index, at); err != nil {
		return nil, err
	}
	return permitted(known, signers, size-1, size-1, at)
}

// later reports whether the log took up all of some keys behind a leaf.
func (k *keyChain) later(index uint64, keys []*signing.PublicKey) bool {
	now := k.at(index)
	for _, key := range keys {
		if key.Equal(now) || !slices.ContainsFunc(k.changes, func(n signing.KeyChange) bool { return n.Index > index && n.To.Equal(key) }) {
			return false
		}
	}
	return true
}

// checkEvent checks an event's own signature with the key that the log had at its
// index. A later key must not sign for an earlier one: whoever steals it could.
func (k *keyChain) checkEvent(line segment.EventLine, context *signing.EventContext, index uint64) (string, error) {
	at := k.at(index)
	i := slices.IndexFunc(k.trusted, func(key *signing.PublicKey) bool { return key.ID() == line.KeyID })
	switch {
	case at != nil && at.ID() != line.KeyID:
		return "", fmt.Errorf("the event is signed with the key %s, but the log's key was %s at leaf %d", line.KeyID, at.ID(), index)
	case i < 0:
		return "", nil
	case !k.trusted[i].VerifyEvent(context, line.Canonical, line.Signature):
		return "", errors.New("the event's own signature does not fit it")
	}
	return line.KeyID, nil
}

// cosigned returns the names of the witnesses that have cosigned a checkpoint, if they
// are enough.
func cosigned(checkpoint signing.Checkpoint, o ProofOptions) (names []string, err error) {
	refused := ""
	for _, w := range o.Witnesses {
		cosignature, err := w.Cosignature(checkpoint.Note)
		_, why := objection(o.Trust.FindWitness(w), checkpoint.Size-1, cosignature.Time)
		switch {
		case err == nil && why != "":
			refused = "; " + why
		case err == nil:
			if !slices.Contains(names, w.Name()) { // with another key already
				names = append(names, w.Name())
			}
		case !errors.Is(err, witness.ErrNoCosignature):
			return nil, fmt.Errorf("%w: %w", ErrProofFails, err)
		}
	}
	if len(names) < o.Quorum {
		return nil, fmt.Errorf("%w: %d of the witnesses given have cosigned the checkpoint, but %d are needed%s", ErrNotWitnessed, len(names), o.Quorum, refused)
	}
	return names, nil
}

// OpenCheckpoint checks the signatures of a checkpoint of the log in the root of fsys with
// the trusted keys, and those that the log's key changes lead to. With no keys it checks its
// form and its origin only. When it was signed is not known, so that a key that was revoked
// at a time does not count. The error wraps [ErrWrongKey] if none of the keys has signed it;
// witnesses are not asked for.
func OpenCheckpoint(fsys fs.FS, text []byte, o ProofOptions) (signing.Checkpoint, error) {
	trusts := o.options()
	c, err := signing.ParseCheckpoint(text)
	if err == nil {
		err = errors.Join(trusts.checkKeys(), trusts.checkOrigin(c.Origin))
	}
	keys := trusts.trusted()
	if err != nil || len(keys) == 0 {
		return c, err
	}
	notes, err := keyChangesFor(fsys, c.Size)
	if err != nil {
		return c, err
	}
	chain, err := followKeys(notes, c, keys, func(n *signing.KeyChange) string { return trusts.objection(n, time.Time{}) })
	if err != nil {
		return c, err
	}
	signedBy, others, err := openSigned(text, c.Origin, chain.trusted, trusts.trustedForCheckpoints())
	if errors.Is(err, signing.ErrNoTrustedSignature) {
		return c, fmt.Errorf("%w: the %w%s", ErrWrongKey, err, chain.refused)
	}
	if err == nil && c.Size > 0 {
		err = chain.checkSigner(c, signedBy)
	}
	if err != nil {
		return c, err
	}
	last := max(c.Size, 1) - 1
	if signedBy, err = permitted(o.Trust, signedBy, last, last, time.Time{}); err != nil {
		return c, fmt.Errorf("%w: the checkpoint over %d leaves: %w", ErrWrongKey, c.Size, err)
	}
	return c, trusts.judgeSigned(c.Size, signedBy, others, time.Time{}, chain.left)
}
