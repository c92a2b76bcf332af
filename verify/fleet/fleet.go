// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"

	"github.com/otel-auditlog/auditlogexporter/internal/discover"
	"github.com/otel-auditlog/auditlogexporter/internal/kept"
	"github.com/otel-auditlog/auditlogexporter/internal/signers"
	"github.com/otel-auditlog/auditlogexporter/internal/visible"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// Check checks every log in the root of fsys and below, one after another, and tells each
// of what became of it, by path. A directory is a log's if it holds a segment, a file
// checkpoint or a tail that was set aside; or if nothing but a log leaves behind what is in
// it. The options are for each log, but a kept checkpoint is for the log of its origin:
// if there is none, that log is missing, which is a finding. So are two logs of one
// origin.
//
// Symbolic links are not followed. What is not looked into is a finding. The error says
// that the directories could not be walked, wraps [verify.ErrNoLog] if there is no log, or
// comes from each.
func Check(ctx context.Context, fsys fs.FS, o verify.Options, each func(Log) error) (*Summary, error) {
	if o.MaxFindings <= 0 {
		o.MaxFindings = defaultFindings
	}
	trusted := &signers.Trusted{Keys: o.Keys, CheckpointKeys: o.CheckpointKeys, Bounds: o.Trust, AsOf: o.AsOf}
	if err := trusted.Check(); err != nil {
		return nil, err
	}
	if o.Origin != "" {
		return nil, errors.New("logs of a tree have each its origin: ask for one of them alone")
	}
	c := &checker{fsys: fsys, o: o, trusted: trusted, sum: newSummary(len(trusted.Events()) == 0), origins: map[string]bool{}, endings: map[string][]ending{}, partitions: map[string][]partition{}}
	if err := c.addKept(); err != nil {
		return nil, err
	}
	paths, err := discover.Logs(ctx, fsys, discover.ToVerify, c.passed)
	if errors.Is(err, discover.ErrTooMany) {
		return nil, fmt.Errorf("there are more than %d audit logs: verify parts of the tree", discover.MaxLogs)
	}
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%w, here or below", verify.ErrNoLog)
	}
	slices.Sort(paths)
	for _, name := range paths {
		l, err := c.checkLog(ctx, name)
		if err != nil {
			return nil, err
		}
		c.sum.count(l)
		if err := each(l); err != nil {
			return nil, err
		}
	}
	c.checkMissing()
	c.checkSiblings()
	if err := c.checkCopies(ctx); err != nil {
		return nil, err
	}
	return c.sum, nil
}

func (c *checker) addKept() error {
	for i, k := range c.o.Checkpoints {
		k.Name = cmp.Or(k.Name, strconv.Itoa(i+1))
		checkpoint, err := kept.Parse(k.Name, k.Note)
		if err != nil {
			return err
		}
		c.kept = append(c.kept, keptCheckpoint{Kept: k, Checkpoint: checkpoint})
	}
	return nil
}

// passed reports what was not looked into.
func (c *checker) passed(p discover.Passed) {
	one := Finding{Path: p.Path, Severity: verify.Warning}
	switch p.Reason {
	case discover.TooDeep:
		c.sum.Unread++
		one.Kind, one.Message = DirectoryUnread, fmt.Sprintf("it lies more than %d directories deep, and was not looked into: verify it by itself", discover.MaxDepth)
	case discover.Unreadable:
		c.sum.Unread++
		one.Kind, one.Message = DirectoryUnread, fmt.Sprintf("it cannot be looked into: %v", p.Err)
	case discover.Link:
		one.Kind, one.Message = linkNotFollowed, "it is a symbolic link, and was not followed"
	case discover.NoLog:
		one.Kind, one.Severity, one.Message = foreignDirectory, verify.Info, "there is no audit log in it"
	case discover.LockAlone: // is a log to verify
		return
	}
	c.add(one)
}

// checkLog checks one log, against what was kept of its origin.
func (c *checker) checkLog(ctx context.Context, name string) (Log, error) {
	l := Log{Path: name}
	fsys, err := fs.Sub(c.fsys, name)
	if err != nil {
		return l, err
	}
	origin := originOf(fsys)
	c.origins[origin] = true
	o := c.o
	o.Checkpoints, o.Receipts = nil, o.Receipts.Of(origin)
	if o.Placed = name != "."; o.Placed {
		o.Directory = path.Base(name)
	}
	for i := range c.kept {
		if k := &c.kept[i]; k.Origin == origin {
			k.found = true
			o.Checkpoints = append(o.Checkpoints, k.Kept)
		}
	}
	l.Report, l.Err = verify.Log(ctx, fsys, o)
	if ctx.Err() != nil {
		return l, ctx.Err()
	}
	if l.Err != nil {
		l.Error = visible.Clip(l.Err.Error(), maxMessage)
	}
	e := ending{path: name}
	if r := l.Report; r != nil {
		if r.Partition && name != "." {
			c.partitions[path.Dir(name)] = append(c.partitions[path.Dir(name)], partition{name, r.Origin})
		}
		origin = cmp.Or(r.Origin, origin)
		e.size = r.TreeSize
		copy(e.root[:], r.RootHash)
	}
	if origin != "" {
		c.endings[origin] = append(c.endings[origin], e)
	}
	return l, nil
}
