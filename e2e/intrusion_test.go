// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// intruder changes a log's directory and takes note of how each change is undone. He has
// no key. What the writer deletes in between stays deleted: he brings nothing back but
// what he took away himself.
type intruder struct {
	t    *testing.T
	dir  string // of the log that he is after
	away string // where he keeps what he takes
	// other is the directory of another log under the same key.
	other string
	// known is the line that the log would write for a record that is sent later on, reused
	// one for another record with such an id, ahead one that is further on in a stream.
	known, reused, ahead []byte
	steps                []func()
}

func (i *intruder) path(name string) string { return filepath.Join(i.dir, name) }

// undo takes back all changes, the last one first.
func (i *intruder) undo() {
	for _, step := range slices.Backward(i.steps) {
		step()
	}
	i.steps = nil
}

// later has undo do something.
func (i *intruder) later(step func()) { i.steps = append(i.steps, step) }

// segments returns the names of the segments, oldest first.
func (i *intruder) segments() []string { return segments(i.t, i.dir) }

// sealed returns the names of all segments but the newest.
func (i *intruder) sealed() []string {
	all := i.segments()
	return all[:len(all)-1]
}

// active returns the name of the newest segment.
func (i *intruder) active() string {
	all := i.segments()
	return all[len(all)-1]
}

// form returns the name under which a segment is stored now, plain or compressed, and
// false if it is gone.
func (i *intruder) form(name string) (string, bool) {
	parsed, err := segment.ParseName(name)
	if err != nil {
		_, err := os.Lstat(i.path(name))
		return name, err == nil
	}
	for _, c := range []compression.Method{compression.None, compression.Gzip, compression.Zstd} {
		parsed.Compression = c
		if info, err := os.Lstat(i.path(parsed.String())); err == nil && info.Mode().IsRegular() {
			return parsed.String(), true
		}
	}
	return "", false
}

// rename gives a segment another name, of which the ending stays.
func (i *intruder) rename(name string, change func(*segment.Name)) {
	parsed, err := segment.ParseName(name)
	require.NoError(i.t, err)
	change(&parsed)
	to := parsed.String()
	require.NoError(i.t, os.Rename(i.path(name), i.path(to)))
	i.later(func() {
		now, there := i.form(to)
		if !there {
			return
		}
		before, err := segment.ParseName(name)
		require.NoError(i.t, err)
		after, err := segment.ParseName(now)
		require.NoError(i.t, err)
		before.Compression = after.Compression
		require.NoError(i.t, os.Rename(i.path(now), i.path(before.String())))
	})
}

// grow makes a file larger, without the space for it.
func (i *intruder) grow(name string, by int64) {
	info, err := os.Stat(i.path(name))
	require.NoError(i.t, err)
	require.NoError(i.t, os.Truncate(i.path(name), info.Size()+by))
	i.later(func() {
		if now, err := os.Stat(i.path(name)); err == nil && now.Size() >= info.Size()+by {
			require.NoError(i.t, os.Truncate(i.path(name), info.Size()))
		}
	})
}

// read returns what a segment holds, whether it is compressed or not.
func (i *intruder) read(name string) []byte {
	f, err := os.Open(i.path(name))
	require.NoError(i.t, err)
	defer f.Close()
	c := compression.None
	if parsed, err := segment.ParseName(name); err == nil {
		c = parsed.Compression
	}
	r, err := compression.NewReader(f, c)
	require.NoError(i.t, err)
	content, err := io.ReadAll(r)
	require.NoError(i.t, err)
	require.NoError(i.t, r.Close())
	return content
}

// write puts content into a file that is there, in the form it is stored in. The file
// stays the same one.
func (i *intruder) write(name string, content []byte) {
	var stored bytes.Buffer
	stored.Write(content)
	if parsed, err := segment.ParseName(name); err == nil && parsed.Compression != compression.None {
		stored.Reset()
		w, err := compression.NewWriter(&stored, parsed.Compression)
		require.NoError(i.t, err)
		_, err = w.Write(content)
		require.NoError(i.t, errors.Join(err, w.Close()))
	}
	require.NoError(i.t, os.WriteFile(i.path(name), stored.Bytes(), 0o600))
}

// edit changes the lines of a file, each with its line end, and what the file was before
// comes back, wherever it then is.
func (i *intruder) edit(name string, change func(lines [][]byte) [][]byte) {
	before := i.read(name)
	lines := bytes.SplitAfter(bytes.Clone(before), []byte("\n"))
	after := bytes.Join(change(lines[:len(lines)-1]), nil)
	require.NotEqual(i.t, string(before), string(after), "nothing was changed")
	i.write(name, after)
	i.later(func() {
		now, there := i.form(name)
		if !there {
			return
		}
		content := i.read(now)
		if added, ok := bytes.CutPrefix(content, after); ok {
			i.write(now, slices.Concat(before, added)) // the writer has gone on behind it
		} else if bytes.HasPrefix(before, content) {
			i.write(now, before) // or cut it off
		}
	})
}

// append adds to the end of a file.
func (i *intruder) append(name string, content []byte) {
	before, err := os.ReadFile(i.path(name))
	require.NoError(i.t, err)
	appendTo(i.t, i.path(name), string(content))
	i.later(func() {
		now, err := os.ReadFile(i.path(name))
		if err == nil && bytes.HasPrefix(now, append(bytes.Clone(before), content...)) {
			require.NoError(i.t, os.WriteFile(i.path(name), slices.Concat(before, now[len(before)+len(content):]), 0o600))
		}
	})
}

// plant puts a new file in the directory. If it is a segment that there was not in another
// form either, undo removes it in the form that it then has.
func (i *intruder) plant(name string, content []byte) {
	_, known := i.form(name)
	require.NoError(i.t, os.WriteFile(i.path(name), content, 0o600))
	i.clear(name)
	if !known {
		i.later(func() {
			if now, there := i.form(name); there {
				require.NoError(i.t, os.Remove(i.path(now)))
			}
		})
	}
}

// clear has undo remove a file, or whatever it is by then.
func (i *intruder) clear(name string) {
	i.later(func() { require.NoError(i.t, os.RemoveAll(i.path(name))) })
}

// stored returns how many bytes all segments take.
func (i *intruder) stored() (total int64) {
	for _, name := range i.segments() {
		info, err := os.Stat(i.path(name))
		require.NoError(i.t, err)
		total += info.Size()
	}
	return total
}

// take moves a file out of the directory until it is brought back, in place of what has
// taken its name.
func (i *intruder) take(name string) {
	kept := filepath.Join(i.away, fmt.Sprintf("%d-%s", len(i.steps), name))
	require.NoError(i.t, os.Rename(i.path(name), kept))
	i.later(func() {
		require.NoError(i.t, os.RemoveAll(i.path(name)))
		require.NoError(i.t, os.Rename(kept, i.path(name)))
	})
}

// missing says whether there is no such file.
func (i *intruder) missing(name string) bool {
	_, err := os.Lstat(i.path(name))
	return errors.Is(err, fs.ErrNotExist)
}

// replace puts something else in the place of a file, or where one would be.
func (i *intruder) replace(name string, by func(path string)) {
	if !i.missing(name) {
		i.take(name)
	} else {
		i.clear(name)
	}
	by(i.path(name))
}

// The things that are no regular file.
func (i *intruder) fifo(path string) { require.NoError(i.t, unix.Mkfifo(path, 0o600)) }

func (i *intruder) directory(path string) {
	require.NoError(i.t, os.Mkdir(path, 0o700))
	require.NoError(i.t, os.WriteFile(filepath.Join(path, "in-the-way"), nil, 0o600))
}

// link makes a link to a file outside, which holds what was there.
func (i *intruder) link(path string) {
	target := filepath.Join(i.away, "linked-"+filepath.Base(path))
	kept, err := filepath.Glob(filepath.Join(i.away, "*-"+filepath.Base(path)))
	require.NoError(i.t, err)
	var content []byte
	if len(kept) > 0 {
		content, err = os.ReadFile(kept[0])
		require.NoError(i.t, err)
	}
	require.NoError(i.t, os.WriteFile(target, content, 0o600))
	require.NoError(i.t, os.Symlink(target, path))
}

// emptied takes everything out of the directory. What is put there meanwhile makes room
// for what comes back.
func (i *intruder) emptied() {
	entries, err := os.ReadDir(i.dir)
	require.NoError(i.t, err)
	i.later(func() {})
	for _, e := range entries {
		kept := filepath.Join(i.away, e.Name())
		require.NoError(i.t, os.Rename(i.path(e.Name()), kept))
	}
	i.later(func() {
		now, err := os.ReadDir(i.dir)
		require.NoError(i.t, err)
		for _, e := range now {
			require.NoError(i.t, os.RemoveAll(i.path(e.Name())))
		}
		for _, e := range entries {
			require.NoError(i.t, os.Rename(filepath.Join(i.away, e.Name()), i.path(e.Name())))
		}
	})
}

// older names the time of a long time ago.
func older(n *segment.Name) { n.Created = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC) }

// newer names a time to come.
func newer(n *segment.Name) { n.Created = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC) }

// lastEvent returns the place of the last line that is an event.
func lastEvent(lines [][]byte) int {
	for at := len(lines) - 1; at >= 0; at-- {
		if segment.KindOf(bytes.TrimSuffix(lines[at], []byte("\n"))) == segline.KindEvent {
			return at
		}
	}
	return -1
}

// slip puts a line behind the last event of a segment.
func slip(line []byte) func([][]byte) [][]byte {
	return func(lines [][]byte) [][]byte { return slices.Insert(lines, lastEvent(lines)+1, line) }
}

// changed replaces the first text of a kind in one line.
func changed(at int, old, by string) func([][]byte) [][]byte {
	return func(lines [][]byte) [][]byte {
		lines[at] = bytes.Replace(lines[at], []byte(old), []byte(by), 1)
		return lines
	}
}

// createdBefore has a header say that its segment was begun a long time ago.
func createdBefore(lines [][]byte) [][]byte {
	before, rest, _ := strings.Cut(string(lines[0]), `"created":"`)
	lines[0] = []byte(before + `"created":"2001` + rest[4:])
	return lines
}
