// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logfile_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// ended is a line and the offset after it.
type ended struct {
	line string
	end  int64
}

// readForward and readBackward read a segment's lines, the first of them first.
func readForward(t *rapid.T, fsys fs.FS, file segment.File) (all []ended, _ error) {
	r, err := logfile.Open(t.Context(), fsys, file, 0)
	require.NoError(t, err)
	defer r.Close()
	for {
		line, err := r.Next()
		if err == io.EOF || errors.Is(err, segline.ErrPartial) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, ended{string(line), r.End()})
	}
}

func readBackward(t *rapid.T, fsys fs.FS, file segment.File) (all []ended, _ error) {
	r, err := logfile.OpenBackward(t.Context(), fsys, file)
	require.NoError(t, err)
	defer r.Close()
	for {
		line, end, err := r.Previous()
		if err == io.EOF {
			slices.Reverse(all)
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, ended{string(line), end})
	}
}

// Read from its end, a segment has the lines that it has read from its beginning, and what is
// listed of it is what is read.
func TestBackwardIsForward(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var content []byte
		for _, n := range rapid.SliceOfN(rapid.OneOf(rapid.IntRange(0, 50), rapid.IntRange(200<<10, 600<<10)), 0, 12).Draw(t, "lengths") {
			content = append(append(content, bytes.Repeat([]byte{byte('a' + n%26)}, n)...), '\n')
		}
		content = content[:rapid.IntRange(0, len(content)).Draw(t, "bytes")]
		fsys, file := plain(content)
		file.Size = rapid.Int64Range(-1, int64(len(content))+1).Draw(t, "size")
		want, err := readForward(t, fsys, file)
		require.NoError(t, err)
		got, err := readBackward(t, fsys, file)
		require.NoError(t, err, "%d lines, not %d", len(got), len(want))
		require.Equal(t, want, got, "%d lines, not %d", len(got), len(want))
	})
}

// The longest line is read, and one that is longer by a byte is not, wherever it stands.
func TestBackwardOverLongLines(t *testing.T) {
	longest := bytes.Repeat([]byte("x"), segline.MaxBytes)
	tests := []struct {
		name    string
		content []byte
		lines   int // before the error
		is      error
	}{
		{"the longest", slices.Concat([]byte("a\n"), longest, []byte("\nb\n")), 3, io.EOF},
		{"the longest, unfinished", slices.Concat([]byte("a\n"), longest), 1, io.EOF},
		{"too long", slices.Concat([]byte("a\nx"), longest, []byte("\nb\n")), 1, segline.ErrTooLong},
		{"too long, at the beginning", slices.Concat([]byte("x"), longest, []byte("\nb\n")), 1, segline.ErrTooLong},
		{"too long, unfinished", slices.Concat([]byte("a\nx"), longest), 0, segline.ErrTooLong},
		{"zeros", make([]byte, 3*segline.MaxBytes), 0, segline.ErrTooLong},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			fsys, file := plain(test.content)
			r, err := logfile.OpenBackward(t.Context(), fsys, file)
			require.NoError(t, err)
			defer r.Close()
			lines := -1
			for err == nil {
				lines++
				_, _, err = r.Previous()
			}
			assert.Equal(t, test.lines, lines)
			assert.ErrorIs(t, err, test.is)
			assert.Equal(t, test.is != io.EOF, logfile.Malformed(err))
		})
	}
}

// A segment that is cut off while it is read is an error of reading it, not of what it holds.
func TestBackwardOverAFileThatIsCutOff(t *testing.T) {
	content := manyLines(20_000)
	fsys, file := plain(content)
	cut := &cutOff{MapFS: fsys, to: int64(len(content))}
	r, err := logfile.OpenBackward(t.Context(), cut, file)
	require.NoError(t, err)
	defer r.Close()
	for err == nil {
		_, _, err = r.Previous()
		cut.to = 10
	}
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.False(t, logfile.Malformed(err))
}

// cutOff is a directory whose file ends at an offset.
type cutOff struct {
	fstest.MapFS
	to int64
}

func (c *cutOff) Open(name string) (fs.File, error) {
	f, err := c.MapFS.Open(name)
	return cutOffFile{f, c}, err
}

type cutOffFile struct {
	fs.File
	c *cutOff
}

func (f cutOffFile) ReadAt(p []byte, at int64) (int, error) {
	if at+int64(len(p)) > f.c.to {
		return 0, io.EOF
	}
	return f.File.(io.ReaderAt).ReadAt(p, at)
}
