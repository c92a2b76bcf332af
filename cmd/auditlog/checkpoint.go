// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

func checkpointCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "checkpoint DIR",
		Short: "Print the newest signed checkpoint of a log, to keep elsewhere",
		Long: `checkpoint prints the newest signed checkpoint in the log's segments. Keep it away
from the log: "auditlog verify DIR --checkpoint FILE" then finds whether the log
has been cut short or rewritten since. The checkpoint's signature is not checked.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			fsys, closeLog, err := openLog(args[0])
			if err != nil {
				return err
			}
			defer closeLog()
			note, err := newestCheckpoint(fsys)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			_, err = cmd.OutOrStdout().Write(note)
			return err
		},
	}
}

// newestCheckpoint returns the newest well-formed checkpoint of a log. The newest
// segment may have been begun and not committed yet.
func newestCheckpoint(fsys fs.FS) ([]byte, error) {
	const tries = 5 // the writer may compress or prune a segment meanwhile
	for try := 1; ; try++ {
		listing, err := segment.List(fsys)
		if err != nil {
			return nil, err
		}
		if len(listing.Segments) == 0 {
			return nil, verify.ErrNoLog
		}
		var note []byte
		for i := len(listing.Segments) - 1; i >= 0 && note == nil && err == nil; i-- {
			note, err = newestNote(fsys, listing.Segments[i])
		}
		switch {
		case errors.Is(err, fs.ErrNotExist) && try < tries:
		case err != nil:
			return nil, err
		case note == nil:
			return nil, errors.New("the log holds no checkpoint: nothing has been committed to it yet, or it is damaged: run auditlog verify")
		default:
			return note, nil
		}
	}
}

// newestNote returns the last well-formed checkpoint of a segment, or nil.
func newestNote(fsys fs.FS, f segment.File) (note []byte, _ error) {
	r, err := segment.Open(fsys, f.Name, f.Size)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for {
		line, err := r.Next()
		if err == io.EOF || errors.Is(err, segment.ErrPartialLine) {
			return note, nil
		}
		if err != nil {
			return nil, err
		}
		if segment.KindOf(line) != segment.KindCheckpoint {
			continue
		}
		parsed, err := segment.ParseCheckpoint(line)
		if err != nil {
			continue
		}
		if _, err := signing.ParseCheckpoint(parsed); err == nil {
			note = parsed
		}
	}
}
