// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package receipt

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/otel-auditlog/auditlogexporter/internal/promised"
)

// Set is receipts that logs must honor. Of each it keeps little; it takes 1,048,576 of them. The
// zero Set is empty, and so is a nil one. It is for one goroutine at a time while it is read into, and
// not changed by checking logs with it.
type Set struct {
	promises *promised.Set
}

// Read reads a file of receipts, one on each line, and checks each by itself; name is
// what findings call the file. A last line that has no LF is passed over if it is not
// whole, since the file may still be written. The error names the line that is no receipt.
func (s *Set) Read(name string, r io.Reader) error {
	if s.promises == nil {
		s.promises = &promised.Set{}
	}
	at := s.promises.File(name)
	lines := bufio.NewReaderSize(r, MaxBytes+1)
	for blank := 0; ; {
		line, err := lines.ReadSlice('\n')
		at.Line++
		ended := err == io.EOF
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("%s:%d: not a receipt: it has more than %d bytes", name, at.Line, MaxBytes)
		case err != nil && !ended:
			return fmt.Errorf("read the receipts in %s: %w", name, err)
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			one, err := Parse(line)
			switch {
			case err == nil:
				if err := s.add(at, one); err != nil {
					return err
				}
			case !ended:
				return fmt.Errorf("%s:%d: %w", name, at.Line, err)
			}
		} else if blank++; blank > promised.MaxReceipts {
			return fmt.Errorf("%s:%d: there are more than %d blank lines", name, at.Line, promised.MaxReceipts)
		}
		if ended {
			return nil
		}
	}
}

func (s *Set) add(at promised.Place, r *Receipt) error {
	c, err := r.Check()
	return s.promises.Add(at, &promised.Receipt{
		Origin: c.Origin, EventID: r.EventID, Index: r.Index, LeafHash: r.LeafHash, Commit: r.Commit, Checkpoint: r.Checkpoint, Broken: err,
	})
}

// Len returns how many receipts there are.
func (s *Set) Len() int { return s.Promises().Len() }

// Of returns the receipts of the log with an origin.
func (s *Set) Of(origin string) *Set {
	if s == nil {
		return nil
	}
	return &Set{s.promises.Of(origin)}
}

// Promises returns what the receipts promise of each log, for packages verify and proof. It is nil if
// nothing has been read.
func (s *Set) Promises() *promised.Set {
	if s == nil {
		return nil
	}
	return s.promises
}
