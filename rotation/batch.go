// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/leafhash"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// Batch collects encoded events, with the hashes of their leaves, outside the
// log's lock. It is for one goroutine at a time; while it is being appended it
// belongs to the log.
type Batch struct {
	scope segment.Scope
	binds bool   // whether commits bind ids
	keyID string // of the key that signed the events; "" if none did
	// buf is a byte that hashing needs, and the lines.
	buf      []byte
	leaves   []merkle.Hash
	idLeaves []merkle.Hash // of the events' ids, if they are bound
	known    event.Scanner
	times    timeRange
	unsigned int
	tag      any // for the log's stages
	// ids are the events whose ids are their records' own; drops says that stages have
	// kept some of them out of the commit.
	ids   []identity
	drops bool
	// refused are records that have no event in the batch.
	refused Refused
	maxLeaf int // bytes of an event's line
	// last is where the line of the event added last begins.
	last         int
	lastUnsigned bool
}

// SigningError says that an event was encoded but could not be signed. The
// batch is as it was before the call.
type SigningError struct{ Err error }

func (e *SigningError) Error() string { return fmt.Sprintf("sign an event: %v", e.Err) }

func (e *SigningError) Unwrap() error { return e.Err }

// maxPooledBytes keeps one huge batch from holding its memory for ever.
const maxPooledBytes = 4 << 20

var batches = sync.Pool{New: func() any { return new(Batch) }}

// NewBatch returns an empty batch for the log. Release gives it back.
func (l *Log) NewBatch() *Batch {
	b := batches.Get().(*Batch)
	b.scope, b.maxLeaf, b.binds, b.buf = l.opts.Scope, l.opts.MaxLeafBytes, l.opts.BindIDs, append(b.buf[:0], '\n')
	return b
}

// lines returns the batch's lines, each with its LF.
func (b *Batch) lines() []byte { return b.buf[1:] }

// Release gives the batch's memory back; the batch must not be used again.
func (b *Batch) Release() {
	if cap(b.buf) > maxPooledBytes {
		return
	}
	b.leaves, b.idLeaves, b.times, b.unsigned, b.keyID, b.tag = b.leaves[:0], b.idLeaves[:0], timeRange{}, 0, "", nil
	b.ids, b.drops, b.refused = b.ids[:0], false, Refused{}
	batches.Put(b)
}

// SetTag gives the batch what the log's stages are to see of it; nil, as at first, is nothing.
func (b *Batch) SetTag(tag any) { b.tag = tag }

// Tag returns what SetTag was given.
func (b *Batch) Tag() any { return b.tag }

// Bytes returns how many bytes the batch's lines take.
func (b *Batch) Bytes() int { return len(b.lines()) }

// Len returns the number of events in the batch.
func (b *Batch) Len() int { return len(b.leaves) }

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

// Add appends one event; sign,
// nil in scope checkpoint, signs those bytes with the key called keyID: see [Log.Sign]. If it
// fails the batch is left as it was: with what encode returned, a
// *[SigningError], or an *[Error] of reason too_large.
func (b *Batch) Add(encode Encode, sign func(canonical []byte) ([]byte, error), keyID string) error {
	if (sign != nil) != (b.scope == segment.ScopeEvent) {
		return fmt.Errorf("add an event: scope %s asks for %s", b.scope, map[bool]string{true: "no signature", false: "a signature"}[sign != nil])
	}
	if sign != nil && b.keyID != "" && b.keyID != keyID {
		return fmt.Errorf("add an event: the batch is signed with the key %s, not with %s", b.keyID, keyID)
	}
	return b.add(encode, func(dst, canonical []byte) ([]byte, error) {
		if sign == nil {
			return segment.AppendNoSignature(dst), nil
		}
		signature, err := sign(canonical)
		if err == nil && len(signature) == 0 {
			err = errors.New("the signer returned an empty signature")
		}
		if err != nil {
			return nil, &SigningError{err}
		}
		b.keyID = keyID
		return segment.AppendSignature(dst, signature, keyID), nil
	})
}

// AddUnsigned appends one event marked as unsigned: the degraded mode of scope
// event.
func (b *Batch) AddUnsigned(encode Encode) error {
	if b.scope != segment.ScopeEvent {
		return fmt.Errorf("add an unsigned event: scope %s has no event signatures to leave out", b.scope)
	}
	err := b.add(encode, func(dst, _ []byte) ([]byte, error) {
		return segment.AppendNullSignature(dst), nil
	})
	if err == nil {
		b.unsigned++
		b.lastUnsigned = true
	}
	return err
}

func (b *Batch) add(encode Encode, finish func(dst, canonical []byte) ([]byte, error)) error {
	start := len(b.buf)
	buf := segment.AppendEventStart(b.buf)
	eventStart := len(buf)
	buf, time, err := encode(buf)
	if err != nil {
		return err
	}
	canonical := buf[eventStart:]
	if len(buf)-start > b.maxLeaf {
		return b.tooLarge(len(buf) - start)
	}
	if buf, err = finish(buf, canonical); err != nil {
		return err
	}
	if len(buf)-start > b.maxLeaf {
		return b.tooLarge(len(buf) - start)
	}
	if b.binds {
		var sum event.Summary
		if err := b.known.Scan(canonical, &sum); err != nil {
			return fmt.Errorf("bind the id of an event: %w", err)
		}
		b.idLeaves = append(b.idLeaves, merkle.LeafHash(sum.ID))
	}
	b.leaves = append(b.leaves, leafhash.In(buf, start))
	b.buf = append(buf, '\n')
	b.times.add(at(time))
	b.last, b.lastUnsigned = start, false
	return nil
}

// tooLarge refuses an event whose line would have so many bytes or more.
func (b *Batch) tooLarge(length int) error {
	return &Error{Reason: ReasonTooLarge, Err: &TooLargeError{Length: length, Limit: b.maxLeaf}}
}
