// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package ctxread reads until a context ends.
package ctxread

import (
	"context"
	"io"
)

// New returns a reader of what r reads, whose calls return the context's error once that has
// ended. It does not interrupt a call that is under way.
func New(ctx context.Context, r io.Reader) io.Reader { return reader{ctx, r} }

type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
