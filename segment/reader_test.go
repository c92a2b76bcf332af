// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

const plainName = "audit-00000000000000000000-20261123T101500Z.jsonl"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func compressed(t testing.TB, content string, c compression.Method) []byte {
	t.Helper()
	if c == compression.None {
		return []byte(content)
	}
	var buf bytes.Buffer
	w, err := compression.NewWriter(&buf, c)
	require.NoError(t, err)
	_, err = io.WriteString(w, content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return buf.Bytes()
}

// readAll returns the lines of a stored segment and the error that ended them.
func readAll(stored []byte, c compression.Method) (lines []string, err error) {
	name := plainName + c.Suffix()
	r, err := segment.Open(fstest.MapFS{name: {Data: stored}}, name, -1)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for {
		line, err := r.Next()
		if err == io.EOF {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
		lines = append(lines, string(line))
	}
}

var compressions = []compression.Method{compression.None, compression.Zstd, compression.Gzip}

func TestReaderReadsLines(t *testing.T) {
	long := strings.Repeat("x", 3<<20)
	for _, c := range compressions {
		for _, want := range [][]string{{"a"}, {"", ""}, {"a", "bc", long, "d"}} {
			got, err := readAll(compressed(t, strings.Join(want, "\n")+"\n", c), c)
			require.NoError(t, err, c)
			require.Len(t, got, len(want), c)
			for i := range want {
				assert.Equal(t, want[i], got[i], "%s: line %d differs", c, i+1)
			}
		}
	}
}

func TestReaderPositions(t *testing.T) {
	r := segment.NewReader(strings.NewReader("ab\n\ncdef\n"), "x")
	for i, want := range []int64{3, 4, 9} {
		_, err := r.Next()
		require.NoError(t, err)
		if r.Line() != i+1 || r.End() != want {
			t.Errorf("line %d up to %d, want line %d up to %d", r.Line(), r.End(), i+1, want)
		}
	}
}

// Lines of any length are read whole, however the source hands them out.
func TestReaderLinesOfAnyLength(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var content []byte
		var want []string
		for i, n := range rapid.SliceOfN(rapid.OneOf(rapid.IntRange(0, 100), rapid.IntRange(4000, 4200), rapid.IntRange(0, 300_000)), 1, 30).Draw(t, "lengths") {
			want = append(want, strings.Repeat(string(rune('a'+i%26)), n))
			content = append(append(content, want[i]...), '\n')
		}
		src := io.Reader(bytes.NewReader(content))
		if rapid.Bool().Draw(t, "halves") {
			src = iotest.HalfReader(src)
		}
		r := segment.NewReader(src, plainName)
		offset := 0
		for i, w := range want {
			got, err := r.Next()
			require.NoError(t, err, "line %d of %d bytes, at %d: %d bytes, line", i+1, len(w), offset, len(got))
			require.Equal(t, w, string(got), "line %d of %d bytes, at %d: %d bytes, line", i+1, len(w), offset, len(got))
			require.Equal(t, i+1, r.Line(), "line %d of %d bytes, at %d: %d bytes, line", i+1, len(w), offset, len(got))
			require.Equal(t, int64(offset+len(w)+1), r.End(), "line %d of %d bytes, at %d: %d bytes, line", i+1, len(w), offset, len(got))
			offset += len(w) + 1
		}
		if _, err := r.Next(); err != io.EOF {
			t.Fatal(err)
		}
	})
}

func TestReaderPartialLine(t *testing.T) {
	for _, c := range compressions {
		lines, err := readAll(compressed(t, "a\nb", c), c)
		assert.ErrorIs(t, err, segline.ErrPartial, c)
		assert.Len(t, lines, 1, c)
	}
}

func TestReaderStopsAtListedSize(t *testing.T) {
	r, err := segment.Open(fstest.MapFS{plainName: {Data: []byte("a\nb\nc\n")}}, plainName, 4)
	require.NoError(t, err)
	defer r.Close()
	n := 0
	for ; ; n++ {
		if _, err := r.Next(); err != nil {
			break
		}
	}
	assert.Equal(t, 2, n, "lines within the first 4 bytes, want 2")
}

func TestReaderLineTooLong(t *testing.T) {
	for _, n := range []int{segline.MaxBytes, segline.MaxBytes + 1} {
		lines, err := readAll(compressed(t, "a\n"+strings.Repeat("x", n)+"\nb\n", compression.Zstd), compression.Zstd)
		if n == segline.MaxBytes {
			assert.NoError(t, err, "the longest line allowed")
			assert.Len(t, lines, 3, "the longest line allowed")
		} else if !errors.Is(err, segline.ErrTooLong) {
			t.Errorf("one byte more: %d lines, %v", len(lines), err)
		}
	}
}

// counted counts what is read of it.
type counted struct {
	io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

// Where only a header is wanted, no line is read that is far longer than one.
func TestReaderNextHeader(t *testing.T) {
	for _, n := range []int{100, 64 << 10, 64<<10 + 1, 8 << 20} {
		src := &counted{Reader: strings.NewReader(strings.Repeat("x", n) + "\nsecond\n")}
		r := segment.NewReader(src, plainName)
		line, err := r.NextHeader()
		if n <= 64<<10 {
			require.NoError(t, err)
			assert.Len(t, line, n)
			line, err = r.Next()
			require.NoError(t, err)
			assert.Equal(t, "second", string(line))
			continue
		}
		assert.ErrorContains(t, err, "line 1: the line has more than the 65536 bytes that a header may have")
		assert.LessOrEqual(t, src.n, 512<<10)
	}
}

// Nothing may hide behind the content of a compressed file, nor in parts of it
// that decoders pass over.
func TestCompressedFormIsExact(t *testing.T) {
	zst, gz := compressed(t, "a\nb\n", compression.Zstd), compressed(t, "a\nb\n", compression.Gzip)
	skippable := []byte{0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 'x'}
	for name, tt := range map[string]struct {
		stored []byte
		c      compression.Method
		want   error
	}{
		"zstd: second frame":         {append(bytes.Clone(zst), zst...), compression.Zstd, compression.ErrTrailingData},
		"zstd: skippable frame":      {append(bytes.Clone(zst), skippable...), compression.Zstd, compression.ErrTrailingData},
		"zstd: skippable at front":   {append(bytes.Clone(skippable), zst...), compression.Zstd, compression.ErrDamaged},
		"zstd: trailing byte":        {append(bytes.Clone(zst), 0), compression.Zstd, compression.ErrTrailingData},
		"zstd: cut":                  {zst[:len(zst)-1], compression.Zstd, compression.ErrDamaged},
		"zstd: empty":                {nil, compression.Zstd, compression.ErrDamaged},
		"zstd: plain":                {[]byte("a\nb\n"), compression.Zstd, compression.ErrDamaged},
		"zstd: checksum off":         {flip(zst, 4, 0b100), compression.Zstd, compression.ErrDamaged},
		"gzip: second member":        {append(bytes.Clone(gz), gz...), compression.Gzip, compression.ErrTrailingData},
		"gzip: trailing byte":        {append(bytes.Clone(gz), 0), compression.Gzip, compression.ErrTrailingData},
		"gzip: cut":                  {gz[:len(gz)-1], compression.Gzip, compression.ErrDamaged},
		"gzip: empty":                {nil, compression.Gzip, compression.ErrDamaged},
		"gzip: optional fields":      {flip(gz, 3, 8), compression.Gzip, compression.ErrDamaged},
		"gzip: wrong check sum":      {flip(gz, len(gz)-5, 1), compression.Gzip, compression.ErrDamaged},
		"zstd stored as a gzip file": {zst, compression.Gzip, compression.ErrDamaged},
	} {
		lines, err := readAll(tt.stored, tt.c)
		assert.ErrorIs(t, err, tt.want, "%s: %q", name, lines)
	}
}

func flip(b []byte, at int, bits byte) []byte {
	b = bytes.Clone(b)
	b[at] ^= bits
	return b
}

// Changing any one byte of a compressed file is an error, or has no meaning.
func TestCompressedByteMutations(t *testing.T) {
	content := strings.Repeat(`{"event":{"a":1}}`+"\n", 50)
	want := strings.Split(strings.TrimSuffix(content, "\n"), "\n")
	for _, c := range []compression.Method{compression.Zstd, compression.Gzip} {
		stored := compressed(t, content, c)
		for at := range stored {
			for _, bits := range []byte{1, 0x80, 0xff} {
				got, err := readAll(flip(stored, at, bits), c)
				if err == nil && strings.Join(got, "\n") != strings.Join(want, "\n") {
					t.Errorf("%s: byte %d xor %#x gives other content and no error", c, at, bits)
				}
			}
		}
	}
}

func TestOpenRefusesOtherThanRegularFiles(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	require.NoError(t, os.WriteFile(target, []byte("a\n"), 0o600))
	at := filepath.Join(dir, plainName)
	for name, make := range map[string]func() error{
		"symbolic link": func() error { return os.Symlink(target, at) },
		"pipe":          func() error { return syscall.Mkfifo(at, 0o600) },
		"directory":     func() error { return os.Mkdir(at, 0o700) },
	} {
		require.NoError(t, make())
		_, err := segment.Open(os.DirFS(dir), plainName, -1)
		assert.ErrorIs(t, err, rootfs.ErrNotRegular, name)
		require.NoError(t, os.Remove(at))
	}
}

func TestList(t *testing.T) {
	fsys := fstest.MapFS{}
	for _, name := range []string{
		"audit-00000000000000000010-20261123T101500Z.jsonl.zst", "audit-00000000000000000010-20261123T101500Z.jsonl",
		"audit-00000000000000000002-20271123T101500Z.jsonl", plainName, "checkpoint", ".lock",
		sidefile.TornName(3, [32]byte{}), "checkpoint.tmp", "notes.txt",
	} {
		fsys[name] = &fstest.MapFile{Data: []byte("x")}
	}
	l, err := segment.List(fsys)
	require.NoError(t, err)
	var got []string
	for _, s := range l.Segments {
		got = append(got, s.Name)
	}
	want := []string{plainName, "audit-00000000000000000002-20271123T101500Z.jsonl", "audit-00000000000000000010-20261123T101500Z.jsonl", "audit-00000000000000000010-20261123T101500Z.jsonl.zst"}
	assert.Equal(t, strings.Join(want, " "), strings.Join(got, " "), "segments %q, want %q", got, want)
	if !l.Checkpoint || len(l.Torn) != 1 || len(l.Temporary) != 1 || len(l.Unknown) != 1 || l.Unknown[0] != "notes.txt" {
		t.Errorf("%+v", l)
	}
}

func FuzzReader(f *testing.F) {
	for _, c := range compressions {
		f.Add(compressed(f, "a\nb\n", c), string(c))
	}
	f.Fuzz(func(t *testing.T, stored []byte, method string) {
		c := compression.Method(method)
		if !c.Valid() {
			return
		}
		lines, err := readAll(stored, c)
		if err == nil && c == compression.None && strings.Join(lines, "\n") != strings.TrimSuffix(string(stored), "\n") {
			t.Errorf("%q reads as %q", stored, lines)
		}
	})
}
