// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// keyChangeFile writes the file of key changes. It never leads: a change is filed only when the
// segment that makes it is durable. The caller of its methods holds sem.
type keyChangeFile struct {
	dir     durable.FS
	good    int64    // bytes of the file that are good
	unfiled [][]byte // the notes that it lacks
}

// add has the next write file a change.
func (f *keyChangeFile) add(note []byte) { f.unfiled = append(f.unfiled, note) }

// write appends to the file what it lacks.
func (f *keyChangeFile) write() error {
	if len(f.unfiled) == 0 {
		return nil
	}
	var lines []byte
	for _, note := range f.unfiled {
		lines = append(sidefile.AppendKeyChange(lines, note), '\n')
	}
	end, err := durable.Extend(f.dir, sidefile.KeyChangesName, f.good, durable.Bytes(lines))
	if errors.Is(err, fs.ErrNotExist) && f.good > 0 {
		f.good = 0 // somebody has removed it
		end, err = durable.Extend(f.dir, sidefile.KeyChangesName, 0, durable.Bytes(lines))
	}
	if errors.Is(err, durable.ErrShort) {
		return fmt.Errorf("%w: somebody has cut the file: the next start writes it anew: %w", ErrDamaged, err)
	}
	if err != nil {
		return err
	}
	f.good, f.unfiled = end, nil
	return nil
}

// replace writes the file anew, with that much of what was found.
func (f *keyChangeFile) replace(found *filedChanges) error {
	return durable.Replace(f.dir, sidefile.KeyChangesName, durable.Private, durable.Bytes(found.lines[:found.bytes]))
}

// filedChanges is the beginning of the file of key changes whose changes follow one another.
type filedChanges struct {
	lines   []byte
	bytes   int64 // of them, that are good
	changes []*signing.KeyChange
	ends    []int64 // of their lines
	// spoiled says that the file holds more, and that no crash explains it.
	spoiled bool
}

func (f *filedChanges) last() *signing.KeyChange {
	if len(f.changes) == 0 {
		return nil
	}
	return f.changes[len(f.changes)-1]
}

func (f *filedChanges) drop() {
	n := len(f.changes) - 1
	f.changes, f.ends, f.bytes, f.spoiled = f.changes[:n], f.ends[:n], 0, true
	if n > 0 {
		f.bytes = f.ends[n-1]
	}
}

// read reads the file as far as each change may follow the one before it, which is nil before
// the first. An unfinished line at its end is cut off.
func (f *keyChangeFile) read(mayFollow func(c, last *signing.KeyChange) bool) (filed filedChanges, err error) {
	file, err := f.dir.Edit(sidefile.KeyChangesName)
	if errors.Is(err, fs.ErrNotExist) {
		return filed, nil
	}
	if err != nil {
		return filed, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	// A writer that was killed may have left its last line in the cache alone, and one
	// that could not sync it has left there what no later sync writes.
	file.Forget()
	if err := file.Sync(); err != nil {
		return filed, err
	}
	info, err := file.Stat()
	if err != nil {
		return filed, err
	}
	if filed.lines, err = io.ReadAll(io.NewSectionReader(file, 0, info.Size())); err != nil {
		return filed, err
	}
	for rest := filed.lines; ; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		if !whole {
			break
		}
		c, err := parseKeyChange(line)
		if err != nil || !mayFollow(c, filed.last()) {
			filed.spoiled = true
			return filed, nil
		}
		filed.bytes += int64(len(line)) + 1
		filed.changes, filed.ends, rest = append(filed.changes, c), append(filed.ends, filed.bytes), after
	}
	if filed.bytes < info.Size() {
		return filed, errors.Join(file.Truncate(filed.bytes), file.Sync())
	}
	return filed, nil
}

func parseKeyChange(line []byte) (*signing.KeyChange, error) {
	note, err := sidefile.ParseKeyChange(line)
	if err != nil {
		return nil, err
	}
	c, err := signing.OpenKeyChange(note)
	return &c, err
}
