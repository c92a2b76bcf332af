// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/otel-auditlog/auditlogexporter/receipt"
)

// loadReceipts reads the files of receipts that a flag or an argument names, and those in
// directories; nil if there are none. The exporter may be writing to a directory: there, a
// file may be empty, and a line at a file's end that is cut off is passed over with a
// warning. A file that is named must be whole.
func (h *handed) loadReceipts(what string, paths []string, warn io.Writer) (*receipt.Set, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	all := &receipt.Set{}
	for _, path := range paths {
		files, err := filesOf(what, []string{path}, func(name string) bool {
			return strings.HasPrefix(name, "receipts-") && strings.HasSuffix(name, ".jsonl")
		})
		if err != nil {
			return nil, err
		}
		read, inDirectory := 0, len(files) != 1 || files[0] != path
		for _, file := range files {
			if info, err := os.Stat(file); inDirectory && err == nil && info.Size() == 0 {
				continue
			}
			read++
			err := h.loadReceiptFile(what, all, file)
			switch {
			case errors.Is(err, errTorn) && inDirectory:
				fmt.Fprintf(warn, "auditlog: %s %s: that receipt is not checked\n", what, plain(err.Error()))
			case err != nil:
				return nil, fmt.Errorf("%s %w", what, err)
			}
		}
		if read == 0 {
			return nil, fmt.Errorf("%s %s: all of its files are empty: there is no receipt", what, path)
		}
	}
	return all, nil
}

// loadReceiptFile takes in the receipts of a file. Its errors begin with the path.
func (h *handed) loadReceiptFile(what string, all *receipt.Set, path string) (err error) {
	in, err := openInput(h.ctx, nil, path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer func() { err = errors.Join(err, in.close()) }()
	err = readReceipts(all, path, in)
	if err == nil || errors.Is(err, errTorn) {
		h.note(what, path, in)
	}
	return err
}

// errTorn says that a file of receipts ends within one.
var errTorn = errors.New("its last line is cut off: copy the file again, whole")

// readReceipts takes in the receipts of a file of that name. The error wraps errTorn if the last one is
// not whole.
func readReceipts(all *receipt.Set, name string, in io.Reader) error {
	var last lastLine
	if err := all.Read(name, io.TeeReader(in, &last)); err != nil {
		return err
	}
	if last.whole {
		return nil
	}
	if _, err := receipt.Parse(bytes.TrimSpace(last.line)); err != nil && len(bytes.TrimSpace(last.line)) > 0 {
		return fmt.Errorf("%s: %w", name, errTorn)
	}
	return nil
}

// lastLine keeps the last line of what is written to it, as much of it as a receipt has.
type lastLine struct {
	line  []byte
	whole bool // it ends in LF
}

func (l *lastLine) Write(p []byte) (int, error) {
	n := len(p)
	if n == 0 {
		return 0, nil
	}
	l.whole = p[n-1] == '\n'
	if end := bytes.LastIndexByte(p, '\n'); end >= 0 {
		l.line, p = l.line[:0], p[end+1:]
	}
	l.line = append(l.line, p[:min(len(p), receipt.MaxBytes+1-len(l.line))]...)
	return n, nil
}
