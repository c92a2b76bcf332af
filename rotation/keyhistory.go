// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"slices"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/keyhistory"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// loadKeyChanges reads the file of key changes, and finds in the segments what a crash has
// kept from being added. Each change is signed by the key that it goes over to, the last of
// them to the key that the newest segment is signed with: what does not lead there is not the
// log's work, and the file is written anew without it.
func (r *recovery) loadKeyChanges(ctx context.Context) error {
	chain := keyChain{follows: r.isNext}
	filed, err := r.keys.changes.read(ctx, chain)
	if err != nil {
		return fmt.Errorf("read the file %s: %w", sidefile.KeyChangesName, err)
	}
	if len(r.segments) == 0 {
		if filed.bytes > 0 || filed.spoiled {
			_, err = r.setAside(sidefile.KeyChangesName, "it is of another log")
			return err
		}
		return nil
	}
	if filed.last() == nil && !filed.spoiled {
		// Most logs never change their key: no need to look at each segment.
		oldest, err := readHead(ctx, r.dir, r.segments[0].name)
		if fromSystem(err) {
			return err
		}
		if err == nil && !changesKeys(&oldest.Header, &r.header) {
			return nil
		}
	}
	heads, need, err := r.changesAfter(ctx, filed.last())
	if err != nil {
		return err
	}
	if c := filed.last(); c != nil && !bytes.Equal(c.To.SPKI(), need) {
		// What all segments say goes before what the file says.
		if heads, need, err = r.changesAfter(ctx, nil); err != nil {
			return err
		}
		leads := chain
		leads.ends = func(c *signing.KeyChange) bool {
			return bytes.Equal(c.To.SPKI(), need) && (len(heads) == 0 || c.Index < heads[0].Index)
		}
		if filed, err = r.keys.changes.read(ctx, leads); err != nil {
			return fmt.Errorf("read the file %s: %w", sidefile.KeyChangesName, err)
		}
	}
	if filed.spoiled {
		aside, err := r.setAside(sidefile.KeyChangesName, "its lines do not lead to the key that signs the log")
		if err != nil {
			return err
		}
		if err := r.keys.changes.replace(ctx, aside, &filed, chain); err != nil {
			return err
		}
	}
	r.keys.recallChanges(&filed, heads)
	return nil
}

// isNext reports whether a change may be the one after another, which is nil before the first.
func (r *recovery) isNext(c, last *signing.KeyChange) bool {
	return c.Origin == r.opts.Origin && c.Log == r.id && c.Index < r.tree.Size() &&
		(last == nil || c.Index > last.Index && c.From.Equal(last.To))
}

// changesAfter returns the changes in the heads of segments after one, and the key that the
// first of them goes over from.
func (r *recovery) changesAfter(ctx context.Context, last *signing.KeyChange) (heads []*signing.KeyChange, need []byte, err error) {
	need = r.header.Keys[0].PublicKey
	for _, s := range slices.Backward(r.segments) {
		if last != nil && s.name.FirstIndex <= last.Index {
			break
		}
		c, err := keyhistory.Introducing(ctx, r.dir, listed(s.name))
		if fromSystem(err) {
			return nil, nil, err
		}
		if err == nil && c != nil && (c.Index != s.name.FirstIndex || !r.isNext(c, nil) || !bytes.Equal(c.To.SPKI(), need)) {
			err = fmt.Errorf("%w: its key change does not lead to the key that signs the log", ErrDamaged)
		}
		if err != nil {
			// A damaged segment is for the verifier to find; the log goes on behind it.
			r.opts.Logger.Warn("A segment of the audit log cannot be searched for a change of the key", zap.Stringer("segment", s.name), zap.Error(err))
			continue
		}
		if c != nil {
			heads, need = slices.Insert(heads, 0, c), c.From.SPKI()
		}
	}
	return heads, need, nil
}

// readHead reads the first lines of a segment.
func readHead(ctx context.Context, dir fs.FS, name segment.Name) (logdir.Head, error) {
	return logdir.ReadHead(ctx, dir, logdir.Segment{File: listed(name)})
}

// listed is a segment's file, all of which is read.
func listed(name segment.Name) segment.File {
	return segment.File{Name: name.String(), Parsed: name, Size: -1}
}
