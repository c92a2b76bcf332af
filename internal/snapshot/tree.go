// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/otel-auditlog/auditlogexporter/internal/discover"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// all copies the log, or the logs.
func all(ctx context.Context, fsys fs.FS, to sink, o Options) (r Result, err error) {
	logs := []string{"."}
	if o.Recursive {
		logs, err = discover.Logs(ctx, fsys, discover.ToCopy, r.passed)
		if errors.Is(err, discover.ErrTooMany) {
			return r, fmt.Errorf("there are more than %d audit logs: copy parts of the tree", discover.MaxLogs)
		}
		if err != nil {
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

// passed notes what was passed over on the way to the logs, if a log may be there.
func (r *Result) passed(p discover.Passed) {
	switch p.Reason {
	case discover.TooDeep:
		r.leave(p.Path, fmt.Errorf("it lies more than %d directories deep", discover.MaxDepth))
	case discover.Unreadable:
		r.leave(p.Path, p.Err)
	case discover.Link:
		r.leave(p.Path, errors.New("it is a symbolic link, and was not followed: copy what it leads to by itself"))
	case discover.LockAlone:
		// Its copy would not be there, and the tree without it verifies.
		r.leave(p.Path, errors.New("it has the lock of a log, and none of its files"))
	case discover.NoLog:
	}
}

func (r *Result) leave(name string, why error) {
	r.Left = append(r.Left, fmt.Sprintf("%s: %s", name, why))
}
