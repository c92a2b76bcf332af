// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/ctxread"
	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/ownevent"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// What this process has sealed it knows. What it found at its start is a claim until it has
// been read, once, and leads to a tree that a checkpoint of ours is over: names, headers,
// contents and times alike. Until then nothing is deleted or signed on its word. No line leaves
// this file: what stages recall is read through [logdir.Checked] (recall.go).

// facts are what is known of a segment.
type facts struct {
	header segment.Header
	// before is the tree that the segment follows.
	before merkle.Frontier
	// last is the time of its last commit.
	last time.Time
	// atStart says that a start began it, and nothing that was logged.
	atStart bool
	// pruned is before which leaf an event in it says that retention deletes, if it was found.
	pruned uint64
}

// discrepancy says that a file does not hold what the log has written.
type discrepancy struct {
	file string
	why  string
}

func (d *discrepancy) Error() string {
	return fmt.Sprintf("%v: %s: %s: restore the file from a copy; until then nothing of the log is deleted", ErrDamaged, d.file, d.why)
}

func (d *discrepancy) Unwrap() error { return ErrDamaged }

// tracer follows the tree through segments, one after the other.
type tracer struct {
	dir  fs.FS
	opts *Options
	log  signing.LogID
	tree merkle.Frontier
	// root is that of the tree when it had at leaves. It counts only if all leads to the tree in
	// the end.
	at   uint64
	root *merkle.Hash
}

// newTracer returns a tracer of segments of a log.
func newTracer(dir fs.FS, s *snapshot) *tracer {
	return &tracer{dir: dir, opts: s.opts, log: s.id}
}

// append adds a leaf.
func (t *tracer) append(line []byte) {
	t.tree.Append(merkle.LeafHash(line))
	t.note()
}

// note keeps the root that is asked for.
func (t *tracer) note() {
	if t.root == nil && t.tree.Size() == t.at {
		root := t.tree.Root()
		t.root = &root
	}
}

// trace reads segments, which follow one another, and returns what is known of them, if
// they lead to the tree. The last one is read up to there; size is then what it is long,
// or −1 if it is sealed.
func (t *tracer) trace(ctx context.Context, list []segmentInfo, to *merkle.Frontier, size int64) ([]segmentInfo, error) {
	for i := range list {
		most := int64(-1)
		if i == len(list)-1 {
			most = size
		}
		var err error
		if list[i], err = t.segment(ctx, list[i], i == 0, most); err != nil {
			return nil, err
		}
	}
	if t.tree.Size() != to.Size() || t.tree.Root() != to.Root() {
		return nil, &discrepancy{list[len(list)-1].name.String(), fmt.Sprintf("its %d leaves and those before it do not lead to the tree of %d that the log has signed", t.tree.Size(), to.Size())}
	}
	return list, nil
}

// segment reads a segment.
func (t *tracer) segment(ctx context.Context, s segmentInfo, first bool, size int64) (_ segmentInfo, err error) {
	name := s.name.String()
	f, err := rootfs.OpenRegular(t.dir, name)
	if err != nil {
		return s, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return s, fmt.Errorf("read %s: %w", name, err)
	}
	var in io.Reader = f
	if size >= 0 && s.name.Compression == compression.None {
		in = io.LimitReader(f, size)
	}
	content, err := compression.NewReader(ctxread.New(ctx, in), s.name.Compression)
	if err != nil {
		return s, fmt.Errorf("read %s: %w", name, err)
	}
	defer content.Close()
	packed, err := newMeasure(t.opts, s.name.Compression)
	if err != nil {
		return s, fmt.Errorf("read %s: %w", name, err)
	}
	defer packed.close()
	r := segment.NewReader(packed.watch(content), name)
	known, err := t.lines(r, s.name, first)
	var d *discrepancy
	switch {
	case err == nil:
	case errors.As(err, &d), fromSystem(err), ctx.Err() != nil:
		return s, err
	default:
		return s, &discrepancy{name, fmt.Sprintf("line %d: %v", r.Line(), err)}
	}
	// A file can be padded where decompression does not see it, or be put in its place as it
	// was before it was compressed: it counts for no more than its lines take as the log
	// stores them.
	most, err := packed.size()
	if err != nil {
		return s, fmt.Errorf("read %s: %w", name, err)
	}
	s.facts, s.bytes = known, min(info.Size(), r.End(), most)
	return s, nil
}

// lines reads the lines of a segment. Every one but checkpoints is a leaf; those are held
// against the tree, so that nothing in the file is free.
func (t *tracer) lines(r *segment.Reader, name segment.Name, first bool) (*facts, error) {
	known := &facts{}
	commits, sealed := 0, true
	for {
		line, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		kind := segment.KindOf(line)
		if kind != segline.KindCheckpoint {
			if r.Line() == 1 {
				if known.header, err = t.header(line, name, first); err != nil {
					return nil, err
				}
				known.before = t.tree
				t.note()
			}
			t.append(line)
		}
		switch kind {
		case segline.KindCheckpoint:
			if sealed || commits == 0 {
				return nil, errors.New("a checkpoint that follows no commit")
			}
			if err := t.checkpoint(line, &known.header); err != nil {
				return nil, err
			}
			sealed = true
			continue
		case segline.KindCommit:
			c, err := segment.ParseCommit(line)
			if err != nil {
				return nil, err
			}
			commits++
			known.last = c.Time
		case segline.KindEvent:
			if err := t.event(line, known, commits == 0); err != nil {
				return nil, err
			}
		case segline.KindHeader:
			if r.Line() != 1 {
				return nil, errors.New("a header within a segment")
			}
		default:
			return nil, errors.New("a line of no known kind")
		}
		sealed = false
	}
	if commits == 0 || !sealed {
		return nil, errors.New("it does not end with a checkpoint")
	}
	return known, nil
}

// header takes in a header, which must go on with the tree, in a file of its name.
func (t *tracer) header(line []byte, name segment.Name, first bool) (h segment.Header, err error) {
	if h, err = segment.ParseHeader(line); err != nil {
		return h, err
	}
	if first {
		if t.tree, err = merkle.NewFrontier(h.FirstIndex, h.Frontier); err != nil {
			return h, err
		}
	}
	switch {
	case h.FirstIndex != t.tree.Size() || !slices.Equal(h.Frontier, t.tree.Hashes()):
		return h, errors.New("the header does not go on where the segment before ends")
	case h.FirstIndex != name.FirstIndex || !h.Created.Truncate(time.Second).Equal(name.Created):
		return h, errors.New("the file has not the name that its header gives it")
	case h.Origin != t.opts.Origin || h.Log != t.log:
		return h, fmt.Errorf("the header is of the log %s of %q, which is another", h.Log, h.Origin)
	}
	return h, nil
}

// checkpoint checks that a checkpoint is over the tree and no longer than its signatures
// make it. Those say nothing that the tree does not.
func (t *tracer) checkpoint(line []byte, h *segment.Header) error {
	const fixed, signature = 512, 160
	if most := fixed + (len(h.Keys)+2)*(signature+len(h.Origin)); len(line) > most {
		return fmt.Errorf("a checkpoint of %d bytes, more than %d", len(line), most)
	}
	if _, fits := checkpointFits(line, h.Origin, &t.tree); !fits {
		return errors.New("a checkpoint that does not fit the lines above it")
	}
	return nil
}

// event looks for what the log says of itself.
func (t *tracer) event(line []byte, known *facts, firstCommit bool) error {
	firstCommit = firstCommit && known.header.FirstIndex > 0
	if !firstCommit && !ownevent.MayBeOn(line, logevent.Pruned) {
		return nil
	}
	parsed, err := segment.ParseEvent(nil, line)
	if err != nil {
		return err
	}
	var sum eventjson.Summary
	if err := eventjson.Scan(parsed.Canonical, &sum); err != nil || sum.Log == nil {
		return err
	}
	said, err := logevent.Parse(sum.Log)
	known.atStart = known.atStart || firstCommit && said.Action == logevent.Opened
	if err == nil && said.Action == logevent.Pruned {
		known.pruned = max(known.pruned, said.Before)
	}
	return nil
}

// warnOfFuture tells of segments that a clock has written which was ahead.
func warnOfFuture(o *Options, found []segmentInfo) {
	now := o.Now()
	for _, s := range found {
		if f := s.facts; f != nil && (f.last.Sub(now) > aheadBy || f.header.Created.Sub(now) > aheadBy) {
			o.Logger.Warn("A segment of the audit log was written later than now: a clock is or was wrong", zap.Stringer("segment", s.name), zap.Time("last_commit", f.last))
		}
	}
}
