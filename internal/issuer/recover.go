// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"bytes"
	"io"

	"github.com/otel-auditlog/auditlogexporter/internal/receiptline"
	"github.com/otel-auditlog/auditlogexporter/receipt"
)

// lastReceipt returns the last receipt in a file of so many bytes, nil if there is none,
// and how many bytes of it are good. A power cut may have left the end of the newest file
// with holes, a kill half a line.
func lastReceipt(f io.ReaderAt, size int64) (last *receipt.Receipt, good int64, err error) {
	if good, err = wholeLines(io.NewSectionReader(f, 0, size)); err != nil {
		return nil, 0, err
	}
	// From the end on, as much at a time as has a whole line in it for sure.
	chunk := make([]byte, bufferBytes)
	for good > 0 {
		start := max(0, good-int64(len(chunk)))
		lines := chunk[:good-start]
		if _, err := f.ReadAt(lines, start); err != nil {
			return nil, 0, err
		}
		for len(lines) > 0 && (start == 0 || len(lines) > receipt.MaxBytes+1) {
			line := lines[bytes.LastIndexByte(lines[:len(lines)-1], '\n')+1:]
			if last := provenIn(line); last != nil {
				return last, good, nil
			}
			lines = lines[:len(lines)-len(line)]
			good -= int64(len(line))
		}
	}
	return nil, 0, nil
}

// provenIn returns the receipt on a line, if it is one that proves what it says.
func provenIn(line []byte) *receipt.Receipt {
	r, err := receipt.Parse(line)
	if err != nil {
		return nil
	}
	if _, err := r.Check(); err != nil {
		return nil
	}
	return r
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
			if line := rest[:i]; !receiptline.Is(line) || line[i-1] != '}' || bytes.IndexByte(line, 0) >= 0 || i > receipt.MaxBytes {
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
