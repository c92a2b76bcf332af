// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/foreign"
	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/segname"
	"github.com/otel-auditlog/auditlogexporter/internal/visible"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// chooseFiles picks the file to read for each segment, and says what else there is.
func (c *checker) chooseFiles(ctx context.Context, l segment.Listing) (files []segment.File, err error) {
	foreign := c.foreignSegments(l)
	c.files += len(foreign)
	for _, name := range l.Unknown {
		if slices.ContainsFunc(foreign, func(f segment.File) bool { return f.Name == name }) {
			continue
		}
		c.add(newFinding(kindUnknownFile, Info, place{segment: visible.Clip(name, maxID)}, "the file is not part of the log, and was not looked at"))
	}
	stems := map[string]bool{}
	for _, f := range l.Segments {
		if len(l.Values) > 0 {
			stems[segname.Values(f.Parsed)] = true
		}
	}
	for _, f := range foreign {
		stems[segname.Values(f.Parsed)] = true
	}
	for _, name := range l.Values {
		if !stems[name] {
			c.add(newFinding(kindUnknownFile, Info, place{segment: name}, "the file has openings of a segment that is not there, and was not looked at"))
		}
	}
	for _, f := range l.Segments {
		if !f.Mode.IsRegular() {
			c.add(newFinding(SegmentUnreadable, Tampering, place{segment: f.Name}, "not a regular file but %s; it was not opened", f.Mode.Type()))
			continue
		}
		n := len(files)
		if n == 0 || segname.Plain(files[n-1].Parsed) != segname.Plain(f.Parsed) {
			files = append(files, f)
			continue
		}
		same, begins, how, err := c.sameContent(ctx, files[n-1], f)
		switch {
		case errors.Is(err, compression.ErrForeign):
			c.add(newFinding(SegmentUnreadable, Unchecked, place{segment: f.Name}, "%v. It was not compared with %s, which is said to be the same segment: take it away, or decompress it elsewhere and compare them", err, files[n-1].Name))
		case errors.Is(err, fs.ErrNotExist):
			files[n-1] = f // its compression has just been completed
		case err != nil:
			return nil, err
		case same && how != "":
			c.add(newFinding(kindCompressionLeftover, Warning, place{segment: f.Name}, "it holds the same as %s, which was read, and was compressed by something else than the exporter: %s. Take it away", files[n-1].Name, how))
		case same:
			c.add(newFinding(kindCompressionLeftover, Info, place{segment: f.Name}, "it holds the same as %s: a compression is going on, or was interrupted", files[n-1].Name))
		default:
			why := fmt.Sprintf("it does not hold what %s holds, though both are said to be the same segment", files[n-1].Name)
			if begins {
				why += ", but begins with it. " + copyAgain + ", to where no earlier copy is"
			}
			c.add(newFinding(SegmentOverlap, Tampering, place{segment: f.Name}, "%s", why))
		}
	}
	if len(foreign) > 0 {
		files = append(files, foreign...)
		slices.SortStableFunc(files, func(a, b segment.File) int {
			return cmp.Or(cmp.Compare(a.Parsed.FirstIndex, b.Parsed.FirstIndex), a.Parsed.Created.Compare(b.Parsed.Created))
		})
	}
	return files, nil
}

// maxMisplaced bounds the files that are looked at though they do not begin with the header
// that their name asks for: anybody can put there as many as they like.
const maxMisplaced = 100

// readHeads reads how the segments begin, and leaves out those files that do not begin with the
// header that their name asks for, but for the first ones: they are no part of a log.
func (c *checker) readHeads(ctx context.Context, files []segment.File) (kept []segment.File, heads []*authority, err error) {
	seen := map[merkle.Hash]bool{}
	misplaced, left := 0, 0
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		if misplaced == maxMisplaced && !c.mayBegin(f, seen) {
			left++
			continue
		}
		a := c.readHead(f)
		if h := a.header; h == nil || h.FirstIndex != f.Parsed.FirstIndex || !h.Created.UTC().Truncate(time.Second).Equal(f.Parsed.Created) {
			if misplaced == maxMisplaced {
				left++
				continue
			}
			misplaced++
		}
		if a.header != nil {
			seen[a.headerLeaf] = true
		}
		kept, heads = append(kept, f), append(heads, a)
	}
	if left > 0 {
		c.add(newFinding(SegmentUnreadable, Tampering, place{}, "%d more files have the name of a segment, and do not begin with the header that belongs there: they were not looked at", left))
	}
	return kept, heads, nil
}

// mayBegin reports whether a file may begin with the header that belongs there, which takes
// less than reading that.
func (c *checker) mayBegin(f segment.File, seen map[merkle.Hash]bool) bool {
	if f.Size == 0 {
		return false
	}
	r, err := foreign.Open(c.fsys, f.Name, f.Size)
	if err != nil {
		return false
	}
	defer r.Close()
	line, err := r.NextHeader()
	return err == nil && bytes.Contains(line, fmt.Appendf(nil, `"first_index":%d,`, f.Parsed.FirstIndex)) && !seen[merkle.LeafHash(line)]
}

// sameContent reports whether two files hold the same, and whether the second one begins with
// what the first one holds. how is in what the second one is not of the form it should have.
func (c *checker) sameContent(ctx context.Context, a, b segment.File) (same, begins bool, how string, err error) {
	ra, err := foreign.Open(c.fsys, a.Name, -1)
	if err != nil {
		return false, false, "", ignoreForm(err)
	}
	defer ra.Close()
	rb, err := foreign.Open(c.fsys, b.Name, -1)
	if err != nil {
		return false, false, "", ignoreForm(err)
	}
	defer rb.Close()
	for {
		if err := ctx.Err(); err != nil {
			return false, false, "", err
		}
		la, errA := ra.Next()
		lb, errB := rb.Next()
		partial := errors.Is(errA, segline.ErrPartial)
		switch {
		case errors.Is(errA, compression.ErrForeign):
			return false, false, "", errA
		case errors.Is(errB, compression.ErrForeign):
			return false, false, "", errB
		case errA == io.EOF && errB == io.EOF:
			return true, true, rb.Foreign(), nil
		case errA == io.EOF:
			return false, errB == nil, "", nil
		case partial && errors.Is(errB, segline.ErrPartial) && bytes.Equal(la, lb):
			return true, true, rb.Foreign(), nil
		case partial:
			return false, errB == nil && bytes.HasPrefix(lb, la), "", nil
		case errA != nil || errB != nil || !bytes.Equal(la, lb):
			return false, false, "", nil
		}
	}
}

// ignoreForm passes on an error unless it says that the file is damaged: one that cannot be read
// here may be whole.
func ignoreForm(err error) error {
	if logfile.Malformed(err) && !errors.Is(err, compression.ErrForeign) {
		return nil
	}
	return err
}
