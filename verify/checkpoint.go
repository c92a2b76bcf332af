// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"errors"
	"fmt"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

func (f *follower) checkpoint(l *checked) {
	committed := f.commit.line > 0
	f.commit.line = 0
	if l.bad != nil {
		f.mustRecheck(l, newFinding(CheckpointMalformed, Tampering, place{line: f.line}, "%v", l.bad))
		return
	}
	if l.sigErr != nil {
		kind := CheckpointSignatureInvalid
		if errors.Is(l.sigErr, signing.ErrNoTrustedSignature) {
			kind = UnknownKey
		}
		f.add(newFinding(kind, Tampering, place{}, "%v", l.sigErr))
		return
	}
	if p := f.authority.previous; p != nil && f.end == nil && !slices.ContainsFunc(l.signers, p.Equal) {
		f.add(newFinding(CheckpointSignatureInvalid, Tampering, place{}, "the first checkpoint after a change of the key lacks the signature of the key before, %s", p.ID()))
		return
	}
	if kind, why := f.checkSigners(l); kind != "" {
		f.add(newFinding(kind, Tampering, place{}, "%s", why))
		return
	}
	for _, k := range l.signers {
		if !slices.Contains(f.signers, k.ID()) {
			f.signers = append(f.signers, k.ID())
		}
	}
	f.endCommit()
	if !committed && f.seen > 0 && f.authority.newer == nil {
		f.addOfCommit(CommitInvalid, Tampering, "no commit stands directly before the checkpoint")
	}
	switch {
	case f.seen == 0 && l.checkpoint.Size == f.claimed:
		f.add(newFinding(LineInserted, Tampering, place{}, "the checkpoint repeats the one before it: no line lies between them"))
	case f.anchored && l.checkpoint.Size == f.tree.Size() && merkle.Hash(l.checkpoint.Root) == f.tree.Root():
		f.settle(true)
	case f.anchored:
		f.mismatch(l)
	default:
		f.unanchored(l)
	}
	f.end = &point{l.checkpoint.Size, l.checkpoint.Root}
	f.claimed, f.seen = l.checkpoint.Size, 0
}

// checkSigners says why none of the keys that signed a checkpoint may have done so,
// where no header says which had to.
func (f *follower) checkSigners(l *checked) (kind Kind, why string) {
	if f.authority.header != nil {
		return "", "" // all had to; each leaf is held against those that count
	}
	for _, k := range f.authority.trustedSigners {
		if !slices.ContainsFunc(l.signers, k.Equal) {
			continue
		}
		if kind, why = k.objection(l.checkpoint.Size-1, f.commit.latest); kind == "" {
			return "", ""
		}
	}
	return kind, why
}

// mismatch handles a signed checkpoint that does not fit the lines above it.
func (f *follower) mismatch(l *checked) {
	// What the commits say has been changed, or is not known to be theirs.
	g := &f.group
	g.ofCommits, g.first, g.last = g.ofCommits[:0], segment.Commit{}, segment.Commit{}
	f.commit.number = 0
	if f.locate(l.checkpoint.Size, l.checkpoint.Root) {
		f.settle(true)
		return
	}
	from, to := g.firstLine, max(g.firstLine, f.line-1)
	index := g.before.Size()
	f.add(newFinding(RootMismatch, Tampering, place{line: from, lastLine: to, index: &index}, "%s", f.mismatchMessage(l.checkpoint.Size, from, to)))
	f.noteSignedRoot(l.checkpoint)
	if f.tree.Size() == l.checkpoint.Size {
		f.countUnknown()
	}
	f.anchored = false
	f.settle(false)
}

// countUnknown counts lines of no known kind that take the place of events.
func (f *follower) countUnknown() {
	f.total += f.group.unknown
	f.failed += f.group.unknown
}

func (f *follower) mismatchMessage(size uint64, from, to int) string {
	where := fmt.Sprintf("lines %d to %d", from, to)
	if from == to {
		where = fmt.Sprintf("line %d", from)
	}
	checkpoint := fmt.Sprintf("the signed checkpoint on line %d", f.line)
	switch have := f.tree.Size(); {
	case have < size:
		return fmt.Sprintf("%s covers %d more than there are: %s missing at %s", checkpoint, size-have, plural(size-have, "a line is", "lines are"), where)
	case have > size:
		return fmt.Sprintf("%s covers %d fewer than there are: %s inserted at %s", checkpoint, have-size, plural(have-size, "a line was", "lines were"), where)
	default:
		return fmt.Sprintf("%s does not fit: %s changed since it was signed", checkpoint, plural(uint64(to-from+1), where+" was", "one or more of "+where+" were"))
	}
}

func plural(n uint64, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// unanchored handles a checkpoint after one that did not fit, or without a header:
// its root cannot be computed before the next segment's header, but the number of
// leaves can be compared, and it has a valid signature.
func (f *follower) unanchored(l *checked) {
	f.noteSignedRoot(l.checkpoint)
	if have, want := f.seen, l.checkpoint.Size-f.claimed; have != want || l.checkpoint.Size < f.claimed {
		index := f.claimed
		f.add(newFinding(RootMismatch, Tampering, place{line: f.group.firstLine, lastLine: f.line, index: &index},
			"the signed checkpoints before and on line %d are %d leaves apart, but there are %d lines between them", f.line, int64(want), have))
	} else {
		f.countUnknown()
		for _, one := range f.group.ofCommits {
			f.add(one)
		}
		f.commits.extend(f.group.first, f.group.last)
	}
	f.settle(false)
}
