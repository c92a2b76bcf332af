// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// ErrForeign: the file was compressed by something else than the exporter, in a way that is not
// read here. What it holds is not known.
var ErrForeign = errors.New("compressed by something else than the exporter, in a way that is not read here")

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

// Foreign is the compression of a segment that a compressor has been used on which this format
// does not have.
const Foreign Compression = "foreign"

// ParseForeignName parses the name of a segment with the suffix of such a compressor.
func ParseForeignName(s string) (Name, error) {
	for _, f := range foreign[2:] {
		if cut, ok := strings.CutSuffix(s, f.suffix); ok {
			n, err := ParseName(cut)
			if err == nil && n.Compression != None {
				err = fmt.Errorf("%q is compressed twice", s)
			}
			n.Compression = Foreign
			return n, err
		}
	}
	return Name{}, fmt.Errorf("%q does not end like a compressed file", s)
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

// ForeignReader reads a segment whatever way gzip or zstd were used on it, as long as that takes
// no more memory than [Open] does.
type ForeignReader struct {
	*Reader
	how func() string
}

// Foreign says in what the file is not of the form that the format demands, or "". It is known
// when the file has been read to its end.
func (r *ForeignReader) Foreign() string { return r.how() }

// OpenForeign is [Open] for those who tell a segment that somebody has compressed by hand from
// one that was changed. The error is an [ErrForeign] if another compressor was used, or if
// reading needs a larger window than the format allows, or a dictionary.
func OpenForeign(fsys fs.FS, name string, size int64) (*ForeignReader, error) {
	parsed, err := ParseName(name)
	if err == nil && parsed.Compression == None {
		r, err := OpenAt(fsys, name, 0, size)
		if err != nil {
			return nil, err
		}
		return &ForeignReader{r, func() string { return "" }}, nil
	}
	if err != nil {
		if parsed, err = ParseForeignName(name); err != nil {
			return nil, err
		}
	}
	file, err := OpenRegular(fsys, name)
	if err != nil {
		return nil, err
	}
	src, how, err := decompressForeign(file, parsed.Compression)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return &ForeignReader{&Reader{name: name, file: file, src: src}, how}, nil
}

// decompressForeign returns a reader of what src holds. how is what [ForeignReader.Foreign] says.
func decompressForeign(src io.Reader, named Compression) (content io.ReadCloser, how func() string, err error) {
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
		return nil, nil, fmt.Errorf("%w: it does not begin as its name ends", ErrBadCompression)
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
			return nil, nil, fmt.Errorf("%w: %w", ErrBadCompression, err)
		}
		read := func(p []byte) (int, error) {
			n, err := dec.Read(p)
			return n, foreignZstd(err)
		}
		return &formChecked{read: read, close: func() error { dec.Close(); return nil }}, func() string { return watch.departs }, nil
	}
	return nil, nil, fmt.Errorf("%w: not a %s file", ErrBadCompression, named)
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
		return fmt.Errorf("%w: not a gzip member", ErrBadCompression)
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
		return fmt.Errorf("%w: %w", ErrBadCompression, err)
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
