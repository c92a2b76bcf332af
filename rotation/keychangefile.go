// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
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

// filedChanges is the beginning of the file of key changes whose changes follow one another.
type filedChanges struct {
	bytes int64 // of the file
	// newest are the last of the changes, as many as a start asks for at the most.
	newest []*signing.KeyChange
	// spoiled says that the file holds more, and that no crash explains it.
	spoiled bool
}

func (f *filedChanges) last() *signing.KeyChange {
	if len(f.newest) == 0 {
		return nil
	}
	return f.newest[len(f.newest)-1]
}

// newestChanges returns the last ones of some key changes, as many as a start asks for at the
// most: a segment that is recalled makes one, if any.
func newestChanges(all []*signing.KeyChange) []*signing.KeyChange {
	return slices.Clone(all[max(0, len(all)-maxRecalledSegments):])
}

// keyChain says which changes of the file count.
type keyChain struct {
	// follows reports whether a change may be the one after another, which is nil before the
	// first.
	follows func(c, last *signing.KeyChange) bool
	// ends reports whether the changes count up to this one; nil: up to each.
	ends func(c *signing.KeyChange) bool
}

// read reads the file as far as the chain goes. An unfinished line at its end is cut off.
func (f *keyChangeFile) read(ctx context.Context, chain keyChain) (filed filedChanges, err error) {
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
	filed, err = chain.in(ctx, file, info.Size())
	if err == nil && !filed.spoiled && filed.bytes < info.Size() {
		err = errors.Join(file.Truncate(filed.bytes), file.Sync())
	}
	return filed, err
}

// in reads the changes in the first bytes of a file, however many there are.
func (k keyChain) in(ctx context.Context, file io.ReaderAt, size int64) (filed filedChanges, err error) {
	var run []*signing.KeyChange // the newest up to the line at hand
	var last *signing.KeyChange
	for from, at := int64(0), int64(-1); at < from; {
		at = from
		for line, err := range logfile.KeyChangesIn(ctx, io.NewSectionReader(file, at, size-at)) {
			var c signing.KeyChange
			if err == nil {
				c, err = signing.OpenKeyChange(line.Note)
			} else if !logfile.Malformed(err) {
				return filed, err
			}
			if err != nil || !k.follows(&c, last) {
				filed.spoiled = true
				return filed, nil
			}
			last, from = &c, at+line.End
			if run = append(run, last); len(run) == 2*maxRecalledSegments {
				run = newestChanges(run)
			}
			if k.ends == nil || k.ends(last) {
				filed.bytes, filed.newest = from, newestChanges(run)
			}
		}
	}
	filed.spoiled = last != filed.last()
	return filed, nil
}

// replace writes the file anew, with that much of what a file holds that has been set aside.
func (f *keyChangeFile) replace(ctx context.Context, aside string, filed *filedChanges, chain keyChain) (err error) {
	file, err := f.dir.Edit(aside)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return durable.Replace(f.dir, sidefile.KeyChangesName, durable.Private, func(w io.Writer) error {
		var werr error
		chain.ends = func(c *signing.KeyChange) bool {
			if werr == nil {
				_, werr = w.Write(append(sidefile.AppendKeyChange(nil, c.Note), '\n'))
			}
			return true
		}
		again, err := chain.in(ctx, file, filed.bytes)
		if err == nil && again.bytes != filed.bytes {
			err = fmt.Errorf("%w: %s has been changed meanwhile", ErrDamaged, aside)
		}
		return errors.Join(werr, err)
	})
}
