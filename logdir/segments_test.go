// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logdir_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/segname"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

func TestSegments(t *testing.T) {
	l := newLog(t)
	l.commit(1)
	l.rotate()
	l.commit(1)
	l.rotate()
	l.commit(1)
	// The second is being compressed, and somebody has put another file in its place, too.
	plain := l.files[l.names[1].String()]
	l.compress(1, compression.Gzip)
	l.files[l.names[1].String()] = plain
	other := l.names[1]
	other.Created = created.AddDate(1, 0, 0)
	l.files[other.String()] = &fstest.MapFile{Mode: 0o600}
	l.files["unknown"] = &fstest.MapFile{}

	all := l.segments()
	if len(all) != 3 {
		t.Fatalf("%d segments", len(all))
	}
	for i, s := range all {
		if s.Name != l.names[i].String() || s.Begin() != l.names[i].FirstIndex {
			t.Errorf("segment %d: %s begins at leaf %d", i, s.Name, s.Begin())
		}
	}
	others := func(s logdir.Segment) (names []string) {
		for _, f := range s.Others {
			names = append(names, f.Name)
		}
		return names
	}
	if got, want := others(all[1]), []string{l.names[1].String() + ".gz", other.String()}; !slices.Equal(got, want) || len(all[0].Others)+len(all[2].Others) > 0 {
		t.Errorf("%q, not %q", got, want)
	}
}

// A segment is found in whichever form it has by the time that it is opened, and what is read
// is what it held when it was listed.
func TestASegmentThatIsCompressedMeanwhile(t *testing.T) {
	for _, c := range []compression.Method{compression.None, compression.Zstd, compression.Gzip} {
		l := newLog(t)
		l.commit(3)
		s := l.segments()[0]
		want := bytes.Split(bytes.TrimSuffix(l.files[s.Name].Data, []byte("\n")), []byte("\n"))
		l.commit(2)
		if c != compression.None {
			l.compress(0, c)
		}
		if got := linesOf(t, l.files, s); !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("%s: %d lines, not %d", c, len(got), len(want))
		}
		for _, line := range []int{0, 1, 4} {
			offset := int64(0)
			for _, before := range want[:line] {
				offset += int64(len(before)) + 1
			}
			r, err := logdir.OpenAt(t.Context(), l.files, s, offset)
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.Next()
			if !bytes.Equal(got, want[line]) || err != nil || r.End() != offset+int64(len(got))+1 || r.Line() != 1 || segname.Plain(r.Name()) != l.names[0] {
				t.Errorf("%s, line %d: %q, %v, up to %d of %s", c, line, got, err, r.End(), r.Name())
			}
			r.Close()
		}
	}
}

func TestWhatCannotBeOpened(t *testing.T) {
	tests := []struct {
		name   string
		change func(l *made)
		is     error
		form   bool
	}{
		{"deleted", func(l *made) { l.prune(0) }, fs.ErrNotExist, false},
		{"a link", func(l *made) { l.files[l.newest()].Mode = fs.ModeSymlink | 0o777 }, rootfs.ErrNotRegular, true},
		{"a pipe", func(l *made) { l.files[l.newest()].Mode = fs.ModeNamedPipe | 0o600 }, rootfs.ErrNotRegular, true},
		{"a directory", func(l *made) {
			l.files[l.newest()+"/in"] = &fstest.MapFile{}
			delete(l.files, l.newest())
		}, rootfs.ErrNotRegular, true},
		{"damaged", func(l *made) { l.prune(0); l.files[l.newest()+".gz"] = &fstest.MapFile{Data: []byte("no gzip")} }, compression.ErrDamaged, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLog(t)
			l.commit(1)
			s := l.segments()[0]
			test.change(l)
			r, err := logdir.Open(t.Context(), l.files, s)
			if !errors.Is(err, test.is) || logdir.Malformed(err) != test.form {
				t.Errorf("%v, %v", r, err)
			}
		})
	}
}

// A file that decompresses to more than there is memory for costs no more than its longest
// line may have.
func TestACompressionBomb(t *testing.T) {
	l := newLog(t)
	l.files[l.newest()].Data = make([]byte, 4*segline.MaxBytes)
	l.compress(0, compression.Zstd)
	s := l.segments()[0]
	if s.Size > 64<<10 {
		t.Fatalf("%d bytes", s.Size)
	}
	r, err := logdir.Open(t.Context(), l.files, s)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Next(); !errors.Is(err, segline.ErrTooLong) || !logdir.Malformed(err) {
		t.Error(err)
	}
	if _, err := logdir.ReadHead(t.Context(), l.files, s); err == nil || errors.Is(err, segline.ErrPartial) {
		t.Error(err)
	}
}

func TestReadingEndsWithItsContext(t *testing.T) {
	l := newLog(t)
	l.commit(1000)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := logdir.Open(ctx, l.files, l.segments()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	cancel()
	for err == nil {
		_, err = r.Next()
	}
	if !errors.Is(err, context.Canceled) || logdir.Malformed(err) {
		t.Error(err)
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

// countedFile cannot seek, as those of remote directories.
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
	l := newLog(t)
	for range 100 {
		l.commit(100)
	}
	s := l.segments()[0]
	c := counted{l.files, new(int), new(int)}
	r, err := logdir.OpenAt(t.Context(), c, s, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for err == nil {
		_, err = r.Next()
	}
	if most := int(s.Size/(128<<10)) + 10; err != io.EOF || *c.looks > 3 || *c.reads > most {
		t.Errorf("%v: %d looks at the file, and %d reads for its %d bytes, more than %d", err, *c.looks, *c.reads, s.Size, most)
	}
}

func TestRetry(t *testing.T) {
	for _, test := range []struct {
		fails, calls int
		err          error
	}{{0, 1, nil}, {2, 3, nil}, {9, 5, fs.ErrNotExist}} {
		calls := 0
		err := logdir.Retry(t.Context(), func() error {
			if calls++; calls <= test.fails {
				return &fs.PathError{Op: "open", Path: "audit", Err: fs.ErrNotExist}
			}
			return nil
		})
		if !errors.Is(err, test.err) || calls != test.calls {
			t.Errorf("%+v: %v after %d calls", test, err, calls)
		}
	}
	other, calls := errors.New("other"), 0
	if err := logdir.Retry(t.Context(), func() error { calls++; return other }); err != other || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := logdir.Retry(ctx, func() error { return fs.ErrNotExist }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestReadHead(t *testing.T) {
	l := newLog(t)
	l.event("opened")
	l.event("rotated")
	l.event("beyond the head")
	l.commit(1)
	s := l.segments()[0]
	lines := bytes.Split(l.files[s.Name].Data, []byte("\n"))
	whole := l.files[s.Name].Data

	h, err := logdir.ReadHead(t.Context(), l.files, s)
	if err != nil || h.Header.Log != logID || h.Header.Origin != origin || h.Leaf != merkle.LeafHash(lines[0]) || len(h.Says) != logevent.HeadLines-1 {
		t.Errorf("%+v, %v", h, err)
	}
	if said, ok := h.Said(logevent.Rotated); !ok || said.Action != logevent.Rotated {
		t.Errorf("%+v, %v", said, ok)
	}
	if _, ok := h.Said(logevent.KeyChanged); ok {
		t.Error("it says something that it does not")
	}
	malformed := errors.New("malformed")
	tests := []struct {
		name    string
		content []byte
		events  int
		is      error
	}{
		{"empty", nil, 0, segline.ErrPartial},
		{"half a header", lines[0][:20], 0, segline.ErrPartial},
		{"a header", append(bytes.Clone(lines[0]), '\n'), 0, nil},
		{"half an event", whole[:len(lines[0])+20], 0, nil},
		{"an event", append(bytes.Join(lines[:2], []byte("\n")), '\n'), 1, nil},
		{"a checkpoint", append(bytes.Join([][]byte{lines[0], lines[len(lines)-2]}, []byte("\n")), '\n'), 0, nil},
		{"another header", []byte("{\"segment\":{}}\n"), 0, malformed},
		{"newer", append(bytes.Replace(lines[0], []byte("auditlog/v1"), []byte("auditlog/v2"), 1), '\n'), 0, segment.ErrNewer},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l.files[s.Name].Data = test.content
			h, err := logdir.ReadHead(t.Context(), l.files, s)
			var line *logdir.LineError
			if errors.As(err, &line) && test.is == malformed {
				test.is = line.Err
			}
			if !errors.Is(err, test.is) || len(h.Says) != test.events {
				t.Errorf("%+v, %v", h, err)
			}
			if known := test.is == nil || test.is == segment.ErrNewer; (h.Header.Log == logID) != known {
				t.Errorf("%+v", h.Header)
			}
		})
	}
	l.prune(0)
	if _, err := logdir.ReadHead(t.Context(), l.files, s); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
