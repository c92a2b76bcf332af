// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// othersMode is what nobody but the owner may do.
const othersMode fs.FileMode = 0o077

// closeToOthers takes from the log's files what others may do with them, as a copy that was
// put back may allow, and says so. A key that others could read is refused, since it may be
// known by now; what others could do to the log nothing rests on. It is called once the log
// has been found good: one that is refused is left as it is.
func (r *recovery) closeToOthers() error {
	listing, err := segment.List(r.dir)
	if err != nil {
		return err
	}
	names := append([]string{sidefile.CheckpointName, sidefile.KeyChangesName, sidefile.PrunedRangesName}, listing.Values...)
	names = append(names, listing.Torn...)
	for _, f := range listing.Segments {
		names = append(names, f.Name)
	}
	closed, example := 0, ""
	for _, name := range names {
		was, err := closeToOthers(r.dir, name)
		if err != nil {
			return fmt.Errorf("take from %s what others may do with it: %w: chmod 600 it, or chown it to the collector's user", name, err)
		}
		if was != 0 {
			closed, example = closed+1, fmt.Sprintf("%s (%#o)", name, was)
		}
	}
	if closed > 0 {
		r.opts.Logger.Warn("Files of the audit log could be read or written by others; they are 0600 now. If others could write to them, verify the log against a checkpoint that was kept elsewhere", zap.Int("files", closed), zap.String("such_as", example))
	}
	return nil
}

// closeToOthers returns the mode that a regular file had if others could do something with
// it, and 0 if not.
func closeToOthers(dir fs.FS, name string) (was fs.FileMode, err error) {
	info, err := fs.Lstat(dir, name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && (!info.Mode().IsRegular() || info.Mode()&othersMode == 0) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	f, err := rootfs.OpenRegular(dir, name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	file, ok := f.(*os.File)
	if !ok {
		return 0, nil
	}
	return info.Mode().Perm(), file.Chmod(durable.Private)
}
