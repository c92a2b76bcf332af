// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logfile_test

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"

	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
)

func TestCheckpoint(t *testing.T) {
	tests := []struct {
		name string
		file *fstest.MapFile
		is   error
		form bool
	}{
		{"none", nil, fs.ErrNotExist, false},
		{"empty", &fstest.MapFile{}, fs.ErrNotExist, false},
		{"what is no checkpoint", &fstest.MapFile{Data: []byte("x")}, nil, false},
		{"the largest", &fstest.MapFile{Data: make([]byte, logfile.MaxCheckpointBytes)}, nil, false},
		{"too large", &fstest.MapFile{Data: make([]byte, logfile.MaxCheckpointBytes+1)}, logfile.ErrTooLarge, true},
		{"a link", &fstest.MapFile{Mode: fs.ModeSymlink | 0o777}, rootfs.ErrNotRegular, true},
		{"a pipe", &fstest.MapFile{Mode: fs.ModeNamedPipe}, rootfs.ErrNotRegular, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			fsys := fstest.MapFS{}
			if test.file != nil {
				fsys[sidefile.CheckpointName] = test.file
			}
			note, err := logfile.Checkpoint(fsys)
			if !errors.Is(err, test.is) || logfile.Malformed(err) != test.form || test.is == nil && !bytes.Equal(note, test.file.Data) {
				t.Errorf("%d bytes, %v", len(note), err)
			}
		})
	}
}

func TestKeyChanges(t *testing.T) {
	line := func(note string) string { return string(sidefile.AppendKeyChange(nil, []byte(note))) + "\n" }
	long := strings.Repeat("x", sidefile.MaxKeyChangeBytes+1)
	tests := []struct {
		name  string
		file  string
		notes []string // "" is a malformed line
	}{
		{"empty", "", nil},
		{"two", line("a\n") + line("b\n"), []string{"a\n", "b\n"}},
		{"one is being written", line("a\n") + line("b\n")[:10], []string{"a\n"}},
		{"a bad line", line("a\n") + "x\n" + line("b\n"), []string{"a\n", "", "b\n"}},
		{"a long line", line("a\n") + long + "\n" + line("b\n"), []string{"a\n", "", "b\n"}},
		{"a long line without an end", line("a\n") + long, []string{"a\n", ""}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			fsys := fstest.MapFS{sidefile.KeyChangesName: {Data: []byte(test.file)}}
			var notes []string
			for c, err := range logfile.KeyChanges(t.Context(), fsys) {
				if notes = append(notes, string(c.Note)); c.Line != len(notes) || (err == nil) == (len(c.Note) == 0) || err != nil && !logfile.Malformed(err) {
					t.Errorf("%+v, %v", c, err)
				}
				if err == nil && !strings.HasSuffix(test.file[:c.End], line(string(c.Note))) {
					t.Errorf("line %d does not end at %d", c.Line, c.End)
				}
			}
			assert.Equal(t, test.notes, notes)
		})
	}
	for range logfile.KeyChanges(t.Context(), fstest.MapFS{}) {
		t.Error("a change without a file")
	}
	link := fstest.MapFS{sidefile.KeyChangesName: {Mode: fs.ModeSymlink}}
	n := 0
	for _, err := range logfile.KeyChanges(t.Context(), link) {
		if n++; !errors.Is(err, rootfs.ErrNotRegular) {
			t.Error(err)
		}
	}
	assert.Equal(t, 1, n, "results")
}

// Whatever the file holds, reading it ends, and each line is told once.
func FuzzKeyChanges(f *testing.F) {
	f.Add(append(sidefile.AppendKeyChange(nil, []byte("note\n")), '\n'))
	f.Add(bytes.Repeat([]byte("x"), sidefile.MaxKeyChangeBytes+2))
	f.Fuzz(func(t *testing.T, file []byte) {
		lines := 0
		for c, err := range logfile.KeyChangesIn(t.Context(), bytes.NewReader(file)) {
			if lines++; c.Line != lines || err != nil && !logfile.Malformed(err) || c.End > int64(len(file)) {
				t.Fatalf("%+v, %v", c, err)
			}
		}
		if most := bytes.Count(file, []byte("\n")) + 1; lines > most {
			t.Errorf("%d lines of %d", lines, most)
		}
	})
}
