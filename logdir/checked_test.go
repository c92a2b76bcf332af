// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logdir_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// newChecked returns a Checked for the log of these tests, which the keys of those signers sign.
func newChecked(t require.TestingT, signers ...byte) *logdir.Checked {
	var keys []*signing.PublicKey
	for _, n := range signers {
		keys = append(keys, signer(t, n).Public())
	}
	return logdir.NewChecked(origin, logID, keys, mostInCommit)
}

// readChecked reads the content of segments.
func readChecked(c *logdir.Checked, l *made, from int) (lines [][]byte, err error) {
	for _, name := range l.names[from:] {
		r := segment.NewReader(bytes.NewReader(l.files[name.String()].Data), name.String())
		for line, err := range c.Segment(r, name) {
			if err != nil {
				return lines, err
			}
			lines = append(lines, bytes.Clone(line.Bytes()))
		}
	}
	return lines, nil
}

const mostInCommit = 1 << 20

func TestChecked(t *testing.T) {
	l := newLog(t)
	for range 5 {
		l.commit(3)
		l.rotate()
	}
	l.commit(3000) // more than is kept at once
	l.commit(1)
	c := newChecked(t, 7)
	lines, err := readChecked(c, l, 0)
	if tree := c.Tree(); err != nil || tree.Root() != l.tree.Root() {
		t.Errorf("%v, %d leaves", err, tree.Size())
	}
	wantLines(t, lines, l.leaves())

	// From a later segment on, and from a tree that is known.
	c = newChecked(t, 9, 7)
	lines, err = readChecked(c, l, 2)
	assert.NoError(t, err)
	wantLines(t, lines, l.leaves()[2*5:])
	// Segments follow one another, or else the later one counts for nothing.
	l.names = append(l.names[:2], l.names[3:]...)
	lines, err = readChecked(newChecked(t, 7), l, 0)
	assert.ErrorIs(t, err, logdir.ErrUnchecked, "a segment is missing")
	wantLines(t, lines, l.leaves()[:2*5])
}

// What an intruder makes of the log never comes out of it.
func TestCheckedAttacks(t *testing.T) {
	line := func(l *made, n int) []byte {
		return bytes.Split(l.files[l.newest()].Data, []byte("\n"))[n]
	}
	replace := func(l *made, old, with []byte) {
		f := l.files[l.newest()]
		f.Data = bytes.Replace(f.Data, old, with, 1)
	}
	tests := []struct {
		name  string
		write func(l *made)
		good  int // lines that come all the same
	}{
		{"another event", func(l *made) { l.commit(2); replace(l, []byte("noted"), []byte("moved")) }, 0},
		{"another event later", func(l *made) {
			l.commit(1)
			l.event("last")
			l.commit(1)
			replace(l, []byte("last"), []byte("lost"))
		}, 3},
		{"an event less", func(l *made) { l.commit(2); replace(l, append(line(l, 1), '\n'), nil) }, 0},
		{"an event after the commit", func(l *made) { l.commit(1); l.event("added") }, 3},
		{"a commit without a checkpoint", func(l *made) {
			l.commit(1)
			l.leaf(segline.AppendCommit(nil, 2, created, nil))
		}, 3},
		{"a commit, and another", func(l *made) {
			l.commit(1)
			l.leaf(segline.AppendCommit(nil, 2, created, nil))
			l.commit(1)
		}, 3},
		{"a checkpoint of the intruder's", func(l *made) { l.commit(1); l.signer = signer(t, 66); l.commit(1) }, 0},
		{"a segment of the intruder's", func(l *made) { l.signer = signer(t, 66); l.rotate(); l.commit(1) }, 0},
		{"a header that names the log's key", func(l *made) {
			l.rotate()
			l.signer = signer(t, 66)
			l.commit(1)
		}, 0},
		{"signatures added to a checkpoint", func(l *made) {
			l.commit(1)
			c := l.commits[0]
			note, _ := signing.SignCheckpoint(origin, c.Size, c.Root, l.signer, signer(l.t, 66))
			replace(l, segline.AppendCheckpoint(nil, c.Note), segline.AppendCheckpoint(nil, note))
			l.event("torn")
		}, 3},
		{"a checkpoint twice", func(l *made) { l.commit(1); l.line(segline.AppendCheckpoint(nil, l.commits[0].Note)) }, 3},
		{"a checkpoint before any commit", func(l *made) {
			note, _ := signing.SignCheckpoint(origin, l.tree.Size(), l.tree.Root(), l.signer)
			l.line(segline.AppendCheckpoint(nil, note))
		}, 0},
		{"a second header", func(l *made) { l.commit(1); l.leaf(line(l, 0)); l.commit(1) }, 3},
		{"another name", func(l *made) {
			l.commit(1)
			was := l.newest()
			l.names[0].Created = created.AddDate(0, 0, 1)
			l.files[l.newest()] = l.files[was]
		}, 0},
		{"a line of no kind", func(l *made) { l.commit(1); l.line([]byte("{}")) }, 3},
		{"a cut line", func(l *made) { l.commit(1); f := l.files[l.newest()]; f.Data = append(f.Data, `{"event":`...) }, 3},
		{"a commit that is too large", func(l *made) {
			l.commit(1)
			l.event(string(bytes.Repeat([]byte("x"), mostInCommit)))
			l.commit(1)
		}, 3},
		{"no end", func(l *made) { l.commit(1); l.line(make([]byte, segline.MaxBytes+1)) }, 3},
		{"nothing", func(l *made) { l.files[l.newest()].Data = nil }, 0},
		{"no checkpoint", func(l *made) { l.event("alone") }, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLog(t)
			test.write(l)
			if test.name == "a segment of the intruder's" || test.name == "a header that names the log's key" {
				l.names = l.names[1:]
			}
			lines, err := readChecked(newChecked(t, 7), l, 0)
			assert.Len(t, lines, test.good)
			assert.Error(t, err)
			assert.Equal(t, test.name == "a commit that is too large", errors.Is(err, logdir.ErrLongCommit))
		})
	}
	l := newLog(t)
	l.commit(1)
	keys := []*signing.PublicKey{signer(t, 7).Public()}
	for name, c := range map[string]*logdir.Checked{
		"another origin": logdir.NewChecked("other", logID, keys, mostInCommit),
		"another log":    logdir.NewChecked(origin, signing.LogID{9}, keys, mostInCommit),
		"no key":         newChecked(t),
		"another key":    newChecked(t, 8),
	} {
		lines, err := readChecked(c, l, 0)
		assert.Empty(t, lines, name)
		assert.ErrorIs(t, err, logdir.ErrUnchecked, name)
	}
}

// Whatever byte is changed, all that comes out is what was written, from the beginning on.
func TestCheckedYieldsWhatWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLog(t)
		for range rapid.IntRange(1, 5).Draw(t, "commits") {
			l.commit(rapid.IntRange(0, 4).Draw(t, "events"))
			if rapid.Bool().Draw(t, "rotate") {
				l.rotate()
			}
		}
		l.commit(1)
		f := l.files[rapid.SampledFrom(l.names).Draw(t, "segment").String()]
		at := rapid.IntRange(0, len(f.Data)-1).Draw(t, "at")
		f.Data = bytes.Clone(f.Data)
		f.Data[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "change"))
		lines, _ := readChecked(newChecked(t, 7), l, 0)
		all := l.leaves()
		require.LessOrEqual(t, len(lines), len(all), "lines, of which not all were written")
		require.True(t, slices.EqualFunc(lines, all[:len(lines)], bytes.Equal), "lines, of which not all were written")
	})
}

func TestCheckedStops(t *testing.T) {
	l := newLog(t)
	l.commit(3)
	l.commit(3)
	c := newChecked(t, 7)
	n := 0
	for range c.Segment(segment.NewReader(bytes.NewReader(l.files[l.newest()].Data), "x"), l.names[0]) {
		if n++; n == 2 {
			break
		}
	}
	assert.Equal(t, 2, n, "lines")
	failed := errors.New("failed")
	r := segment.NewReader(io.MultiReader(bytes.NewReader(l.files[l.newest()].Data), fails{failed}), "x")
	n = 0
	for _, err := range newChecked(t, 7).Segment(r, l.names[0]) {
		if n++; err != nil && !errors.Is(err, failed) {
			t.Error(err)
		}
	}
	assert.Equal(t, len(l.leaves())+1, n, "lines")
}

type fails struct{ err error }

func (f fails) Read([]byte) (int, error) { return 0, f.err }

func FuzzChecked(f *testing.F) {
	l := newLog(f)
	l.commit(2)
	l.commit(1)
	good, all := l.files[l.newest()].Data, l.leaves()
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(bytes.Replace(good, []byte("noted"), []byte("moved"), 1))
	f.Fuzz(func(t *testing.T, content []byte) {
		n := 0
		c := newChecked(t, 7)
		for line, err := range c.Segment(segment.NewReader(bytes.NewReader(content), "x"), l.names[0]) {
			if err != nil {
				continue
			}
			if n == len(all) || !bytes.Equal(line.Bytes(), all[n]) {
				t.Fatalf("%q was never written", line.Bytes())
			}
			n++
		}
	})
}
