// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

// output is the bytes that a commit appends. What is long is not copied together: it
// stays where it is until it has been written, and must not change until then.
type output struct {
	// buf is what has been copied; of that, what lies before loose is in parts.
	buf   []byte
	loose int
	parts [][]byte
	size  int64 // of all of it
}

// copyBelow is the length, in bytes, below which a copy costs less than a write of its own.
const copyBelow = 16 << 10

// add appends lines, which stay the caller's.
func (o *output) add(lines []byte) {
	if len(lines) < copyBelow {
		o.buf = append(o.buf, lines...)
	} else {
		o.gather()
		o.parts = append(o.parts, lines)
	}
	o.size += int64(len(lines))
}

// gather makes a part of what has been copied since the last one. Should the buffer
// move as it grows, the part keeps the memory that it lies in.
func (o *output) gather() {
	if o.loose < len(o.buf) {
		o.parts = append(o.parts, o.buf[o.loose:])
		o.loose = len(o.buf)
	}
}

// writeTo writes everything to a file, from a place on.
func (o *output) writeTo(f File, at int64) error {
	o.gather()
	for _, part := range o.parts {
		n, err := f.WriteAt(part, at)
		if err != nil {
			return err
		}
		at += int64(n)
	}
	return nil
}

// reset empties it. Its memory is used again, unless it is huge, and nothing of others' is
// kept alive.
func (o *output) reset() {
	clear(o.parts)
	o.parts, o.loose, o.size = o.parts[:0], 0, 0
	if o.buf = o.buf[:0]; cap(o.buf) > maxPooledBytes {
		o.buf = nil
	}
}
