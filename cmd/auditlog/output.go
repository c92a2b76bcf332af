// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// output is standard output. What could not be written is told at the end, whoever passes
// over the error of a write: nothing is handed out in part with exit code 0.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.w.Write(p)
	if err != nil {
		o.err = fmt.Errorf("write to standard output: %w", withoutPath(err))
	}
	return n, o.err
}

var errClosed = errors.New("it is closed (or the null device, opened for reading and writing, as the Go runtime puts in the place of what is closed): give --quiet, or a file")

// closedOutput stands for standard output that is closed.
type closedOutput struct{}

func (closedOutput) Write([]byte) (int, error) { return 0, errClosed }

// standardOutput returns what to write to.
func standardOutput() io.Writer {
	if wasClosed(os.Stdout) {
		return closedOutput{}
	}
	return os.Stdout
}
