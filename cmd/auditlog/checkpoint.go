// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/otel-auditlog/auditlogexporter/proof"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

func checkpointCommand() *cobra.Command {
	var f trustFlags
	cmd := &cobra.Command{
		Use:   "checkpoint DIR",
		Short: "Print the newest signed checkpoint of a log, to keep elsewhere",
		Long: `checkpoint prints the newest signed checkpoint of a log that is known to be on stable
storage, so that no power cut takes it back: the one in the log's file checkpoint, or one
that the log has been continued behind. While a collector writes to the log it may lag behind
by a commit, and so it may after a crash. Keep it away from the log: "auditlog verify DIR
--checkpoint FILE" then finds whether the log has been cut short or rewritten since.

With --key or --trust, a checkpoint that no trusted key has signed, or one whose key the
log's key changes do not lead to, is refused. Without, its signature is not checked.

Exit codes: 0 the checkpoint is printed; 2 there is none, or none that is trusted.`,
		Example: `  auditlog checkpoint audit-log --key audit-log-key.pub.pem > kept.txt`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := f.proofOptions(cmd.Context())
			if err != nil {
				return err
			}
			fsys, closeLog, err := openLog(args[0])
			if err != nil {
				return err
			}
			defer closeLog()
			note, err := durableCheckpoint(fsys)
			if err == nil {
				_, err = proof.OpenCheckpoint(fsys, note, o)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if !f.given() {
				fmt.Fprintln(cmd.ErrOrStderr(), unsignedNote)
			}
			_, err = cmd.OutOrStdout().Write(note)
			return err
		},
	}
	f.addFlags(cmd)
	return cmd
}

// unsignedNote says what was not checked.
const unsignedNote = "auditlog: no --key or --trust was given: the checkpoint's signature was not checked"

// newestCheckpoint returns the newest well-formed checkpoint of a log. The newest
// segment may have been begun and not committed yet.
func newestCheckpoint(fsys fs.FS) ([]byte, error) {
	return lookBack(fsys, func(f segment.File, _ *segment.File) (newest []byte, err error) {
		err = eachCheckpoint(fsys, f, func(c signing.Checkpoint) { newest = c.Note })
		return newest, err
	})
}

// durableCheckpoint returns the newest checkpoint of a log that is known to be on stable
// storage. The writer syncs a commit before it begins the next one, and before it puts its
// checkpoint into the file checkpoint; so one is durable if it is in that file, or if the log
// goes on behind it, in the same segment or in the next.
func durableCheckpoint(fsys fs.FS) ([]byte, error) {
	filed, err := filedCheckpoint(fsys)
	if err != nil {
		return nil, err
	}
	doubtful := false
	note, err := lookBack(fsys, func(f segment.File, next *segment.File) (durable []byte, err error) {
		var last []byte
		err = eachCheckpoint(fsys, f, func(c signing.Checkpoint) {
			if next != nil && c.Size > next.Parsed.FirstIndex {
				return // what a failed sync has left behind is none of the log's
			}
			durable, last = last, c.Note
			if filed.Note != nil && c.Origin == filed.Origin && c.Size == filed.Size && c.Root == filed.Root {
				last, durable = filed.Note, filed.Note // it may bear cosignatures
			}
			if next != nil && c.Size == next.Parsed.FirstIndex || f.Parsed.Compression != segment.None {
				durable = last
			}
		})
		doubtful = doubtful || last != nil
		return durable, err
	})
	if errors.Is(err, errNoCheckpoint) && doubtful {
		err = errors.New("the log's only checkpoint is not known to be on stable storage yet: try again in a second, or, if no collector writes to the log, start one, which makes sure of it")
	}
	return note, err
}

// filedCheckpoint returns what the file checkpoint holds, if that is one. Its note is nil
// if not: it is no more than a copy.
func filedCheckpoint(fsys fs.FS) (c signing.Checkpoint, err error) {
	f, err := segment.OpenRegular(fsys, segment.CheckpointName)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, segment.ErrNotRegular) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	defer f.Close()
	note, err := io.ReadAll(io.LimitReader(f, maxNote))
	if err != nil {
		return c, fmt.Errorf("read the file %s: %w", segment.CheckpointName, err)
	}
	if c, err = signing.ParseCheckpoint(note); err != nil {
		return signing.Checkpoint{}, nil
	}
	return c, nil
}

// maxNote is far above the size of any checkpoint.
const maxNote = 64 << 10

var errNoCheckpoint = errors.New("the log holds no checkpoint: nothing has been committed to it yet, or it is damaged: run auditlog verify")

// lookBack returns the first checkpoint that is found in a log's segments, the newest
// first. find is told which segment follows, if one does.
func lookBack(fsys fs.FS, find func(f segment.File, next *segment.File) ([]byte, error)) ([]byte, error) {
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
		var next *segment.File
		for i := len(listing.Segments) - 1; i >= 0 && note == nil && err == nil; i-- {
			f := listing.Segments[i]
			if f.Size == 0 {
				continue // begun, perhaps; there is nothing in it
			}
			if note, err = find(f, next); next == nil || f.Parsed.FirstIndex < next.Parsed.FirstIndex {
				next = &f
			}
		}
		switch {
		case errors.Is(err, fs.ErrNotExist) && try < tries:
		case err != nil:
			return nil, err
		case note == nil:
			return nil, errNoCheckpoint
		default:
			return note, nil
		}
	}
}

// eachCheckpoint passes the well-formed checkpoints of a segment to each.
func eachCheckpoint(fsys fs.FS, f segment.File, each func(signing.Checkpoint)) error {
	r, err := segment.Open(fsys, f.Name, f.Size)
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		line, err := r.Next()
		if err == io.EOF || errors.Is(err, segment.ErrPartialLine) {
			return nil
		}
		if err != nil {
			return err
		}
		if segment.KindOf(line) != segment.KindCheckpoint {
			continue
		}
		note, err := segment.ParseCheckpoint(line)
		if err != nil {
			continue
		}
		if c, err := signing.ParseCheckpoint(note); err == nil {
			each(c)
		}
	}
}
