// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/internal/signers"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
)

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
	chain := &keyChain{trusted: signers.Once(keys)}
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

// changeAfter returns the number of the first key change after a leaf, or -1.
func (k *keyChain) changeAfter(index uint64) int {
	return slices.IndexFunc(k.changes, func(n signing.KeyChange) bool { return n.Index > index })
}

// signedLater reports whether a trusted key that the log had at a leaf has signed, with the key
// change behind the leaf, the tree up to there.
func (k *keyChain) signedLater(index uint64) bool {
	i := k.changeAfter(index)
	return i >= 0 && k.good[i]
}

// checkSigner checks that the key that the log had at a checkpoint is among those of events that
// have signed it: others sign next to it.
func (k *keyChain) checkSigner(c signing.Checkpoint, signers []*signing.PublicKey) error {
	last := k.keyAt(c.Size - 1)
	if last == nil || slices.ContainsFunc(signers, last.Equal) {
		return nil
	}
	return fmt.Errorf("%w: the log's key was %s at the checkpoint over %d leaves, and those that are trusted have signed it next to that one only%s", ErrWrongKey, last.ID(), c.Size, k.refused)
}

// checkCommit checks that a proof's commit is one of the log, no earlier than its event, in the
// tree that the key of the time has signed.
func (k *keyChain) checkCommit(p *Inclusion, c signing.Checkpoint) error {
	size, root := c.Size, c.Root
	if i := k.changeAfter(p.Index); i >= 0 {
		size, root = k.changes[i].Index, k.changes[i].Root
	}
	if p.CommitIndex <= p.Index || p.CommitIndex >= size {
		return fmt.Errorf("leaf %d is not the commit of leaf %d", p.CommitIndex, p.Index)
	}
	if tlog.CheckRecord(p.CommitPath, int64(size), root, int64(p.CommitIndex), tlog.RecordHash(p.Commit)) != nil {
		return errors.New("the commit and its path do not lead to the tree that the log's key has signed")
	}
	return nil
}

// left reports whether a key that signed checkpoints has signed, too, that it leaves.
func (k *keyChain) left(key *signing.PublicKey) bool {
	return slices.ContainsFunc(k.changes, func(n signing.KeyChange) bool { return slices.ContainsFunc(n.Leaving, key.Equal) })
}

// checkValidFrom says so if the log had another key at a leaf than the one that is known to
// be valid from there on.
func (k *keyChain) checkValidFrom(known trust.Keys, signers []*signing.PublicKey, size uint64) error {
	for i := range known {
		one := &known[i]
		if one.Public == nil || !one.For(trust.UseEvents) || one.From == nil || !one.From.ByIndex || one.From.Index >= size {
			continue
		}
		at := k.keyAt(one.From.Index)
		if at == nil && slices.ContainsFunc(signers, one.Public.Equal) || at != nil && at.Equal(one.Public) {
			continue
		}
		return fmt.Errorf("the key %s is known to sign the log from leaf %d on, but the proof shows another there", one.Name(), one.From.Index)
	}
	return nil
}

// checkPath checks that a proof's event was in the log when it went over to another key.
func (k *keyChain) checkPath(p *Inclusion) error {
	i := k.changeAfter(p.Index)
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

// keyAt returns the key that the log had at a leaf, as its key changes say, or nil if
// there are none.
func (k *keyChain) keyAt(index uint64) *signing.PublicKey {
	if len(k.changes) == 0 {
		return nil
	}
	if i := k.changeAfter(index); i >= 0 {
		return k.changes[i].From
	}
	return k.changes[len(k.changes)-1].To
}

// permittedAt returns those of the signers of a checkpoint that may have signed it. The
// error says why none may, or why the key that the log had at an event's leaf may not have
// signed that.
func (k *keyChain) permittedAt(known trust.Keys, signers []*signing.PublicKey, index, size uint64, at time.Time) ([]*signing.PublicKey, error) {
	now := k.keyAt(index)
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
	now := k.keyAt(index)
	for _, key := range keys {
		if key.Equal(now) || !slices.ContainsFunc(k.changes, func(n signing.KeyChange) bool { return n.Index > index && n.To.Equal(key) }) {
			return false
		}
	}
	return true
}

// checkEvent checks an event's own signature with the key that the log had at its
// index. A later key must not sign for an earlier one: whoever steals it could.
func (k *keyChain) checkEvent(line segment.EventLine, origin string, log signing.LogID, index uint64) (string, error) {
	at := k.keyAt(index)
	i := slices.IndexFunc(k.trusted, func(key *signing.PublicKey) bool { return key.ID() == line.KeyID })
	switch {
	case at != nil && at.ID() != line.KeyID:
		return "", fmt.Errorf("the event is signed with the key %s, but the log's key was %s at leaf %d", line.KeyID, at.ID(), index)
	case i < 0:
		return "", nil
	case !k.trusted[i].VerifyEvent(origin, log, line.Canonical, line.Signature):
		return "", errors.New("the event's own signature does not fit it")
	}
	return line.KeyID, nil
}
