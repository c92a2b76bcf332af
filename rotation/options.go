// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/cosigning"
	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/signednote"
	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// Options say where and how a log is written.
type Options struct {
	// Directory holds the log. It is created, with its parents, if it does not
	// exist.
	Directory string
	// Origin names the log in its checkpoints, for the life of the directory.
	Origin string
	// Signer signs checkpoints, and the log's own events in scope event.
	Signer *signing.Signer
	// PreviousSigner is the key that the log may have been signed with so far: the
	// log then goes over to Signer, in a new segment. It may be nil.
	PreviousSigner *signing.Signer
	// SegmentKeys gives each segment after the first a key of its own; nil keeps the
	// key. Signer is then the present key.
	SegmentKeys SegmentKeys
	// Permit is asked before each commit whether each key of the segment may sign it; index
	// is the commit's first leaf, and then its last. What it refuses is not written. It may be nil.
	Permit func(key *signing.PublicKey, index uint64, at time.Time) error
	// CheckpointSigner signs every checkpoint beside Signer; it may be nil. It is for
	// readers that cannot check Signer's signatures, as witnesses that take Ed25519
	// keys only.
	CheckpointSigner *signing.Signer
	// PreviousCheckpointSigner is a key that may have been CheckpointSigner so far: it leaves
	// the log by a note that it signs, and cannot leave it otherwise. It may be nil.
	PreviousCheckpointSigner *signing.Signer
	Scope                    segline.Scope
	// BindIDs has each commit bind the ids of its events (segline.FeatureIDs), so that a
	// receipt can show which record it is for.
	BindIDs bool
	// Partition says that the log is one of several that the writer divides its records
	// among (segline.FeaturePartition).
	Partition bool
	// StateDirectory holds a file that says how far the log has come, so that a directory
	// that was emptied or rolled back is noticed. Logs of different origins can share it.
	// None is kept if it is empty.
	StateDirectory string
	// Sync makes Append wait for stable storage. Without it, an
	// acknowledgement only says that the operating system has the data.
	Sync bool
	// MaxSegmentBytes seals a segment before a commit that would make it
	// larger; a single commit may be larger all the same. 0 means no limit.
	MaxSegmentBytes int64
	// MaxSegmentAge seals a segment that holds events once it is that old. 0
	// means no limit.
	MaxSegmentAge time.Duration
	// Compression is applied to sealed segments, in the background.
	Compression compression.Method
	Retention   Retention
	// Witnesses are asked to cosign the log's checkpoints, beside the commits. A commit
	// never waits for them.
	Witnesses []cosigning.Witness
	// WitnessQuorum is how many of them have to cosign a checkpoint for it to count as
	// witnessed; 0 means all.
	WitnessQuorum int
	// WitnessInterval is how often they are asked, if the log grows; 0 means 10 s.
	WitnessInterval time.Duration
	// MinFreeBytes is what is left free on the file system: an append that
	// would leave less is refused.
	MinFreeBytes int64
	// Observer is told what happens; it may be nil.
	Observer Observer
	// Stages look at each commit before it is written, in this order. They belong to the log,
	// which has them recall what it holds at the start.
	Stages []stage.Stage
	// MaxLeafBytes is how long the line of an event that is added to a batch may be; 0
	// means as long as readers take. The log's own events are not held to it.
	MaxLeafBytes int
	// Logger receives what an operator should know; it may be nil.
	Logger *zap.Logger
	// Now is the clock; nil means time.Now. It orders nothing.
	Now func() time.Time

	// FS replaces the directory, for tests. Whoever gives it locks it.
	FS durable.FS
	// StateFS replaces the state directory, likewise.
	StateFS durable.FS
}

// features are those of the segments that are written.
func (o *Options) features() (f []segline.Feature) {
	if o.BindIDs {
		f = append(f, segline.FeatureIDs)
	}
	if o.Partition {
		f = append(f, segline.FeaturePartition)
	}
	return f
}

// batchForm is that of batches for a log with these options, but for the length of lines.
func (o *Options) batchForm(maxLeafBytes int) stage.Form {
	return stage.Form{Scope: o.Scope, BindIDs: o.BindIDs, MaxLeafBytes: maxLeafBytes}
}

// Retention says which sealed segments may be deleted. A zero limit keeps
// them for ever. The active segment is never deleted.
type Retention struct {
	// MinAge, in whole seconds, is how long each segment is kept whatever the limits say. It
	// is a promise: headers bear it, and what was begun under a longer one is kept that long.
	MinAge time.Duration
	// MaxSegments counts all segments, the active one included, but those that a start
	// began.
	MaxSegments int
	// MaxAge is the age of a segment's last commit.
	MaxAge time.Duration
	// MaxTotalBytes counts all segments as they are stored.
	MaxTotalBytes int64
}

func (r Retention) enabled() bool {
	return r.MaxSegments > 0 || r.MaxAge > 0 || r.MaxTotalBytes > 0
}

// complete checks the options and fills in what may be left out.
func (o *Options) complete() error {
	if o.Directory == "" && o.FS == nil {
		return errors.New("open the audit log: no directory given")
	}
	if err := signednote.ValidateOrigin(o.Origin); err != nil {
		return fmt.Errorf("open the audit log: %w", err)
	}
	if o.Signer == nil {
		return errors.New("open the audit log: no signer given")
	}
	if o.Scope != segline.ScopeEvent && o.Scope != segline.ScopeCheckpoint {
		return fmt.Errorf("open the audit log: unknown scope %q", o.Scope)
	}
	if o.CheckpointSigner != nil && o.CheckpointSigner.Public().Equal(o.Signer.Public()) {
		return errors.New("open the audit log: the checkpoint key is the signing key itself")
	}
	if o.Compression == "" {
		o.Compression = compression.None
	}
	if !o.Compression.Valid() {
		return fmt.Errorf("open the audit log: unknown compression %q", o.Compression)
	}
	if o.MaxSegmentBytes < 0 || o.MaxSegmentAge < 0 || o.MinFreeBytes < 0 ||
		o.Retention.MinAge < 0 || o.Retention.MaxSegments < 0 || o.Retention.MaxAge < 0 || o.Retention.MaxTotalBytes < 0 {
		return errors.New("open the audit log: a limit is negative")
	}
	if o.MaxLeafBytes == 0 {
		o.MaxLeafBytes = segline.MaxBytes
	}
	if o.MaxLeafBytes < 0 || o.MaxLeafBytes > segline.MaxBytes {
		return fmt.Errorf("open the audit log: an event's line may be up to %d bytes long, not %d", segline.MaxBytes, o.MaxLeafBytes)
	}
	if o.Retention.MinAge > segline.MaxMinAge || o.Retention.MinAge%time.Second != 0 {
		return fmt.Errorf("open the audit log: a minimum age of %s: it is in whole seconds, up to %s", o.Retention.MinAge, segline.MaxMinAge)
	}
	if o.Observer == nil {
		o.Observer = unobserved{}
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return nil
}
