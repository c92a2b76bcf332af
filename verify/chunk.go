// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/leafhash"
	"github.com/otel-auditlog/auditlogexporter/internal/opening"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// maxOpen bounds the segments that are read at a time, and thereby the memory that
// decompression takes, on machines with many CPUs. The lines of each are checked by
// all goroutines there are.
const maxOpen = 4

// chunk is some lines of a segment, on which everything that does not depend on
// the lines before is checked at once with other chunks.
type chunk struct {
	text  []byte // a byte that hashing needs, and the lines
	ends  []int  // in text, after each line
	first int    // number of the first line
	lines []checked
	scan  *eventjson.Scanner
	done  chan struct{}
	// bytes taken from the budget
	cost int
	// err ended the reading after these lines.
	err error
}

const (
	chunkBytes = 128 << 10
	chunkLines = 512
)

// Chunks are small at first, because many a segment is, and grow as they are used again.
var chunks = sync.Pool{New: func() any { return &chunk{scan: new(eventjson.Scanner)} }}

func newChunk(first int) *chunk {
	k := chunks.Get().(*chunk)
	*k = chunk{text: append(k.text[:0], 0), ends: k.ends[:0], lines: k.lines[:0], scan: k.scan, first: first, done: make(chan struct{})}
	return k
}

// release gives a chunk's share of the budget back, and its memory.
func (c *checker) release(k *chunk) {
	c.budget.release(k.cost)
	if cap(k.text) <= 2*chunkBytes {
		chunks.Put(k)
	}
}

// read cuts what the reader returns, and a line that has been read already, into
// chunks and has them checked.
func (c *checker) read(ctx context.Context, r *segment.Reader, again []byte, h *segment.Header, a *authority, out chan<- *chunk) {
	defer close(out)
	for {
		k := newChunk(r.Line() + 1)
		if again != nil {
			k.first = r.Line()
			k.text = append(k.text, again...)
			k.ends = append(k.ends, len(k.text))
			again = nil
		}
		for len(k.ends) < chunkLines && len(k.text) < chunkBytes {
			line, err := r.Next()
			if err != nil && !errors.Is(err, segline.ErrPartial) {
				k.err = err
				break
			}
			k.text = append(k.text, line...)
			k.ends = append(k.ends, len(k.text))
			if err != nil {
				k.err = err
				break
			}
		}
		// Once the chunk is passed on it is not ours to look at.
		last := k.err != nil
		k.cost = len(k.text)
		c.budget.acquire(k.cost)
		select {
		case c.slots <- struct{}{}:
		case <-ctx.Done():
			c.release(k)
			return
		}
		go func() {
			defer func() { <-c.slots; close(k.done) }()
			c.check(k, h, a)
		}()
		select {
		case out <- k:
		case <-ctx.Done():
			<-k.done
			c.release(k)
			return
		}
		if last {
			return
		}
	}
}

// line returns the i-th line of the chunk.
func (k *chunk) line(i int) []byte { return k.text[k.start(i):k.ends[i]] }

func (k *chunk) start(i int) int {
	if i == 0 {
		return 1
	}
	return k.ends[i-1]
}

// leaf returns the leaf hash of the i-th line. The text must not be used by anybody
// else meanwhile.
func (k *chunk) leaf(i int) merkle.Hash { return leafhash.In(k.text[:k.ends[i]], k.start(i)) }

func (c *checker) check(k *chunk, h *segment.Header, a *authority) {
	k.lines = slices.Grow(k.lines[:0], len(k.ends))[:len(k.ends)]
	clear(k.lines)
	var buf [128]byte
	ids := slices.Contains(h.Features, segline.FeatureIDs)
	for i := range k.lines {
		line, l := k.line(i), &k.lines[i]
		l.kind = segment.KindOf(line)
		if a.newer != nil && l.kind != segline.KindCheckpoint {
			l.leaf = k.leaf(i) // what is on it is not known
			continue
		}
		switch l.kind {
		case segline.KindEvent:
			l.leaf = k.leaf(i)
			c.checkEvent(line, l, h, a, buf[:0], k.scan)
			if ids {
				l.idLeaf = merkle.LeafHash(l.sum.ID)
			}
		case segline.KindCommit:
			l.leaf = k.leaf(i)
			l.commit, l.bad = segment.ParseCommit(line)
		case segline.KindCheckpoint:
			c.checkCheckpoint(line, l, h, a)
		case segline.KindHeader:
			l.leaf = k.leaf(i)
			l.bad = errors.New("a header belongs at the start of a segment and nowhere else")
		default:
			l.leaf = k.leaf(i)
			l.bad = errors.New("the line is of no known kind")
		}
		l.nul = l.bad != nil && bytes.IndexByte(line, 0) >= 0
	}
}

func (c *checker) checkEvent(line []byte, l *checked, h *segment.Header, a *authority, buf []byte, scan *eventjson.Scanner) {
	parsed, err := segment.ParseEvent(buf, line)
	if err != nil {
		l.bad = err
		return
	}
	l.unsigned, l.keyID = parsed.Unsigned, parsed.KeyID
	if l.bad = scan.Scan(parsed.Canonical, &l.sum); l.bad == nil {
		l.withheld, l.bad = opening.Commitments(parsed.Canonical)
	}
	if l.bad == nil && l.sum.Log != nil {
		l.claim = c.claimIn(l.sum.Log)
	}
	switch {
	case parsed.KeyID == "":
		if parsed.Unsigned && h.Scope != segline.ScopeEvent && l.bad == nil {
			l.bad = errors.New(`"signature":null in a segment whose events have no signatures`)
		}
		return
	}
	if a.log == nil {
		return // nothing says which log it was signed for
	}
	key := a.key(parsed.KeyID)
	switch {
	case key == nil:
		l.signed = sigUnknownKey
	case key.VerifyEvent(a.log.origin, a.log.id, parsed.Canonical, parsed.Signature):
		l.signed = sigValid
	default:
		l.signed = sigInvalid
	}
}

func (c *checker) checkCheckpoint(line []byte, l *checked, h *segment.Header, a *authority) {
	note, err := segment.ParseCheckpoint(line)
	if err != nil {
		l.bad = err
		return
	}
	if l.checkpoint, l.bad = signing.ParseCheckpoint(note); l.bad != nil {
		return
	}
	origin := h.Origin
	if origin == "" {
		origin = l.checkpoint.Origin // the header is damaged
	}
	if l.checkpoint.Origin != origin {
		l.sigErr = fmt.Errorf("it is a checkpoint of the log %q, not of %q", l.checkpoint.Origin, h.Origin)
		return
	}
	keys := c.keys
	if a.standing > standingUntrusted {
		keys = a.checkpointKeys
	}
	if _, l.signers, l.sigErr = signing.OpenCheckpoint(note, origin, keys); l.sigErr != nil || a.header == nil {
		return
	}
	for _, k := range a.keys {
		if !slices.ContainsFunc(l.signers, k.Equal) {
			l.sigErr = fmt.Errorf("the checkpoint lacks the signature of the key %s, which the header names", k.ID())
		}
	}
}
