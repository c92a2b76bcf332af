// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package compression

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// foreign are compressors that people use on their files, and how these begin. Gzip and zstd are
// read here.
var foreign = []struct{ suffix, magic, undo string }{
	{".gz", "\x1f\x8b", "gzip -d"},
	{".zst", "\x28\xb5\x2f\xfd", "zstd -d --rm --long=31"},
	{".xz", "\xfd7zXZ\x00", "xz -d"},
	{".bz2", "BZh", "bzip2 -d"},
	{".lz4", "\x04\x22\x4d\x18", "lz4 -d --rm"},
	{".lz", "LZIP", "lzip -d"},
	{".Z", "\x1f\x9d", "uncompress"},
	{".zip", "PK\x03\x04", "unzip"},
	{".7z", "7z\xbc\xaf\x27\x1c", "7z x"},
}

// Foreign stands for the compressors that this format does not have.
const Foreign Method = "foreign"

// CutForeignSuffix cuts the suffix of such a compressor, and reports whether there is one.
func CutForeignSuffix(name string) (stem string, ok bool) {
	for _, f := range foreign[2:] {
		if stem, ok := strings.CutSuffix(name, f.suffix); ok {
			return stem, true
		}
	}
	return name, false
}

// HowToDecompress is what to do with a file that the exporter has not compressed.
func HowToDecompress(name string) string {
	for _, f := range foreign {
		if strings.HasSuffix(name, f.suffix) {
			return fmt.Sprintf("Decompress it (%s %s) and verify again", f.undo, name)
		}
	}
	return fmt.Sprintf("Decompress %s and verify again", name)
}

// NewForeignReader returns a reader of what src holds, whatever way gzip or zstd were used on
// it, as long as that takes no more memory than [NewReader] does; named is what its name says.
// The error is an [ErrForeign] if another compressor was used, or if reading needs a larger
// window than the format allows, or a dictionary. how says in what src is not of the form that
// the format demands, or ""; that is known at its end.
func NewForeignReader(src io.Reader, named Method) (content io.ReadCloser, how func() string, err error) {
	in := bufio.NewReaderSize(src, 64<<10)
	head, err := in.Peek(6)
	if err != nil && err != io.EOF {
		return nil, nil, err
	}
	is := None
	if len(head) >= 4 && head[0]&0xf0 == 0x50 && string(head[1:4]) == "\x2a\x4d\x18" {
		is = Zstd // a skippable frame
	}
	for i, f := range foreign {
		switch {
		case !bytes.HasPrefix(head, []byte(f.magic)):
		case i == 0:
			is = Gzip
		case i == 1:
			is = Zstd
		default:
			return nil, nil, ErrForeign
		}
	}
	if named == Foreign {
		return nil, nil, fmt.Errorf("%w: it does not begin as its name ends", ErrDamaged)
	}
	departs := ""
	if is != named {
		departs = fmt.Sprintf("it is a %s file", is)
	}
	switch is {
	case Gzip:
		g := &gzipMembers{in: in, departs: departs}
		if err := g.next(); err != nil {
			return nil, nil, err
		}
		return &formChecked{read: g.Read, close: g.close}, func() string { return g.departs }, nil
	case Zstd:
		watch := &zstdWatch{src: in, departs: departs}
		dec, err := zstd.NewReader(watch, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(maxWindow), zstd.WithDecoderConcurrency(2))
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		read := func(p []byte) (int, error) {
			n, err := dec.Read(p)
			return n, foreignZstd(err)
		}
		return &formChecked{read: read, close: func() error { dec.Close(); return nil }}, func() string { return watch.departs }, nil
	}
	return nil, nil, fmt.Errorf("%w: not a %s file", ErrDamaged, named)
}

// foreignZstd tells what only another decoder can read from what is damaged.
func foreignZstd(err error) error {
	switch {
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return fmt.Errorf("%w: its window is larger than %d MiB", ErrForeign, maxWindow>>20)
	case errors.Is(err, zstd.ErrUnknownDictionary):
		return fmt.Errorf("%w: it needs a dictionary (zstd -d -D DICTIONARY)", ErrForeign)
	default:
		return err
	}
}

// zstdWatch passes on what the decoder reads, and notes whether it is exactly one frame as the
// format demands. What is wrong with the frames is the decoder's to say.
type zstdWatch struct {
	src     io.Reader
	frame   zstdFrame
	departs string
}

func (w *zstdWatch) Read(p []byte) (int, error) {
	n, err := w.src.Read(p)
	if w.departs == "" {
		if werr := w.frame.walk(p[:n]); werr != nil {
			w.departs = "it is not one zstd frame with a checksum"
		}
	}
	return n, err
}

// gzipMembers reads gzip members (RFC 1952, section 2.3), one after another.
type gzipMembers struct {
	in      *bufio.Reader
	gz      *gzip.Reader
	members int
	departs string
}

// next begins a member.
func (g *gzipMembers) next() error {
	head, err := g.in.Peek(4)
	switch {
	case err != nil && err != io.EOF:
		return err
	case len(head) < 4 || head[0] != 0x1f || head[1] != 0x8b || head[2] != 8 || head[3]&0b1110_0000 != 0:
		return fmt.Errorf("%w: not a gzip member", ErrDamaged)
	case head[3] != 0:
		g.departs = "its gzip member has optional fields, such as a file name"
	case g.members > 0:
		g.departs = "it is several gzip members"
	}
	g.members++
	if g.gz == nil {
		g.gz, err = gzip.NewReader(g.in)
	} else {
		err = g.gz.Reset(g.in)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	g.gz.Multistream(false)
	return nil
}

// Read returns nothing only at the end: of members that hold nothing there may be any number.
func (g *gzipMembers) Read(p []byte) (int, error) {
	for {
		n, err := g.gz.Read(p)
		if err != io.EOF {
			return n, err
		}
		if _, err := g.in.Peek(1); err != nil {
			return n, err
		}
		if err := g.next(); err != nil {
			return n, fmt.Errorf("%w: %w", ErrTrailingData, err)
		}
		if n > 0 {
			return n, nil
		}
	}
}

func (g *gzipMembers) close() error { return g.gz.Close() }
