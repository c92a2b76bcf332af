// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package tiles

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
)

// checkpointName is the name of the newest checkpoint.
const checkpointName = "checkpoint"

// out is the directory that the files go to. No name leads out of it.
type out struct {
	*durable.Tree
	root *os.Root
}

// read reads a file of so many bytes.
func (o *out) read(name string, size int) ([]byte, error) {
	b, err := o.readAtMost(name, size)
	if err == nil && len(b) != size {
		err = fmt.Errorf("%w: %s has not the %d bytes that it had", ErrChanged, name, size)
	}
	return b, err
}

// open opens a regular file.
func (o *out) open(name string) (fs.File, error) {
	return rootfs.OpenRegular(rootfs.Of(o.root), name)
}

// readAtMost reads a regular file, up to a byte more than most.
func (o *out) readAtMost(name string, most int) ([]byte, error) {
	f, err := o.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, int64(most)+1))
}

// write writes a file that is never to change: if it is there already, as an
// interrupted run leaves it, it must hold the same.
func (o *out) write(name string, content []byte) error {
	there, err := o.readAtMost(name, len(content))
	switch {
	case err == nil && bytes.Equal(there, content):
		o.Changed(name) // whoever wrote it may not have come to make its name durable
		return nil
	case err == nil:
		return fmt.Errorf("%s is there already, and holds something else: it is of another history of the log, or of another log", name)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return o.replace(name, content)
}

// replace writes a file, durable but for its name, in place of one that may be there. What is
// exported is to be published.
func (o *out) replace(name string, content []byte) error {
	return o.Tree.Replace(name, durable.Public, durable.Bytes(content))
}

// forget removes the tiles that were written before a tile was full. They are not
// needed for any tree, since whoever has not got them takes the full one.
func (o *out) forget(full string) error {
	return o.root.RemoveAll(full + ".p")
}
