// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/otel-auditlog/auditlogexporter/receipt"
	"github.com/otel-auditlog/auditlogexporter/rotation"
)

const (
	namePrefix  = "receipts-"
	nameSuffix  = ".jsonl"
	indexDigits = 20

	// bufferBytes is how many bytes of receipts are written at once.
	bufferBytes = 256 << 10
)

// nameOf names a file whose first receipt is for this leaf or a later one.
func nameOf(index uint64) string {
	return fmt.Sprintf("%s%0*d%s", namePrefix, indexDigits, index, nameSuffix)
}

func indexOf(name string) (index uint64, ok bool) {
	digits := strings.TrimSuffix(strings.TrimPrefix(name, namePrefix), nameSuffix)
	index, err := strconv.ParseUint(digits, 10, 64)
	return index, err == nil && nameOf(index) == name
}

// outbox is the files of receipts. A file is synced before the next is begun, so a power
// cut leaves holes in the newest one only; what is lost there is written again. After an
// error it must be opened anew: only the files tell what has been written.
type outbox struct {
	dir      rotation.FS
	maxBytes int64
	maxFiles int
	reserve  uint64

	name    string // of the newest file
	file    rotation.File
	size    int64  // of what is good in it
	buf     []byte // what is to follow that
	lines   int64  // in buf
	written int64  // receipts so far
	next    uint64 // events from here on have no receipt in files and buf
}

// open opens the newest file, or begins one, and returns the newest receipt, nil if
// there is none in that file. Without a file, events from begin on are to have receipts.
func (o *outbox) open(begin uint64) (newest *receipt.Receipt, err error) {
	names, err := o.names()
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, o.begin(begin)
	}
	o.name = names[len(names)-1]
	o.next, _ = indexOf(o.name)
	if o.file, err = o.dir.Edit(o.name); err != nil {
		return nil, fmt.Errorf("go on with the receipts: %w", err)
	}
	o.file.Forget() // what the disk has not got does not count
	if newest, err = o.recover(); err != nil {
		return nil, fmt.Errorf("go on with the receipts in %s: %w", o.name, err)
	}
	if newest != nil {
		o.next = newest.Index + 1
	}
	return newest, nil
}

// names returns the names of the files of receipts, the oldest first.
func (o *outbox) names() (names []string, _ error) {
	entries, err := o.dir.ReadDir(".")
	if err != nil {
		return nil, fmt.Errorf("list the receipts: %w", err)
	}
	for _, e := range entries {
		if _, ok := indexOf(e.Name()); ok {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// recover cuts off what a crash has left of the file's end, and returns the last receipt.
func (o *outbox) recover() (newest *receipt.Receipt, err error) {
	info, err := o.file.Stat()
	if err != nil {
		return nil, err
	}
	if o.size, err = wholeLines(io.NewSectionReader(o.file, 0, info.Size())); err != nil {
		return nil, err
	}
	for o.size > 0 && newest == nil {
		start := max(0, o.size-receipt.MaxBytes-1)
		tail := make([]byte, o.size-start)
		if _, err := o.file.ReadAt(tail, start); err != nil {
			return nil, err
		}
		tail = tail[:len(tail)-1]
		line := tail[bytes.LastIndexByte(tail, '\n')+1:]
		if newest, err = receipt.Parse(line); err != nil {
			o.size -= int64(len(line)) + 1
		}
	}
	if o.size < info.Size() {
		if err := o.file.Truncate(o.size); err != nil {
			return nil, err
		}
	}
	return newest, nil
}

// wholeLines returns how many bytes at the beginning are lines that look like receipts.
func wholeLines(r io.Reader) (good int64, _ error) {
	var rest []byte
	chunk := make([]byte, bufferBytes)
	for {
		n, err := r.Read(chunk)
		rest = append(rest, chunk[:n]...)
		for {
			i := bytes.IndexByte(rest, '\n')
			if i < 0 {
				break
			}
			if line := rest[:i]; !receipt.IsLine(line) || line[i-1] != '}' || bytes.IndexByte(line, 0) >= 0 || i > receipt.MaxBytes {
				return good, nil
			}
			good += int64(i) + 1
			rest = rest[i+1:]
		}
		if err == io.EOF || err == nil && len(rest) > receipt.MaxBytes {
			return good, nil
		}
		if err != nil {
			return good, err
		}
	}
}

// begin begins a file for the receipts from an index on.
func (o *outbox) begin(index uint64) error {
	if o.file != nil {
		if err := o.file.Sync(); err != nil {
			return fmt.Errorf("finish the receipts in %s: %w", o.name, err)
		}
	}
	name := nameOf(index)
	file, err := o.dir.Create(name)
	if errors.Is(err, fs.ErrExist) {
		// What was begun in vain before, and holds nothing.
		file, err = o.dir.Edit(name)
		if err == nil {
			err = file.Truncate(0)
		}
	}
	if err == nil {
		err = o.dir.Sync()
	}
	if err != nil {
		return fmt.Errorf("begin a file of receipts: %w", err)
	}
	if o.file != nil {
		err = o.file.Close()
	}
	o.name, o.file, o.size, o.next = name, file, 0, max(o.next, index)
	return errors.Join(err, o.prune())
}

// prune deletes the oldest files.
func (o *outbox) prune() error {
	if o.maxFiles == 0 {
		return nil
	}
	names, err := o.names()
	if err != nil {
		return err
	}
	for _, name := range names[:max(0, len(names)-o.maxFiles)] {
		if err := o.dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("delete the oldest receipts: %w", err)
		}
	}
	return nil
}

// add adds a receipt's line, which write appends, for an event's leaf.
func (o *outbox) add(index uint64, write func(dst []byte) []byte) error {
	if len(o.buf) >= bufferBytes {
		if err := o.flush(); err != nil {
			return err
		}
	}
	before := len(o.buf)
	o.buf = append(write(o.buf), '\n')
	if whole := o.size + int64(len(o.buf)); whole > o.maxBytes && whole > int64(len(o.buf)-before) {
		line := bytes.Clone(o.buf[before:])
		o.buf = o.buf[:before]
		if err := o.flush(); err != nil {
			return err
		}
		if err := o.begin(index); err != nil {
			return err
		}
		o.buf = append(o.buf, line...)
	}
	o.lines++
	o.next = index + 1
	return nil
}

// flush writes what is buffered.
func (o *outbox) flush() error {
	if len(o.buf) == 0 {
		return nil
	}
	if err := o.dir.Present(); err != nil {
		return fmt.Errorf("write receipts: %w", err)
	}
	if o.reserve > 0 {
		free, err := o.dir.Free()
		if err != nil {
			return fmt.Errorf("write receipts: %w", err)
		}
		if need := o.reserve + uint64(len(o.buf)); free < need {
			return fmt.Errorf("write receipts: their file system has %d bytes left, and %d are needed with twice the log's reserve: make room, or lower min_free_space_mib", free, need)
		}
	}
	if _, err := o.file.WriteAt(o.buf, o.size); err != nil {
		return fmt.Errorf("write receipts to %s: %w", o.name, err)
	}
	o.size += int64(len(o.buf))
	o.written += o.lines
	o.buf, o.lines = o.buf[:0], 0
	return nil
}

// close closes everything, without writing what is buffered.
func (o *outbox) close() error {
	if o.file == nil {
		return o.dir.Close()
	}
	return errors.Join(o.file.Sync(), o.file.Close(), o.dir.Close())
}
