// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// SegmentKeys gives each segment a key of its own. [keyfile.Rotating] is one.
type SegmentKeys interface {
	// Pending returns the key that Next has made and Advance has not made current
	// yet, or nil.
	Pending() *signing.Signer
	// Next returns the key of the next segment, which is durable then. It returns
	// the same until Advance.
	Next() (*signing.Signer, error)
	// Advance destroys the key before Pending. The log calls it when the change is
	// durable, and again if it failed.
	Advance() error
}

// ErrKeyChanged: the events of a batch are signed with a key that the log has gone
// over from. Nothing of the call was written; encode its events anew, with
// [Log.Signer].
var ErrKeyChanged = errors.New("the log has gone over to another signing key since the events were signed")

// errNoNextKey: the key of the next segment cannot be written, or the one before it not be
// destroyed. That may pass, and is no reason not to open the log.
var errNoNextKey = errors.New("the next key cannot be made")

// keyring holds the keys that sign a log. It decides which key signs which segment, signs the
// note with which one key introduces the next, and destroys the keys that have served. Between
// commits it changes nothing but what a durable change has left to do.
//
// current may be called at any time. The caller of every other method holds sem, or is the only
// user of the log: Open.
type keyring struct {
	// These are as the options give them. All but configured and logger may be nil.
	configured, previous              *signing.Signer
	checkpointKey, previousCheckpoint *signing.Signer
	segmentKeys                       SegmentKeys
	permit                            func(key *signing.PublicKey, index uint64, at time.Time) error
	logger                            *zap.Logger

	signer    atomic.Pointer[signing.Signer] // of the newest segment
	successor *signing.Signer                // the key to go over to at once
	unretired bool                           // the key before is still to be destroyed
	known     []*signing.PublicKey           // the keys of the key changes that were found at the start
	latest    []*signing.KeyChange           // the last of those changes, for since
	changes   keyChangeFile
}

func newKeyring(o *Options, dir durable.FS) *keyring {
	k := &keyring{
		configured: o.Signer, previous: o.PreviousSigner,
		checkpointKey: o.CheckpointSigner, previousCheckpoint: o.PreviousCheckpointSigner,
		segmentKeys: o.SegmentKeys, permit: o.Permit, logger: o.Logger,
		changes: keyChangeFile{dir: dir},
	}
	k.signer.Store(o.Signer)
	return k
}

// current returns the key of the newest segment.
func (k *keyring) current() *signing.Signer { return k.signer.Load() }

// candidates returns the keys with which the newest segment may be signed.
func (k *keyring) candidates() []*signing.Signer {
	all := []*signing.Signer{k.configured}
	if s := k.previous; s != nil && !s.Public().Equal(k.configured.Public()) {
		all = append(all, s)
	}
	if k.segmentKeys != nil {
		if s := k.segmentKeys.Pending(); s != nil {
			all = append(all, s)
		}
	}
	return all
}

// publicKeys returns the keys whose signatures the checkpoint file may carry.
func (k *keyring) publicKeys() []*signing.PublicKey {
	keys := []*signing.PublicKey{}
	for _, s := range k.candidates() {
		keys = append(keys, s.Public())
	}
	for _, p := range k.known {
		if !slices.ContainsFunc(keys, p.Equal) {
			keys = append(keys, p)
		}
	}
	return keys
}

// since returns the keys that have signed the log from a leaf on, of those that recall asks for:
// the current one, and from there on back each from which the log has gone over to the next. Each
// such change bears the signatures of both keys.
func (k *keyring) since(index uint64) []*signing.PublicKey {
	keys := []*signing.PublicKey{k.current().Public()}
	for _, c := range k.latest {
		if c.Index > index {
			keys = append(keys, c.From)
		}
	}
	return keys
}

// adoptKey makes the key of the segment that a start goes on from the current one. It is one
// of candidates, and the segment is durable: the key before it may be destroyed.
func (k *keyring) adoptKey(public *signing.PublicKey) {
	all := k.candidates()
	i := slices.IndexFunc(all, func(s *signing.Signer) bool { return s.Public().Equal(public) })
	k.signer.Store(all[i])
	switch {
	case i == 0:
	case all[i] == k.previous:
		k.successor = k.configured
	default:
		k.unretired = true
		if err := k.retire(); err != nil {
			// No segment begins with another key before that is done.
			k.logger.Warn("The key that the audit log has gone over from cannot be destroyed yet; it will be tried again", zap.Error(err))
		}
	}
}

// recallChanges remembers the keys of the changes that a start has found: those that are filed,
// and those after them in the heads of segments, which it files.
func (k *keyring) recallChanges(filed *filedChanges, heads []*signing.KeyChange) {
	if c := filed.last(); c != nil {
		k.known = append(k.known, c.From, c.To)
	}
	k.changes.good = filed.bytes
	for _, c := range heads {
		k.known = append(k.known, c.From)
		k.changes.add(c.Note)
	}
	k.latest = newestChanges(slices.Concat(filed.newest, heads))
	if err := k.changes.write(); err != nil {
		// They are in the segments, too, which are not pruned before.
		k.logger.Warn("A change of the audit log's key cannot be filed yet; it will be tried again", zap.Error(err))
	}
}

// changesNext reports whether a segment that follows another now has another key.
func (k *keyring) changesNext() bool { return k.successor != nil || k.segmentKeys != nil }

// next returns the key of a segment that follows another now.
func (k *keyring) next() (*signing.Signer, error) {
	switch {
	case k.successor != nil:
		return k.successor, nil
	case k.segmentKeys == nil:
		return k.current(), nil
	}
	if err := k.retire(); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoNextKey, err)
	}
	next, err := k.segmentKeys.Next()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoNextKey, err)
	}
	return next, nil
}

// due reports whether the keys of the newest segment, as its header names them, are no longer
// those that the configuration asks for.
func (k *keyring) due(keys []segline.Key) bool {
	signer := k.current()
	if k.successor != nil {
		signer = k.successor
	}
	return !sameKeys(keys, k.headerKeys(signer))
}

// of returns the keys of a segment, given the one that signs its events.
func (k *keyring) of(signer *signing.Signer) []*signing.Signer {
	signers := []*signing.Signer{signer}
	if k.checkpointKey != nil {
		signers = append(signers, k.checkpointKey)
	}
	return signers
}

// headerKeys returns the keys of a segment as its header names them.
func (k *keyring) headerKeys(signer *signing.Signer) (keys []segline.Key) {
	for _, s := range k.of(signer) {
		keys = append(keys, segline.KeyOf(s.Public()))
	}
	return keys
}

func sameKeys(a, b []segline.Key) bool {
	return slices.EqualFunc(a, b, func(a, b segline.Key) bool { return bytes.Equal(a.PublicKey, b.PublicKey) })
}

// checkpointSigners returns the signers of a checkpoint in a segment of a key. If the commit
// changes the key, the one before signs, too.
func (k *keyring) checkpointSigners(signer *signing.Signer, change *keyChange) []*signing.Signer {
	signers := k.of(signer)
	if change != nil && change.previous != nil {
		signers = append(signers, change.previous)
	}
	return signers
}

// permitted fails unless the keys of a segment may sign a leaf at that time.
func (k *keyring) permitted(signer *signing.Signer, index uint64, at time.Time) error {
	if k.permit == nil {
		return nil
	}
	for _, s := range k.of(signer) {
		if err := k.permit(s.Public(), index, at); err != nil {
			return err
		}
	}
	return nil
}

// committed makes the key of a change current, which is durable in a segment. What is then
// left to do is tried again by finishChange.
func (k *keyring) committed(c *keyChange, in segment.Name) {
	k.changes.add(c.note)
	if c.previous != nil {
		k.logger.Info("The audit log goes on with another key",
			zap.String("key_id", c.signer.Public().ID()), zap.String("previous_key_id", c.previous.Public().ID()), zap.Stringer("segment", in))
		k.signer.Store(c.signer)
		k.unretired = k.successor == nil
		k.successor = nil
	}
	if err := k.finishChange(); err != nil {
		k.logger.Warn("After a change of the audit log's key; it will be tried again", zap.Error(err))
	}
}

// finishChange does what is left to do after a change of the key: the key before is destroyed,
// and the change filed.
func (k *keyring) finishChange() error {
	return errors.Join(k.retire(), k.changes.write())
}

// retire destroys the key that the log has gone over from, if it is ours to destroy.
func (k *keyring) retire() error {
	if !k.unretired {
		return nil
	}
	if err := k.segmentKeys.Advance(); err != nil {
		return err
	}
	k.unretired = false
	return nil
}
