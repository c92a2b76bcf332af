// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logfile

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/otel-auditlog/auditlogexporter/internal/ctxread"
)

// Lines reads the lines of a file next to the segments. The bytes of a line are valid until
// the next one is read.
type Lines struct {
	// Number is that of the line read last, counted from 1, and End the offset after the last
	// whole one.
	Number int
	End    int64

	src  *bufio.Reader
	file string
	most int
}

// NewLines returns a reader of the lines of src, which is the file of that name. A line has at
// most so many bytes, without its LF. Reading ends with the context.
func NewLines(ctx context.Context, src io.Reader, file string, most int) *Lines {
	return &Lines{src: bufio.NewReaderSize(ctxread.New(ctx, src), most+1), file: file, most: most}
}

// Next returns the next line without its LF. The last one may be unfinished: it does not
// count, and the error is io.EOF. A line that is too long is passed over, with a LineError.
func (l *Lines) Next() ([]byte, error) {
	line, err := l.src.ReadSlice('\n')
	size := int64(len(line))
	long := errors.Is(err, bufio.ErrBufferFull)
	for errors.Is(err, bufio.ErrBufferFull) {
		line, err = l.src.ReadSlice('\n')
		size += int64(len(line))
	}
	switch {
	case err == io.EOF && long:
		return nil, l.wrong(fmt.Errorf("the line has more than %d bytes", l.most))
	case err == io.EOF:
		return nil, io.EOF
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", l.file, err)
	}
	l.Number++
	l.End += size
	if long {
		return nil, &LineError{l.file, l.Number, fmt.Errorf("the line has more than %d bytes", l.most)}
	}
	return line[:len(line)-1], nil
}

// wrong says that what follows the last line is wrong.
func (l *Lines) wrong(err error) error {
	l.Number++
	return &LineError{l.file, l.Number, err}
}
