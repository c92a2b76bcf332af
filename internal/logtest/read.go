// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logtest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// Files reads the files of a directory.
func Files(t T, dir string) fstest.MapFS {
	helper(t)
	files := fstest.MapFS{}
	fsys := os.DirFS(dir)
	entries, err := fs.ReadDir(fsys, ".")
	require.NoError(t, err)
	for _, e := range entries {
		content, err := fs.ReadFile(fsys, e.Name())
		require.NoError(t, err)
		files[e.Name()] = &fstest.MapFile{Data: content, Mode: 0o600}
	}
	return files
}

// Leaves returns the lines of a log's segments that are leaves, in order, without any check.
func Leaves(t T, fsys fs.FS) (lines [][]byte) {
	helper(t)
	listing, err := segment.List(fsys)
	require.NoError(t, err)
	for _, f := range listing.Segments {
		r, err := segment.Open(fsys, f.Name, -1)
		require.NoError(t, err)
		for {
			line, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err, f.Name)
			if segment.KindOf(line) != segline.KindCheckpoint {
				lines = append(lines, bytes.Clone(line))
			}
		}
		require.NoError(t, r.Close())
	}
	return lines
}

// Events returns the events of a log, in order, without any check: of records, and the log's own.
func Events(t T, fsys fs.FS) (records, own []*event.Event) {
	helper(t)
	for _, line := range Leaves(t, fsys) {
		if segment.KindOf(line) != segline.KindEvent {
			continue
		}
		parsed, err := segment.ParseEvent(nil, line)
		require.NoError(t, err)
		e, err := event.Parse(parsed.Canonical)
		require.NoError(t, err)
		if e.Log == nil {
			records = append(records, e)
		} else {
			own = append(own, e)
		}
	}
	return records, own
}

// Compressed returns content in a form that a sealed segment has.
func Compressed(t T, content []byte, c compression.Method) []byte {
	helper(t)
	var b bytes.Buffer
	w, err := compression.NewWriter(&b, c)
	require.NoError(t, err)
	_, err = w.Write(content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}
