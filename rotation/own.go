// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"

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
	actionClockJumped     = "clock_jumped"
)

func (o own) level() event.Level {
	if strings.HasPrefix(o.Action, sequenceActions) {
		return event.LevelWarning
	}
	switch o.Action {
	case actionKeyChanged:
		return event.LevelSecurity
	case actionRecovered, actionResumed, actionSigningDegraded, actionIDConflict, actionClockJumped:
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

// canonical returns the detail in RFC 8785 form.
func (o own) canonical() ([]byte, error) {
	o.Detail = harmless(o.Detail)
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(o); err != nil {
		return nil, fmt.Errorf("encode the log's own event %s: %w", o.Action, err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// addOwn appends an event of the log's own to the batch. It is signed like any
// other of its segment; unsignedAllowed lets it be marked as unsigned where signing
// fails.
func (l *Log) addOwn(b *Batch, o own, signer *signing.Signer, unsignedAllowed bool) error {
	detail, err := o.canonical()
	if err != nil {
		return err
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return fmt.Errorf("make an event id: %w", err)
	}
	encode := func(dst []byte) ([]byte, uint64, error) {
		now := l.opts.Now()
		return event.AppendOwn(dst, event.Own{
			ID:       id.String(),
			Time:     now,
			Origin:   l.opts.Origin,
			Level:    o.level(),
			Category: o.category(),
			Action:   o.Action,
			Detail:   detail,
		}), event.Nanoseconds(now), nil
	}
	if l.opts.Scope != segment.ScopeEvent {
		return b.Add(encode, nil, "")
	}
	err = b.Add(encode, l.Sign(signer), signer.Public().ID())
	if err != nil && unsignedAllowed {
		err = b.AddUnsigned(encode)
	}
	return err
}

func hashBytes(h merkle.Hash) []byte { return h[:] }

func hashesBytes(hashes []merkle.Hash) (all [][]byte) {
	for _, h := range hashes {
		all = append(all, hashBytes(h))
	}
	return all
}
