// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment_test

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/segment"
)

// compressing is a directory in which somebody compresses the next segment each time that
// it is read, behind what is returned of it.
type compressing struct {
	fstest.MapFS
	left  []string
	looks int
}

func (c *compressing) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := c.MapFS.ReadDir(name)
	c.looks++
	if len(c.left) > 0 {
		plain := c.left[0]
		c.left = c.left[1:]
		c.MapFS[plain+".zst"] = c.MapFS[plain]
		delete(c.MapFS, plain)
		for i, e := range entries {
			if e.Name() == plain {
				entries[i] = vanished{e}
			}
		}
	}
	return entries, err
}

// vanished is an entry of a file that is gone.
type vanished struct{ fs.DirEntry }

func (vanished) Info() (fs.FileInfo, error) { return nil, fs.ErrNotExist }

// A segment that is compressed while the directory is listed is there in one form or the
// other: without it, an intact log would seem to lack it.
func TestListWhileSegmentsAreCompressed(t *testing.T) {
	names := []string{
		"audit-00000000000000000000-20261123T101500Z.jsonl", "audit-00000000000000000010-20261123T101500Z.jsonl",
		"audit-00000000000000000020-20261123T101500Z.jsonl", "audit-00000000000000000030-20261123T101500Z.jsonl",
	}
	c := &compressing{MapFS: fstest.MapFS{}, left: names[:3]}
	for _, name := range names {
		c.MapFS[name] = &fstest.MapFile{}
	}
	l, err := segment.List(c)
	require.NoError(t, err)
	var got []string
	for _, f := range l.Segments {
		got = append(got, strings.TrimSuffix(f.Name, ".zst"))
	}
	assert.Equal(t, names, got, "the listing")
}

// A directory that is never the same is listed all the same.
func TestListOfADirectoryThatAlwaysChanges(t *testing.T) {
	c := &compressing{MapFS: fstest.MapFS{}}
	for i := range uint64(1000) {
		name := segment.Name{FirstIndex: i}.String()
		c.MapFS[name] = &fstest.MapFile{}
		c.left = append(c.left, name)
	}
	l, err := segment.List(c)
	require.NoError(t, err)
	if n := len(l.Segments); n < 999 || c.looks > 100 {
		t.Errorf("%d segments after %d looks", n, c.looks)
	}
}
