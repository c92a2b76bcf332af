// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/receiptline"
	"github.com/otel-auditlog/auditlogexporter/receipt"
)

const (
	namePrefix  = "receipts-"
	nameSuffix  = ".jsonl"
	indexDigits = 20

	// bufferBytes is how many bytes of receipts are written at once.
	bufferBytes = 256 << 10
)

// buffers are shared by all issuers: between calls none needs one.
var buffers = sync.Pool{New: func() any {
	b := make([]byte, 0, bufferBytes+receipt.MaxBytes)
	return &b
}}

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
	dir      durable.FS
	maxBytes int64
	maxFiles int
	reserve  uint64

	name    string // of the newest file
	file    durable.File
	size    int64   // of what is good in it
	pooled  *[]byte // what buf was at first; nil if there is no buf
	buf     []byte  // what is to follow that
	lines   int64   // in buf
	written int64   // receipts so far
	next    uint64  // events from here on have no receipt in files and buf
	// crowded says that there may be more files than there should. They are needed until
	// the newest one has a receipt: it says how far receipts are, and of which log.
	crowded bool
}

// open opens the newest file, or begins one, and returns the newest receipt and the file
// that it is in, nil if there is none. Without a file, events from begin on are to have
// receipts.
func (o *outbox) open(begin uint64) (newest *receipt.Receipt, in string, err error) {
	names, err := o.names()
	if err != nil {
		return nil, "", err
	}
	if len(names) == 0 {
		return nil, "", o.begin(begin)
	}
	last := len(names) - 1
	o.name, o.crowded = names[last], true
	o.next, _ = indexOf(o.name)
	if o.file, err = o.dir.Edit(o.name); err != nil {
		return nil, "", fmt.Errorf("go on with the receipts: %w", err)
	}
	o.file.Forget() // what the disk has not got does not count
	if newest, err = o.recover(); err != nil {
		return nil, "", fmt.Errorf("go on with the receipts in %s: %w", o.name, err)
	}
	if newest != nil {
		o.next = newest.Index + 1
		return newest, o.name, nil
	}
	// The newest file was begun, and no more: the one before tells of which log.
	if last == 0 {
		return nil, "", nil
	}
	in = names[last-1]
	if newest, err = o.newestIn(in); err != nil {
		return nil, "", fmt.Errorf("look for the newest receipt in %s: %w", in, err)
	}
	if newest != nil && newest.Index >= o.next {
		return nil, "", fmt.Errorf("%s holds a receipt for leaf %d, but %s follows: %w", in, newest.Index, o.name, ErrContradicted)
	}
	return newest, in, nil
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
	if newest, o.size, err = lastReceipt(o.file, info.Size()); err != nil {
		return nil, err
	}
	if o.size < info.Size() {
		if err := o.file.Truncate(o.size); err != nil {
			return nil, err
		}
	}
	return newest, nil
}

// newestIn returns the last receipt in a file that is not written any more.
func (o *outbox) newestIn(name string) (newest *receipt.Receipt, err error) {
	f, err := o.dir.Edit(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	newest, _, err = lastReceipt(f, info.Size())
	return newest, err
}

// begin begins a file for the receipts from an index on.
func (o *outbox) begin(index uint64) error {
	if o.file != nil {
		if err := o.file.Sync(); err != nil {
			return fmt.Errorf("finish the receipts in %s: %w", o.name, err)
		}
	}
	name := nameOf(index)
	err := durable.CreateNew(o.dir, name, durable.Private, durable.Bytes(nil))
	if err != nil {
		return fmt.Errorf("begin a file of receipts: %w", err)
	}
	file, err := o.dir.Edit(name)
	if err != nil {
		return fmt.Errorf("begin a file of receipts: %w", err)
	}
	if o.file != nil {
		err = o.file.Close()
	}
	o.name, o.file, o.size, o.next, o.crowded = name, file, 0, max(o.next, index), true
	return err
}

// prune deletes the oldest files, once the newest one has a receipt for good.
func (o *outbox) prune() error {
	o.crowded = false
	if o.maxFiles == 0 {
		return nil
	}
	names, err := o.names()
	if err != nil || len(names) <= o.maxFiles {
		return err
	}
	if err := o.file.Sync(); err != nil {
		return fmt.Errorf("write receipts to %s: %w", o.name, err)
	}
	if err := durable.Remove(o.dir, names[:len(names)-o.maxFiles]...); err != nil {
		return fmt.Errorf("delete the oldest receipts: %w", err)
	}
	return nil
}

// add adds the receipt of a commit's leaf, which has that index.
func (o *outbox) add(index uint64, c *receiptline.Commit, leaf int, id []byte) error {
	if o.pooled == nil {
		o.pooled = buffers.Get().(*[]byte)
		o.buf = (*o.pooled)[:0]
	}
	if len(o.buf) >= bufferBytes {
		if err := o.flush(); err != nil {
			return err
		}
	}
	before := len(o.buf)
	o.buf = append(c.Append(o.buf, leaf, id), '\n')
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

// finish writes what is buffered, and lets go of the buffer.
func (o *outbox) finish() error {
	if err := o.flush(); err != nil {
		return err
	}
	o.release()
	return nil
}

func (o *outbox) release() {
	if o.pooled != nil {
		buffers.Put(o.pooled)
		o.pooled, o.buf = nil, nil
	}
}

// flush writes what is buffered.
func (o *outbox) flush() error {
	if len(o.buf) == 0 {
		return nil
	}
	if err := o.present(); err != nil {
		return fmt.Errorf("write receipts: %w", err)
	}
	if o.reserve > 0 {
		free, err := o.dir.Free()
		if err != nil {
			return fmt.Errorf("write receipts: %w", err)
		}
		if free < o.reserve+uint64(len(o.buf)) {
			return fmt.Errorf("write receipts: their file system has less than %d bytes left, twice the log's reserve: make room, or lower min_free_space_mib", o.reserve)
		}
	}
	if _, err := o.file.WriteAt(o.buf, o.size); err != nil {
		// Nobody is to read half a line for long.
		return errors.Join(fmt.Errorf("write receipts to %s: %w", o.name, err), o.file.Truncate(o.size))
	}
	o.size += int64(len(o.buf))
	o.written += o.lines
	o.buf, o.lines = o.buf[:0], 0
	if o.crowded {
		return o.prune()
	}
	return nil
}

// present fails if the newest file is not there, as it was left: who looks for receipts
// would not find those that are written to it.
func (o *outbox) present() error {
	if err := o.dir.Present(); err != nil {
		return err
	}
	at, err := o.dir.Lstat(o.name)
	if err != nil {
		return fmt.Errorf("the newest file of receipts is gone: what was in it is written again: %w", err)
	}
	open, err := o.file.Stat()
	if err != nil {
		return err
	}
	if !o.dir.Same(at, open) || at.Size() != o.size {
		return fmt.Errorf("%s was replaced or changed by somebody else: what is missing from it is written again", o.name)
	}
	return nil
}

// close closes everything, without writing what is buffered.
func (o *outbox) close() error {
	o.release()
	if o.file == nil {
		return o.dir.Close()
	}
	return errors.Join(o.file.Sync(), o.file.Close(), o.dir.Close())
}
