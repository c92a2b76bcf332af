// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/realpath"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
)

// Options say what is copied, and how.
type Options struct {
	// Recursive copies every log in the directory and below it, each to the same place in
	// the copy.
	Recursive bool
	// Link makes hard links of sealed segments, where that can be done, in place of
	// copies. Whoever can write to the log can then write to the copy, too.
	Link bool
}

// Result says what a copy holds.
type Result struct {
	Logs, Files, Linked int
	Bytes               int64
	// Left says of what was not copied why it was not.
	Left []string
}

var (
	// ErrOutrun: segments were deleted faster than they could be copied.
	ErrOutrun = errors.New("segments were deleted before they could be copied: try again")
	// ErrExists: there is something already where the copy should go.
	ErrExists = errors.New("it is there already, and not an empty directory: give a name that is not taken")
)

// Directory copies a log to a new directory, which is there as a whole or not at all, and
// durable when the copy has been made.
func Directory(ctx context.Context, dir, dest string, o Options) (Result, error) {
	if err := free(dir, dest); err != nil {
		return Result{}, err
	}
	from, err := os.OpenRoot(dir)
	if err != nil {
		return Result{}, fmt.Errorf("open the log: %w", err)
	}
	defer from.Close()
	const tries = 3
	for try := 1; ; try++ {
		r, err := directory(ctx, from, filepath.Clean(dest), o)
		if try == tries || !errors.Is(err, ErrOutrun) {
			return r, err
		}
	}
}

// free checks that a copy may go there.
func free(dir, dest string) error {
	in, err := realpath.Within(dest, dir)
	if err != nil {
		return err
	}
	if in {
		return fmt.Errorf("%s is in the directory of the log: nothing else belongs there", dest)
	}
	entries, err := os.ReadDir(dest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(dest); err == nil {
			return fmt.Errorf("%s: %w", dest, ErrExists) // a link to nowhere
		}
		return nil
	case err != nil:
		return err
	case len(entries) > 0:
		return fmt.Errorf("%s: %w", dest, ErrExists)
	default:
		return nil
	}
}

// directory tries it once.
func directory(ctx context.Context, from *os.Root, dest string, o Options) (r Result, err error) {
	parent := filepath.Dir(dest)
	// Beside it, so that it can be renamed. What a kill leaves has a name that says so.
	partial, err := os.MkdirTemp(parent, "."+filepath.Base(dest)+".partial-")
	if err != nil {
		return r, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(partial))
		}
	}()
	root, err := os.OpenRoot(partial)
	if err != nil {
		return r, err
	}
	defer root.Close()
	to := &files{durable.NewTree(root), from, root, o.Link}
	if r, err = all(ctx, rootfs.Of(from), to, o); err != nil {
		return r, err
	}
	if err := to.Sync(); err != nil {
		return r, err
	}
	// An empty directory gives way; one that has been filled meanwhile does not.
	switch info, err := os.Lstat(dest); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return r, err
	case !info.IsDir():
		return r, fmt.Errorf("%s: %w", dest, ErrExists)
	default:
		if err := os.Remove(dest); err != nil {
			return r, err
		}
	}
	return r, durable.In(dest, func(dir durable.FS, name string) error {
		return durable.Rename(dir, filepath.Base(partial), name)
	})
}

// Tar writes a copy of the log in the root of fsys as a tar archive. An archive without its
// end is no copy.
func Tar(ctx context.Context, fsys fs.FS, w io.Writer, o Options) (Result, error) {
	out := tar.NewWriter(w)
	r, err := all(ctx, fsys, &archive{out}, o)
	if err != nil {
		return r, err // and no end
	}
	return r, out.Close()
}
