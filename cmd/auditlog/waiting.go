// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"os"
)

// A pipe that an auditor hands over, as <(…) of a shell, can be waited for without end, and
// only a signal that is not caught interrupts that. So it is waited for apart, and the command
// ends when it is told to.

// waiting reads from what can be waited for until the context is done.
type waiting struct {
	ctx context.Context
	src io.Reader
}

func (w *waiting) Read(p []byte) (int, error) {
	// What is still being read once nobody waits is not p.
	buf := make([]byte, len(p))
	n, err := wait(w.ctx, func() (int, error) { return w.src.Read(buf) })
	return copy(p, buf[:n]), err
}

// openWaiting opens a file, which for a pipe takes until somebody writes to it.
func openWaiting(ctx context.Context, path string) (*os.File, error) {
	if info, err := os.Stat(path); err != nil || info.Mode().IsRegular() {
		return os.Open(path)
	}
	return wait(ctx, func() (*os.File, error) { return os.Open(path) })
}

// wait calls a function, and does not wait for it longer than the context lasts: then the
// command ends, and with it the call.
func wait[T any](ctx context.Context, call func() (T, error)) (T, error) {
	type result struct {
		of  T
		err error
	}
	done := make(chan result, 1)
	go func() {
		of, err := call()
		done <- result{of, err}
	}()
	select {
	case r := <-done:
		return r.of, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
