// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// all copies the log, or the logs.
func all(ctx context.Context, fsys fs.FS, to sink, o Options) (r Result, err error) {
	logs := []string{"."}
	if o.Recursive {
		if logs, err = below(ctx, fsys, ".", 0, &r); err != nil {
			return r, err
		}
		if len(logs) == 0 {
			return r, verify.ErrNoLog
		}
		info, err := fs.Stat(fsys, ".")
		if err != nil {
			return r, err
		}
		// A writer of partitions has its own directory around them.
		if err := to.directory(".", info); err != nil {
			return r, err
		}
	}
	for _, name := range logs {
		sub, err := fs.Sub(fsys, name)
		if err != nil {
			return r, err
		}
		c := &copier{ctx: ctx, fsys: sub, to: to, path: name, r: &r, taken: map[string]bool{}, left: map[string]bool{}}
		if err := c.copy(!o.Recursive); err != nil {
			return r, fmt.Errorf("%s: %w", name, err)
		}
		r.Logs++
	}
	return r, nil
}

// below returns the directories that hold files of logs, in the order of their names.
func below(ctx context.Context, fsys fs.FS, dir string, depth int, r *Result) (logs []string, _ error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(fsys, dir)
	switch {
	case err != nil && depth == 0:
		return nil, err
	case err != nil:
		r.leave(dir, err)
		return nil, nil
	case depth > verify.MaxTreeDepth:
		r.leave(dir, fmt.Errorf("it lies more than %d directories deep", verify.MaxTreeDepth))
		return nil, nil
	}
	for _, e := range entries {
		if ofLog(e) {
			logs = append(logs, dir)
			break
		}
	}
	was := false
	for _, e := range entries {
		was = was || e.Name() == segment.LockName
		if e.Type()&fs.ModeSymlink != 0 && !ofLog(e) {
			r.leave(path.Join(dir, e.Name()), errors.New("it is a symbolic link, and was not followed: copy what it leads to by itself"))
		}
		if !e.IsDir() {
			continue
		}
		more, err := below(ctx, fsys, path.Join(dir, e.Name()), depth+1, r)
		if err != nil {
			return nil, err
		}
		logs = append(logs, more...)
	}
	if was && len(logs) == 0 {
		// Its copy would not be there, and the tree without it verifies.
		r.leave(dir, errors.New("it has the lock of a log, and none of its files"))
	}
	if len(logs) > verify.MaxTreeLogs {
		return nil, fmt.Errorf("there are more than %d audit logs: copy parts of the tree", verify.MaxTreeLogs)
	}
	return logs, nil
}

// ofLog reports whether only a log has such a file.
func ofLog(e fs.DirEntry) bool {
	name := e.Name()
	_, err := segment.ParseName(name)
	return err == nil || segment.IsTornName(name) || !e.IsDir() && (name == segment.CheckpointName || name == segment.KeyChangesName || name == segment.PrunedRangesName)
}

func (r *Result) leave(name string, why error) {
	r.Left = append(r.Left, fmt.Sprintf("%s: %s", name, why))
}
