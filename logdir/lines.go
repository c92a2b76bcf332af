// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logdir

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// lines reads the lines of a file next to the segments. The bytes of a line are valid until
// the next one is read.
type lines struct {
	src    *bufio.Reader
	file   string
	most   int // bytes in a line, without its LF
	number int
	end    int64 // of the last whole line
}

func newLines(src io.Reader, file string, most int) *lines {
	return &lines{src: bufio.NewReaderSize(src, most+1), file: file, most: most}
}

// next returns the next line without its LF. The last one may be unfinished: it does not
// count, and the error is io.EOF. A line that is too long is passed over, with a LineError.
func (l *lines) next() ([]byte, error) {
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
	l.number++
	l.end += size
	if long {
		return nil, &LineError{l.file, l.number, fmt.Errorf("the line has more than %d bytes", l.most)}
	}
	return line[:len(line)-1], nil
}

// wrong says that what follows the last line is wrong.
func (l *lines) wrong(err error) error {
	l.number++
	return &LineError{l.file, l.number, err}
}
