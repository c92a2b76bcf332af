// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package compression

import (
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// NewWriter returns a writer that compresses what is written to it into dst in the one form
// that readers of this format accept: for zstd a single frame with a content checksum, for gzip
// a single member without optional fields. Close completes the form; it does not close dst.
// After Close, or after an error, the writer is not used any more.
func NewWriter(dst io.Writer, m Method) (io.WriteCloser, error) {
	switch m {
	case Zstd:
		enc, err := encoder()
		if err != nil {
			return nil, err
		}
		enc.Reset(dst)
		return &zstdWriter{enc}, nil
	case Gzip:
		return gzip.NewWriter(dst), nil
	default:
		return nil, fmt.Errorf("no compressor for compression %q", m)
	}
}

// encoders are encoders at rest: making one allocates and clears the tables of its window.
var encoders sync.Pool

func encoder() (*zstd.Encoder, error) {
	if enc, ok := encoders.Get().(*zstd.Encoder); ok {
		return enc, nil
	}
	return zstd.NewWriter(nil, zstd.WithEncoderCRC(true), zstd.WithWindowSize(maxWindow/2), zstd.WithEncoderConcurrency(1))
}

// zstdWriter gives its encoder back once it has completed a frame. One that has failed, or was
// left, goes with it.
type zstdWriter struct{ enc *zstd.Encoder }

func (w *zstdWriter) Write(p []byte) (int, error) {
	if w.enc == nil {
		return 0, zstd.ErrEncoderClosed
	}
	return w.enc.Write(p)
}

func (w *zstdWriter) Close() error {
	if w.enc == nil {
		return nil
	}
	enc := w.enc
	w.enc = nil
	if err := enc.Close(); err != nil {
		return err
	}
	enc.Reset(nil) // let go of dst
	encoders.Put(enc)
	return nil
}
