// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"io"
	"math"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
)

// measure finds out how much a segment takes as the log would store it. Nothing that is
// signed says so, and the size of the file is for anybody to choose who can write it anew:
// the same lines, uncompressed or badly compressed, would push others out.
type measure struct {
	out   io.WriteCloser // nil if nothing is measured
	bytes int64
}

// newMeasure returns a measure for a segment that is stored in some form. It costs the
// compression of each segment, so it measures only where sizes decide.
func newMeasure(o *Options, c compression.Method) (*measure, error) {
	if c == compression.None {
		c = o.Compression // which it is about to get
	}
	m := &measure{}
	if c == compression.None || o.Retention.MaxTotalBytes == 0 {
		return m, nil
	}
	var err error
	m.out, err = compression.NewWriter(m, c)
	return m, err
}

// Write counts what has been compressed.
func (m *measure) Write(p []byte) (int, error) {
	m.bytes += int64(len(p))
	return len(p), nil
}

// watch returns a reader of the same content, which is measured as it is read.
func (m *measure) watch(content io.Reader) io.Reader {
	if m.out == nil {
		return content
	}
	return io.TeeReader(content, m.out)
}

// size returns what all that was read takes, or more than anything if it is not measured.
func (m *measure) size() (int64, error) {
	if m.out == nil {
		return math.MaxInt64, nil
	}
	err := m.close()
	return m.bytes, err
}

// close frees what the measure holds.
func (m *measure) close() error {
	out := m.out
	if out == nil {
		return nil
	}
	m.out = nil
	return out.Close()
}
