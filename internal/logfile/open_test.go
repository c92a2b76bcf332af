// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logfile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/segname"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// plainName is the name of the segment of these tests. What its lines hold is of no account here.
var plainName = segment.Name{Created: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), Compression: compression.None}

// plain returns a directory with a plain segment of that content, and the segment as it is listed.
func plain(content []byte) (fstest.MapFS, segment.File) {
	return fstest.MapFS{plainName.String(): {Data: content, Mode: 0o600}},
		segment.File{Name: plainName.String(), Parsed: plainName, Size: int64(len(content)), Mode: 0o600}
}

// manyLines returns n lines of different lengths.
func manyLines(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "%d%s\n", i, bytes.Repeat([]byte("x"), i%200))
	}
	return b.Bytes()
}

// compress replaces the plain segment by its compressed form, as the writer does.
func compress(t *testing.T, fsys fstest.MapFS, c compression.Method) {
	t.Helper()
	var b bytes.Buffer
	z, err := compression.NewWriter(&b, c)
	if err == nil {
		_, err = z.Write(fsys[plainName.String()].Data)
	}
	if err == nil {
		err = z.Close()
	}
	require.NoError(t, err)
	delete(fsys, plainName.String())
	fsys[plainName.String()+c.Suffix()] = &fstest.MapFile{Data: b.Bytes(), Mode: 0o600}
}

// A segment is found in whichever form it has by the time that it is opened, and what is read
// is what it held when it was listed.
func TestASegmentThatIsCompressedMeanwhile(t *testing.T) {
	for _, c := range []compression.Method{compression.None, compression.Zstd, compression.Gzip} {
		content := manyLines(9)
		want := bytes.Split(bytes.TrimSuffix(content, []byte("\n")), []byte("\n"))
		fsys, file := plain(append(bytes.Clone(content), "what was added since"...))
		file.Size = int64(len(content))
		if c != compression.None {
			fsys, _ = plain(content) // what is compressed has been sealed
			compress(t, fsys, c)
		}
		r, err := logfile.Open(t.Context(), fsys, file, 0)
		require.NoError(t, err)
		var got [][]byte
		for line, err := r.Next(); err == nil; line, err = r.Next() {
			got = append(got, bytes.Clone(line))
		}
		assert.NoError(t, r.Close(), "%s: %d lines, not %d", c, len(got), len(want))
		assert.True(t, slices.EqualFunc(got, want, bytes.Equal), "%s: %d lines, not %d", c, len(got), len(want))
		for _, line := range []int{0, 1, 4} {
			offset := int64(0)
			for _, before := range want[:line] {
				offset += int64(len(before)) + 1
			}
			r, err := logfile.Open(t.Context(), fsys, file, offset)
			require.NoError(t, err)
			got, err := r.Next()
			if !bytes.Equal(got, want[line]) || err != nil || r.End() != offset+int64(len(got))+1 || r.Line() != 1 || segname.Plain(r.Name()) != plainName {
				t.Errorf("%s, line %d: %q, %v, up to %d of %s", c, line, got, err, r.End(), r.Name())
			}
			assert.NoError(t, r.Close())
		}
	}
}

func TestWhatCannotBeOpened(t *testing.T) {
	name := plainName.String()
	tests := []struct {
		what   string
		change func(fsys fstest.MapFS)
		is     error
		form   bool
	}{
		{"deleted", func(fsys fstest.MapFS) { delete(fsys, name) }, fs.ErrNotExist, false},
		{"a link", func(fsys fstest.MapFS) { fsys[name].Mode = fs.ModeSymlink | 0o777 }, rootfs.ErrNotRegular, true},
		{"a pipe", func(fsys fstest.MapFS) { fsys[name].Mode = fs.ModeNamedPipe | 0o600 }, rootfs.ErrNotRegular, true},
		{"a directory", func(fsys fstest.MapFS) { delete(fsys, name); fsys[name+"/in"] = &fstest.MapFile{} }, rootfs.ErrNotRegular, true},
		{"damaged", func(fsys fstest.MapFS) {
			delete(fsys, name)
			fsys[name+".gz"] = &fstest.MapFile{Data: []byte("no gzip")}
		}, compression.ErrDamaged, true},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			fsys, file := plain(manyLines(3))
			test.change(fsys)
			r, err := logfile.Open(t.Context(), fsys, file, 0)
			assert.ErrorIs(t, err, test.is, r)
			assert.Equal(t, test.form, logfile.Malformed(err), r)
			if r, err := logfile.OpenBackward(t.Context(), fsys, file); err == nil {
				t.Errorf("%v can be read from its end", r)
			}
		})
	}
}

// A file that decompresses to more than there is memory for costs no more than its longest
// line may have.
func TestACompressionBomb(t *testing.T) {
	fsys, file := plain(make([]byte, 4*segline.MaxBytes))
	compress(t, fsys, compression.Zstd)
	r, err := logfile.Open(t.Context(), fsys, file, 0)
	require.NoError(t, err)
	defer r.Close()
	_, err = r.Next()
	assert.ErrorIs(t, err, segline.ErrTooLong)
	assert.True(t, logfile.Malformed(err))
}

func TestReadingEndsWithItsContext(t *testing.T) {
	fsys, file := plain(manyLines(10_000))
	ctx, cancel := context.WithCancel(t.Context())
	r, err := logfile.Open(ctx, fsys, file, 0)
	require.NoError(t, err)
	defer r.Close()
	back, err := logfile.OpenBackward(ctx, fsys, file)
	require.NoError(t, err)
	defer back.Close()
	_, err = r.Next()
	_, _, backErr := back.Previous()
	require.NoError(t, errors.Join(err, backErr))
	cancel()
	for err == nil {
		_, err = r.Next()
	}
	for backErr == nil {
		_, _, backErr = back.Previous()
	}
	for _, err := range []error{err, backErr} {
		assert.ErrorIs(t, err, context.Canceled)
		assert.False(t, logfile.Malformed(err))
	}
}

// counted is a directory that counts what is asked of it.
type counted struct {
	fstest.MapFS
	looks, reads *int
}

func (c counted) Lstat(name string) (fs.FileInfo, error) {
	*c.looks++
	return c.MapFS.Lstat(name)
}

func (c counted) Open(name string) (fs.File, error) {
	*c.looks++
	f, err := c.MapFS.Open(name)
	return countedFile{f, c}, err
}

// countedFile cannot seek, as those of some remote directories.
type countedFile struct {
	fs.File
	c counted
}

func (f countedFile) Read(p []byte) (int, error) {
	*f.c.reads++
	return f.File.Read(p)
}

func (f countedFile) Stat() (fs.FileInfo, error) {
	*f.c.looks++
	return f.File.Stat()
}

func TestReadingIsFewLargeReads(t *testing.T) {
	fsys, file := plain(manyLines(20_000))
	c := counted{fsys, new(int), new(int)}
	r, err := logfile.Open(t.Context(), c, file, 1)
	require.NoError(t, err)
	defer r.Close()
	for err == nil {
		_, err = r.Next()
	}
	if most := int(file.Size/(128<<10)) + 10; err != io.EOF || *c.looks > 3 || *c.reads > most {
		t.Errorf("%v: %d looks at the file, and %d reads for its %d bytes, more than %d", err, *c.looks, *c.reads, file.Size, most)
	}
	_, err = logfile.OpenBackward(t.Context(), c, file)
	assert.ErrorIs(t, err, errors.ErrUnsupported, "a file that cannot be read from its end")
}

func TestRetry(t *testing.T) {
	for _, test := range []struct {
		fails, calls int
		err          error
	}{{0, 1, nil}, {2, 3, nil}, {9, 5, fs.ErrNotExist}} {
		calls := 0
		err := logfile.Retry(t.Context(), func() error {
			if calls++; calls <= test.fails {
				return &fs.PathError{Op: "open", Path: "audit", Err: fs.ErrNotExist}
			}
			return nil
		})
		assert.ErrorIs(t, err, test.err, "%+v", test)
		assert.Equal(t, test.calls, calls, "%+v", test)
	}
	other, calls := errors.New("other"), 0
	if err := logfile.Retry(t.Context(), func() error { calls++; return other }); err != other || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, logfile.Retry(ctx, func() error { return fs.ErrNotExist }), context.Canceled)
}
