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
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/ctxread"
	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/freespace"
)

// sink is where a copy goes. Names are paths in the copy, with slashes.
type sink interface {
	// directory is called before the files in it.
	directory(name string, info fs.FileInfo) error
	// file takes size bytes of a file that has been opened. An error of reading is a
	// [sourceError], after which the sink is as before, but for a part of the file.
	file(ctx context.Context, name string, info fs.FileInfo, from io.Reader, size int64) error
	// linked makes a hard link of a file in the log, which has been opened as info says;
	// false if it is to be copied.
	linked(name string, info fs.FileInfo) (bool, error)
}

// sourceError is about the log, not about the copy.
type sourceError struct{ error }

func (e sourceError) Unwrap() error { return e.error }

var errShorter = errors.New("it became shorter while it was being read, so that the copy has a part of it")

// mode is that of a copy: of a log's files others than their owner write none.
func mode(info fs.FileInfo) fs.FileMode { return info.Mode().Perm() &^ 0o022 }

// source tells errors of reading from those of writing.
type source struct{ r io.Reader }

func (s source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		err = sourceError{err}
	}
	return n, err
}

// transfer copies exactly size bytes.
func transfer(ctx context.Context, w io.Writer, from io.Reader, size int64) error {
	_, err := io.CopyN(w, ctxread.New(ctx, source{from}), size)
	if err == io.EOF {
		err = sourceError{errShorter}
	}
	return err
}

// archive is a tar stream.
type archive struct{ *tar.Writer }

func (a *archive) directory(name string, info fs.FileInfo) error {
	if name == "." {
		return nil // whoever unpacks it has made a directory
	}
	return a.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: int64(mode(info)), ModTime: seconds(info)})
}

func (a *archive) file(ctx context.Context, name string, info fs.FileInfo, from io.Reader, size int64) error {
	if err := a.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(mode(info)), Size: size, ModTime: seconds(info)}); err != nil {
		return err
	}
	err := transfer(ctx, a, from, size)
	var about sourceError
	if errors.As(err, &about) {
		// The archive has said how much there would be.
		return fmt.Errorf("%s: %w: the archive ends here", name, about.error)
	}
	return err
}

func (a *archive) linked(string, fs.FileInfo) (bool, error) { return false, nil }

// seconds is what every tar can hold.
func seconds(info fs.FileInfo) time.Time { return info.ModTime().Truncate(time.Second) }

// files is a directory.
type files struct {
	*durable.Tree
	from, root *os.Root
	link       bool
}

func (d *files) directory(name string, info fs.FileInfo) error {
	if err := d.Mkdir(name, 0o700); err != nil {
		return err
	}
	return d.root.Chmod(name, mode(info)|0o700)
}

// free is what is left on the file system of the copy.
func (d *files) free() (_ uint64, err error) {
	f, err := d.root.Open(".")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return freespace.Of(f)
}

func (d *files) file(ctx context.Context, name string, info fs.FileInfo, from io.Reader, size int64) (err error) {
	// A sparse file costs who makes it nothing, and its copy the whole disk.
	if room, err := d.free(); err == nil && uint64(size) > room {
		return fmt.Errorf("%s has %d bytes, and there are %d left for the copy", name, size, room)
	}
	var part error
	err = d.CreateNew(name, mode(info), func(w io.Writer) error {
		var about sourceError
		if part = transfer(ctx, w, from, size); errors.As(part, &about) {
			return nil // what there is of it is kept
		}
		return part
	})
	if err != nil {
		return err
	}
	return errors.Join(part, d.root.Chtimes(name, time.Time{}, info.ModTime()))
}

func (d *files) linked(name string, info fs.FileInfo) (bool, error) {
	if !d.link {
		return false, nil
	}
	return d.Link(d.from, name, info)
}
