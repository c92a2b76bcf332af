// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package compression

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds what decoding a hostile file can make a reader allocate.
const maxWindow = 8 << 20

// What is wrong with compressed content.
var (
	// ErrTrailingData: something follows the compressed content.
	ErrTrailingData = errors.New("there are bytes behind the end of the compressed content")
	// ErrDamaged: it is not complete, or not of the form this format allows.
	ErrDamaged = errors.New("the compressed content is damaged or not of the form this format allows")
	// ErrForeign: it was compressed by something else than the exporter, in a way that is not
	// read here. What it holds is not known.
	ErrForeign = errors.New("compressed by something else than the exporter, in a way that is not read here")
)

// NewReader returns a reader of the content that src holds in compressed
// form. It fails on anything but what [NewWriter] writes, complete and with
// nothing behind it. It bounds memory, not the amount of content.
func NewReader(src io.Reader, m Method) (io.ReadCloser, error) {
	switch m {
	case Zstd:
		dec, err := zstd.NewReader(&zstdFrame{src: src}, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(maxWindow), zstd.WithDecoderConcurrency(2))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return &formChecked{read: dec.Read, close: func() error { dec.Close(); return nil }}, nil
	case Gzip:
		return newGzipMember(src)
	default:
		return io.NopCloser(src), nil
	}
}

// formChecked names damage as such, whatever the decoder calls it.
type formChecked struct {
	read  func([]byte) (int, error)
	close func() error
}

func (f *formChecked) Read(p []byte) (int, error) {
	n, err := f.read(p)
	if err != nil && err != io.EOF && !errors.Is(err, ErrTrailingData) && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrForeign) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return n, err
}

func (f *formChecked) Close() error { return f.close() }

// newGzipMember reads exactly one gzip member (RFC 1952, section 2.3), without
// optional fields, which nothing would protect.
func newGzipMember(src io.Reader) (io.ReadCloser, error) {
	in := bufio.NewReaderSize(src, 64<<10)
	head, err := in.Peek(4)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if head[0] != 0x1f || head[1] != 0x8b || head[2] != 8 || head[3] != 0 {
		return nil, fmt.Errorf("%w: not a gzip member without optional fields", ErrDamaged)
	}
	gz, err := gzip.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	gz.Multistream(false)
	read := func(p []byte) (int, error) {
		n, err := gz.Read(p)
		if err == io.EOF {
			if _, perr := in.Peek(1); perr == nil {
				return n, ErrTrailingData
			} else if perr != io.EOF {
				return n, perr
			}
		}
		return n, err
	}
	return &formChecked{read: read, close: gz.Close}, nil
}

// zstdFrame passes through exactly one zstd frame (RFC 8878, section 3.1.1) and
// fails on anything else: skippable frames, further frames and trailing bytes,
// which decoders pass over without a word, are places where changes would go
// unseen. It walks the frame's outer structure as the bytes come by.
type zstdFrame struct {
	src   io.Reader
	state zstdState
	need  int // bytes still to come of the present field
	field [18]byte
	have  int
	skip  int64 // bytes of block content still to come
	last  bool
	err   error
}

type zstdState uint8

const (
	zstdStart zstdState = iota // magic number and frame header descriptor
	zstdHeader
	zstdBlock
	zstdContent
	zstdChecksum
	zstdEnd
)

func (z *zstdFrame) Read(p []byte) (int, error) {
	if z.err != nil {
		return 0, z.err
	}
	n, err := z.src.Read(p)
	if werr := z.walk(p[:n]); werr != nil {
		z.err = werr
		return 0, werr
	}
	if err == io.EOF && z.state != zstdEnd {
		err = fmt.Errorf("%w: it ends within the frame", ErrDamaged)
	}
	z.err = err
	return n, err
}

func (z *zstdFrame) walk(p []byte) error {
	for len(p) > 0 {
		switch z.state {
		case zstdEnd:
			return ErrTrailingData
		case zstdContent:
			n := min(z.skip, int64(len(p)))
			z.skip -= n
			p = p[n:]
			if z.skip == 0 {
				z.expect(zstdBlock, 3)
				if z.last {
					z.expect(zstdChecksum, 4)
				}
			}
		default:
			if z.state == zstdStart && z.need == 0 {
				z.need = 5
			}
			n := copy(z.field[z.have:z.need], p)
			z.have += n
			p = p[n:]
			if z.have == z.need {
				if err := z.complete(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (z *zstdFrame) expect(s zstdState, n int) {
	z.state, z.need, z.have = s, n, 0
}

// complete acts on a field that is there in full.
func (z *zstdFrame) complete() error {
	f := z.field[:]
	switch z.state {
	case zstdStart:
		if f[0] != 0x28 || f[1] != 0xb5 || f[2] != 0x2f || f[3] != 0xfd {
			return fmt.Errorf("%w: not a zstd frame", ErrDamaged)
		}
		descriptor := f[4]
		// Unused and reserved bits clear, content checksum there, no
		// dictionary (RFC 8878, section 3.1.1.1.1).
		if descriptor&0b0001_1111 != 0b0000_0100 {
			return fmt.Errorf("%w: zstd frame descriptor 0x%02x", ErrDamaged, descriptor)
		}
		single := descriptor&0b0010_0000 != 0
		size := [4]int{0, 2, 4, 8}[descriptor>>6]
		if single {
			size = max(size, 1)
		} else {
			size++
		}
		z.expect(zstdHeader, size)
	case zstdHeader:
		z.expect(zstdBlock, 3)
	case zstdBlock:
		head := uint32(f[0]) | uint32(f[1])<<8 | uint32(f[2])<<16
		z.last = head&1 != 0
		z.skip = int64(head >> 3)
		switch head >> 1 & 3 {
		case 1: // RLE: one byte, repeated
			z.skip = 1
		case 3:
			return fmt.Errorf("%w: reserved zstd block type", ErrDamaged)
		}
		switch {
		case z.skip > 0:
			z.state = zstdContent
		case z.last:
			z.expect(zstdChecksum, 4)
		default:
			z.expect(zstdBlock, 3)
		}
	case zstdChecksum:
		z.state = zstdEnd
	}
	return nil
}
