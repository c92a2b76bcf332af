// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/signers"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// Options say whom to trust, and what a proof must show.
type Options struct {
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

// ErrFails: a proof or a receipt does not show what it claims. Other errors than that say that it
// could not be checked, or that nobody who is trusted stands for it.
var ErrFails = errors.New("the proof fails")

// ErrWrongKey: a checkpoint is signed, but with none of the keys given.
var ErrWrongKey = signers.ErrWrongKey

// ErrRevokedAlone: nobody but the holders of a revoked key stands for a proof or a receipt.
var ErrRevokedAlone = errors.New("it is signed with revoked keys alone, and whoever has come by one may have made it: hold it against the log (for receipts: verify --receipts), have the proof made anew, or say as of which size of the log you have had it (--as-of)")

// ErrUnsigned: a trusted key has signed, but not all that had to, too: witnesses have not cosigned,
// or a key that is given for checkpoints has not signed. The error says which.
var ErrUnsigned = errors.New("it lacks signatures")

// unsigned is an ErrUnsigned in words of its own.
type unsigned string

func (e unsigned) Error() string { return string(e) }

func (e unsigned) Is(target error) bool { return target == ErrUnsigned }

const (
	errNotWitnessed    unsigned = "the proof lacks cosignatures, of witnesses that the log may never have had"
	errNoCheckpointKey unsigned = "a key that is given for checkpoints has not signed the checkpoint"
)

func (o *Options) trusted() *signers.Trusted {
	return &signers.Trusted{Keys: o.Keys, CheckpointKeys: o.CheckpointKeys, Bounds: o.Trust, AsOf: o.AsOf, Origin: o.Origin}
}

// Check checks the text of a proof (c2sp.org/tlog-proof) that [Prove] has made:
// that an event is in the log whose checkpoint a trusted key has signed, and, if asked
// for, witnesses have cosigned. It needs nothing else: neither the log nor a network. The error wraps
// [ErrFails] if the proof does not show what it claims, [ErrNone] if the text is no proof, and
// [ErrWrongKey], [ErrRevokedAlone] or [ErrUnsigned] if nobody who is trusted stands for it.
func Check(text []byte, o Options) (*Proven, error) {
	trusted := o.trusted()
	if err := trusted.Check(); err != nil {
		return nil, fmt.Errorf("check a proof: %w", err)
	}
	keys := trusted.Events()
	if len(keys) == 0 {
		return nil, errors.New("check a proof: no trusted key given")
	}
	var err error
	if o.Quorum, err = signers.Quorum(o.Witnesses, o.Quorum); err != nil {
		return nil, fmt.Errorf("check a proof: %w", err)
	}
	p, err := Parse(text)
	if errors.Is(err, ErrNone) || errors.Is(err, errCut) {
		return nil, err // there is nothing in it that could fail, or not all of it
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFails, err)
	}
	line, err := segment.ParseEvent(nil, p.Line)
	if err != nil {
		return nil, fmt.Errorf("%w: it does not hold an event: %w", ErrFails, err)
	}
	var sum eventjson.Summary
	if err := eventjson.Scan(line.Canonical, &sum); err != nil {
		return nil, fmt.Errorf("%w: it does not hold an event: %w", ErrFails, err)
	}
	commit, err := segment.ParseCommit(p.Commit)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFails, err)
	}
	c, err := signing.ParseCheckpoint(p.Checkpoint)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFails, err)
	}
	if err := trusted.CheckOrigin(c.Origin); err != nil {
		return nil, err
	}
	if p.Index >= c.Size || c.Size > segline.MaxIndex {
		return nil, fmt.Errorf("%w: the checkpoint over %d leaves does not cover leaf %d", ErrFails, c.Size, p.Index)
	}
	if !within(p.Path, c.Size, c.Root, p) {
		return nil, fmt.Errorf("%w: the event and its path do not lead to the checkpoint's root", ErrFails)
	}
	if len(p.KeyChanges) > 0 {
		if n, err := signing.OpenKeyChange(p.KeyChanges[0]); err == nil && n.Log != p.Log {
			return nil, fmt.Errorf("%w: its key changes are of another log", ErrFails)
		}
	}
	chain, err := followKeys(p.KeyChanges, c, keys, func(n *signing.KeyChange) string {
		at := commit.Time
		if n.Index > p.Index {
			at = time.Time{} // later than the event
		}
		return trusted.ObjectionToChange(n, at)
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFails, err)
	}
	signedBy, others, err := openSigned(p.Checkpoint, c.Origin, chain.trusted, trusted.Checkpoints())
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
		signedBy, err = chain.permittedAt(o.Trust, signedBy, p.Index, c.Size, commit.Time)
	}
	if err == nil {
		err = chain.checkPath(p)
	}
	if err == nil {
		err = chain.checkValidFrom(o.Trust, all, c.Size)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFails, err)
	}
	if err := checkSigners(trusted, c.Size, signedBy, others, commit.Time, chain.left); err != nil {
		return nil, err
	}
	proven := &Proven{Event: line.Canonical, Line: p.Line, Index: p.Index, Origin: c.Origin, TreeSize: c.Size, RootHash: c.Root[:], Committed: commit.Time}
	for _, k := range append(signedBy, others...) {
		proven.SignedBy = append(proven.SignedBy, k.ID())
	}
	if line.KeyID != "" {
		if proven.EventSignedBy, err = chain.checkEvent(line, c.Origin, p.Log, p.Index); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrFails, err)
		}
	}
	proven.LaterKeysOnly = proven.EventSignedBy == "" && !chain.signedLater(p.Index) && chain.later(p.Index, signedBy)
	if proven.Cosigned, err = cosigned(c, o); err != nil {
		return nil, err
	}
	return proven, nil
}

// cosigned returns the names of the witnesses that have cosigned a checkpoint, if they
// are enough.
func cosigned(checkpoint signing.Checkpoint, o Options) (names []string, err error) {
	refused := ""
	for _, w := range o.Witnesses {
		cosignature, err := w.Cosignature(checkpoint.Note)
		_, why := signers.Objection(signers.FindWitness(o.Trust, w), checkpoint.Size-1, cosignature.Time)
		switch {
		case err == nil && why != "":
			refused = "; " + why
		case err == nil:
			if !slices.Contains(names, w.Name()) { // with another key already
				names = append(names, w.Name())
			}
		case !errors.Is(err, witness.ErrNoCosignature):
			return nil, fmt.Errorf("%w: %w", ErrFails, err)
		}
	}
	if len(names) < o.Quorum {
		return nil, fmt.Errorf("%w: %d of the witnesses given have cosigned the checkpoint, but %d are needed%s", errNotWitnessed, len(names), o.Quorum, refused)
	}
	return names, nil
}
