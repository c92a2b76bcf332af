// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/leafhash"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// Batch collects encoded events, with the hashes of their leaves, outside the
// log's lock. It is for one goroutine at a time; while it is being appended it
// belongs to the log.
type Batch struct {
	form  Form
	keyID string // of the key that signed the events; "" if none did
	// buf is a byte that hashing needs, and the lines.
	buf      []byte
	leaves   []merkle.Hash
	idLeaves []merkle.Hash // of the events' ids, if they are bound
	known    eventjson.Scanner
	// firstTime and lastTime are between which times the events lie, in nanoseconds since the
	// Unix epoch.
	firstTime, lastTime uint64
	unsigned            int
	tag                 any // for the log's stages
	// ids are the events whose ids are their records' own; drops says that stages have
	// kept some of them out of the commit.
	ids   []identity
	drops bool
	// refused are records that have no event in the batch.
	refused Refused
	// last is where the line of the event added last begins.
	last         int
	lastUnsigned bool
}

// SigningError says that an event was encoded but could not be signed. The
// batch is as it was before the call.
type SigningError struct{ Err error }

func (e *SigningError) Error() string { return fmt.Sprintf("sign an event: %v", e.Err) }

func (e *SigningError) Unwrap() error { return e.Err }

// TooLargeError says that an event's line would be longer than it may be.
type TooLargeError struct {
	// Length is how many bytes it would have at the least, Limit how many it may have.
	Length, Limit int
}

func (e *TooLargeError) Error() string {
	if e.Limit == segline.MaxBytes {
		return fmt.Sprintf("the event's line is longer than %d bytes, which is the most a log may hold", e.Limit)
	}
	return fmt.Sprintf("the event's line is longer than the %d bytes that limits::max_leaf_bytes allows", e.Limit)
}

// maxPooledBytes keeps one huge batch from holding its memory for ever.
const maxPooledBytes = 4 << 20

var batches = sync.Pool{New: func() any { return new(Batch) }}

// Form says what the batches of a log are like.
type Form struct {
	// Scope is that of the log's signatures.
	Scope segline.Scope
	// BindIDs says that commits bind the ids of their events.
	BindIDs bool
	// MaxLeafBytes is how long the line of an event may be.
	MaxLeafBytes int
}

// NewBatch returns an empty batch. Release gives it back.
func NewBatch(f Form) *Batch {
	b := batches.Get().(*Batch)
	b.form, b.buf = f, append(b.buf[:0], '\n')
	return b
}

// Release gives the batch's memory back; the batch must not be used again.
func (b *Batch) Release() {
	if cap(b.buf) > maxPooledBytes {
		return
	}
	b.leaves, b.idLeaves, b.unsigned, b.keyID, b.tag = b.leaves[:0], b.idLeaves[:0], 0, "", nil
	b.ids, b.drops, b.refused = b.ids[:0], false, Refused{}
	batches.Put(b)
}

// Scope returns the scope of the log that the batch is for.
func (b *Batch) Scope() segline.Scope { return b.form.Scope }

// KeyID returns the id of the key that signed the events; it is empty if none did.
func (b *Batch) KeyID() string { return b.keyID }

// SetTag gives the batch what the log's stages are to see of it; nil, as at first, is nothing.
func (b *Batch) SetTag(tag any) { b.tag = tag }

// Tag returns what SetTag was given.
func (b *Batch) Tag() any { return b.tag }

// Bytes returns how many bytes the batch's lines take.
func (b *Batch) Bytes() int { return len(b.Lines()) }

// Lines returns the lines of all events that were added, each with its LF.
func (b *Batch) Lines() []byte { return b.buf[1:] }

// Len returns the number of events in the batch.
func (b *Batch) Len() int { return len(b.leaves) }

// Times returns the earliest and the latest time of the events that were added, in nanoseconds
// since the Unix epoch; ok is false if there are none.
func (b *Batch) Times() (first, last uint64, ok bool) { return b.firstTime, b.lastTime, b.Len() > 0 }

// maxExpectedBytes bounds the memory that is taken for what may come.
const maxExpectedBytes = 1 << 20

// Expect makes room for so many events of so many bytes in all, as far as that is little.
func (b *Batch) Expect(events, bytes int) {
	b.leaves = slices.Grow(b.leaves, events)
	b.buf = slices.Grow(b.buf, min(bytes, maxExpectedBytes))
}

// Encode appends an event's canonical JSON to dst and returns the extended slice and
// the event's time, in nanoseconds since the Unix epoch.
type Encode func(dst []byte) (_ []byte, time uint64, err error)

// Add appends one event; sign, nil in scope checkpoint, signs those bytes with the key called
// keyID. If it fails the batch is left as it was: with what encode returned, a *[SigningError],
// or a *[TooLargeError].
func (b *Batch) Add(encode Encode, sign func(canonical []byte) ([]byte, error), keyID string) error {
	if (sign != nil) != (b.form.Scope == segline.ScopeEvent) {
		return fmt.Errorf("add an event: scope %s asks for %s", b.form.Scope, map[bool]string{true: "no signature", false: "a signature"}[sign != nil])
	}
	if sign != nil && b.keyID != "" && b.keyID != keyID {
		return fmt.Errorf("add an event: the batch is signed with the key %s, not with %s", b.keyID, keyID)
	}
	return b.add(encode, func(dst, canonical []byte) ([]byte, error) {
		if sign == nil {
			return segline.AppendNoSignature(dst), nil
		}
		signature, err := sign(canonical)
		if err == nil && len(signature) == 0 {
			err = errors.New("the signer returned an empty signature")
		}
		if err != nil {
			return nil, &SigningError{err}
		}
		b.keyID = keyID
		return segline.AppendSignature(dst, signature, keyID), nil
	})
}

// AddUnsigned appends one event marked as unsigned: the degraded mode of scope
// event.
func (b *Batch) AddUnsigned(encode Encode) error {
	if b.form.Scope != segline.ScopeEvent {
		return fmt.Errorf("add an unsigned event: scope %s has no event signatures to leave out", b.form.Scope)
	}
	err := b.add(encode, func(dst, _ []byte) ([]byte, error) {
		return segline.AppendNullSignature(dst), nil
	})
	if err == nil {
		b.unsigned++
		b.lastUnsigned = true
	}
	return err
}

func (b *Batch) add(encode Encode, finish func(dst, canonical []byte) ([]byte, error)) error {
	start := len(b.buf)
	buf := segline.AppendEventStart(b.buf)
	eventStart := len(buf)
	buf, time, err := encode(buf)
	if err != nil {
		return err
	}
	canonical := buf[eventStart:]
	if len(buf)-start > b.form.MaxLeafBytes {
		return b.tooLarge(len(buf) - start)
	}
	if buf, err = finish(buf, canonical); err != nil {
		return err
	}
	if len(buf)-start > b.form.MaxLeafBytes {
		return b.tooLarge(len(buf) - start)
	}
	if b.form.BindIDs {
		var sum eventjson.Summary
		if err := b.known.Scan(canonical, &sum); err != nil {
			return fmt.Errorf("bind the id of an event: %w", err)
		}
		b.idLeaves = append(b.idLeaves, merkle.LeafHash(sum.ID))
	}
	b.leaves = append(b.leaves, leafhash.In(buf, start))
	b.buf = append(buf, '\n')
	if len(b.leaves) == 1 {
		b.firstTime, b.lastTime = time, time
	}
	b.firstTime, b.lastTime = min(b.firstTime, time), max(b.lastTime, time)
	b.last, b.lastUnsigned = start, false
	return nil
}

// tooLarge refuses an event whose line would have so many bytes or more.
func (b *Batch) tooLarge(length int) error {
	return &TooLargeError{Length: length, Limit: b.form.MaxLeafBytes}
}

// Refuse says that a record of the call is not among the batch's events, and is not to be
// written: the log says so in the same commit. With the zero Refusal it is only counted.
func (b *Batch) Refuse(r Refusal) {
	if r.Reason == "" {
		b.refused.More++
		return
	}
	b.refused.Named = append(b.refused.Named, r)
}

// Refused returns the records for which Refuse was called.
func (b *Batch) Refused() Refused { return b.refused }
