// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logfile

import (
	"fmt"
	"io"
	"io/fs"

	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
)

// MaxCheckpointBytes bounds a checkpoint with all its signatures, and so the file checkpoint.
// It is far above what the writer puts there.
const MaxCheckpointBytes = 64 << 10

// Checkpoint returns what the file checkpoint holds: the copy of the log's newest checkpoint,
// if it is one. The error wraps [fs.ErrNotExist] if there is no such file, or an empty one, as
// a power cut may leave it.
func Checkpoint(fsys fs.FS) ([]byte, error) {
	f, err := rootfs.OpenRegular(fsys, sidefile.CheckpointName)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	note, err := io.ReadAll(io.LimitReader(f, MaxCheckpointBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the file %s: %w", sidefile.CheckpointName, err)
	case len(note) > MaxCheckpointBytes:
		return nil, fmt.Errorf("read the file %s: %w: it has more than %d bytes", sidefile.CheckpointName, ErrTooLarge, MaxCheckpointBytes)
	case len(note) == 0:
		return nil, fmt.Errorf("the file %s is empty: %w", sidefile.CheckpointName, fs.ErrNotExist)
	}
	return note, nil
}
