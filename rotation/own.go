// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// own is what the log has to say of itself in an event of its own. Its members
// are in canonical order, which is how encoding/json writes them.
type own struct {
	Action        string       `json:"action"`
	Before        uint64       `json:"before,omitempty"`
	Checkpoint    string       `json:"checkpoint,omitempty"`
	Conflict      *ownConflict `json:"conflict,omitempty"`
	Detail        string       `json:"detail,omitempty"`
	File          string       `json:"file,omitempty"`
	KeyChange     string       `json:"key_change,omitempty"`
	KeyID         string       `json:"key_id,omitempty"`
	Previous      *ownSegment  `json:"previous,omitempty"`
	PreviousKeyID string       `json:"previous_key_id,omitempty"`
	Proof         [][]byte     `json:"proof,omitempty"`
	Reason        string       `json:"reason,omitempty"`
	Refused       *ownRefused  `json:"refused,omitempty"`
	RootHash      []byte       `json:"root_hash,omitempty"`
	Segment       string       `json:"segment,omitempty"`
	Segments      []ownSegment `json:"segments,omitempty"`
	Sequence      *ownSequence `json:"sequence,omitempty"`
	SHA256        string       `json:"sha256,omitempty"`
	Size          int64        `json:"size,omitempty"`
	Until         string       `json:"until,omitempty"`
	Version       string       `json:"version,omitempty"`
	Witness       string       `json:"witness,omitempty"`
}

// ownSegment names a segment, the tree behind its last line, and that tree's
// root. Range are the subtrees of the segment's leaves, which a proof may need later;
// FirstTime and LastTime are between which times its events lie, for those who look for
// some.
type ownSegment struct {
	FirstIndex uint64   `json:"first_index"`
	FirstTime  string   `json:"first_time,omitempty"`
	LastTime   string   `json:"last_time,omitempty"`
	Range      [][]byte `json:"range,omitempty"`
	RootHash   []byte   `json:"root_hash"`
	Segment    string   `json:"segment"`
	TreeSize   uint64   `json:"tree_size"`
}

// The actions.
const (
	actionOpened          = "opened"
	actionRotated         = "rotated"
	actionRecovered       = "recovered"
	actionPruned          = "pruned"
	actionDamaged         = "damaged"
	actionResumed         = "resumed"
	actionSigningDegraded = "signing_degraded"
	actionSigningRestored = "signing_restored"
	actionKeyChanged      = "key_changed"
	actionWitnessed       = "witnessed"
	actionContradicted    = "contradicted"
	actionIDConflict      = "id_conflict"
	actionRefused         = "refused"
	// actionRefusedSuppressed counts refusals that have no event of their own.
	actionRefusedSuppressed = "refused_suppressed"
	actionClockJumped       = "clock_jumped"
	actionClosed            = "closed"
	actionStateAdopted      = "state_adopted"
)

func (o own) level() event.Level {
	if strings.HasPrefix(o.Action, sequenceActions) {
		return event.LevelWarning
	}
	switch o.Action {
	case actionKeyChanged:
		return event.LevelSecurity
	case actionRecovered, actionResumed, actionSigningDegraded, actionIDConflict, actionClockJumped, actionRefused, actionRefusedSuppressed, actionStateAdopted:
		return event.LevelWarning
	case actionDamaged, actionContradicted:
		return event.LevelCritical
	default:
		return event.LevelInfo
	}
}

func (o own) category() event.Category {
	switch o.Action {
	case actionKeyChanged, actionWitnessed, actionContradicted:
		return event.CategoryCryptographic
	default:
		return event.CategorySystemHealth
	}
}

// maxSaid bounds a text in an event of the log's own, in bytes, before what escaping it
// takes: texts may be those of others.
const maxSaid = 4 << 10

// canonical returns the detail in RFC 8785 form, as far as texts go: see readBack.
func (o own) canonical() ([]byte, error) {
	for _, text := range []*string{&o.Detail, &o.File, &o.Reason, &o.Segment, &o.Version, &o.Witness} {
		*text = harmless(*text)
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(o); err != nil {
		return nil, fmt.Errorf("encode the log's own event %s: %w", o.Action, err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// newOwnBatch returns a batch for the log's own events: limits are for those of others.
func (l *Log) newOwnBatch() *Batch {
	b := l.NewBatch()
	b.maxLeaf = segment.MaxLineBytes
	return b
}

// addOwn appends an event of the log's own to the batch. It is signed like any
// other of its segment; unsignedAllowed lets it be marked as unsigned where signing
// fails. An event that readers would not take is replaced by what they take, or left
// out: it must not spoil a commit that others have events in.
func (l *Log) addOwn(b *Batch, o own, signer *signing.Signer, unsignedAllowed bool) error {
	line, now, err := l.ownEvent(o)
	if err != nil {
		l.opts.Logger.Error("The audit log cannot say of itself what it should: its readers would not take it", zap.String("action", o.Action), zap.Error(err))
		if o.indispensable() {
			return err
		}
		if line, now, err = l.ownEvent(own{Action: o.Action, Detail: unsayable}); err != nil {
			return nil
		}
	}
	encode := func(dst []byte) ([]byte, uint64, error) { return append(dst, line...), event.Nanoseconds(now), nil }
	if l.opts.Scope != segment.ScopeEvent {
		return b.Add(encode, nil, "")
	}
	err = b.Add(encode, l.Sign(signer), signer.Public().ID())
	if err != nil && unsignedAllowed {
		err = b.AddUnsigned(encode)
	}
	return err
}

// unsayable is the detail of an event that had to be replaced.
const unsayable = "what was to be said here cannot be written down: see the collector's log of that time"

// indispensable reports whether readers rely on the event being there, whole. What such
// an event says is the writer's own work.
func (o own) indispensable() bool {
	switch o.Action {
	case actionRotated, actionKeyChanged, actionPruned:
		return true
	default:
		return false
	}
}

// ownEvent encodes an event of the log's own, and reads it back.
func (l *Log) ownEvent(o own) (canonical []byte, now time.Time, err error) {
	detail, err := o.canonical()
	if err != nil {
		return nil, now, err
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return nil, now, fmt.Errorf("make an event id: %w", err)
	}
	now = l.opts.Now()
	canonical = event.AppendOwn(nil, event.Own{
		ID:       id.String(),
		Time:     now,
		Origin:   l.opts.Origin,
		Level:    o.level(),
		Category: o.category(),
		Action:   o.Action,
		Detail:   detail,
	})
	if err := readBack(canonical, o); err != nil {
		return nil, now, fmt.Errorf("read the log's own event %s back: %w", o.Action, err)
	}
	return canonical, now, nil
}

// readBack reads an event of the log's own as readers of the log will: one line that they
// do not take makes the whole log one that fails its check.
func readBack(canonical []byte, o own) error {
	line := segment.AppendNoSignature(append(segment.AppendEventStart(nil), canonical...))
	if len(line)+maxSignatureMembers > segment.MaxLineBytes {
		return fmt.Errorf("its line is longer than %d bytes", segment.MaxLineBytes)
	}
	parsed, err := segment.ParseEvent(line)
	if err != nil {
		return err
	}
	var sum event.Summary
	if err := event.Scan(parsed.Canonical, &sum); err != nil {
		return err
	}
	var read own
	if err := json.Unmarshal(sum.Log, &read); err != nil {
		return err
	}
	if read.Action != o.Action || read.Size != o.Size || read.Before != o.Before {
		return errors.New("it reads as another")
	}
	if o.Action != actionWitnessed {
		return nil
	}
	c, err := signing.ParseCheckpoint([]byte(read.Checkpoint))
	if err == nil && c.Size != uint64(read.Size) {
		err = fmt.Errorf("the checkpoint is over %d leaves, not %d", c.Size, read.Size)
	}
	return err
}

// maxSignatureMembers is more than a signature and its key's id take of a line.
const maxSignatureMembers = 1 << 10

func hashBytes(h merkle.Hash) []byte { return h[:] }

func hashesBytes(hashes []merkle.Hash) (all [][]byte) {
	for _, h := range hashes {
		all = append(all, hashBytes(h))
	}
	return all
}
