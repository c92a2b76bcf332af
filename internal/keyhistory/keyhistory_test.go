// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package keyhistory_test

import (
	"bytes"
	"context"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/foreign"
	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
	"github.com/otel-auditlog/auditlogexporter/internal/keyhistory"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// changes is a log whose key changes from the first to the second, and to the third.
type changes struct {
	*logtest.Forger
	keys  []*signing.Signer
	notes [][]byte
}

func newChanges(t *testing.T) *changes {
	t.Helper()
	f := logtest.NewForger(t)
	c := &changes{Forger: f, keys: []*signing.Signer{f.Signer, signingtest.New(t, signing.ECDSAP256), signingtest.New(t, signing.Ed25519)}}
	for _, to := range c.keys[1:] {
		f.Say(map[string]string{"action": "said"})
		f.Commit()
		f.Next(func(h *segment.Header) { h.Keys[0] = segline.KeyOf(to.Public()) })
		f.Introduce(to)
		c.notes = append(c.notes, lastNote(t, f.KeyChanges))
	}
	f.Commit()
	return c
}

// lastNote returns the note of the last line of the file of key changes.
func lastNote(t *testing.T, file []byte) []byte {
	t.Helper()
	lines := bytes.Split(bytes.TrimSuffix(file, []byte("\n")), []byte("\n"))
	note, err := sidefile.ParseKeyChange(lines[len(lines)-1])
	require.NoError(t, err)
	return note
}

// file is the file of key changes with some notes.
func file(notes ...[]byte) (b []byte) {
	for _, n := range notes {
		b = append(sidefile.AppendKeyChange(b, n), '\n')
	}
	return b
}

// forged is a note with another byte where a text stands.
func forged(note []byte, old, with string) []byte {
	return bytes.Replace(note, []byte(old), []byte(with), 1)
}

// The file of key changes has the regular ones, in their order, and says line by line what is wrong
// with others; an intruder's lines hide none of those around them.
func TestRead(t *testing.T) {
	c := newChanges(t)
	first, second := c.notes[0], c.notes[1]
	tests := []struct {
		name  string
		file  []byte
		want  [][]byte
		unfit []string
	}{
		{"nothing", nil, nil, nil},
		{"two changes", file(first, second), [][]byte{first, second}, nil},
		{"the wrong way round", file(second, first), [][]byte{second}, []string{"line 2: a key change at leaf "}},
		{"one twice", file(first, first, second), [][]byte{first, second}, []string{"line 2: a key change at leaf "}},
		{"a signature that is not valid", file(forged(first, "test.example", "evil.example"), second), [][]byte{second}, []string{"line 1: key change: "}},
		{"a line that is none, between", append(append(file(first), "{}\n"...), file(second)...), [][]byte{first, second}, []string{"line 2: "}},
		{"an empty line, between", append(append(file(first), '\n'), file(second)...), [][]byte{first, second}, []string{"line 2: "}},
		{"a note that is none", file([]byte("x\n")), nil, []string{"line 1: key change: "}},
		{"an index that is none", file(first, forged(second, "\n", "\nmore\n")), [][]byte{first}, []string{"line 2: key change: "}},
		{"cut off", file(first, second)[:len(file(first, second))-1], [][]byte{first}, nil},
		{"a line that is too long", append(append(file(first), bytes.Repeat([]byte("x"), sidefile.MaxKeyChangeBytes+1)...), '\n'), [][]byte{first}, []string{"line 2: the line has more than "}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, err := keyhistory.Read(t.Context(), fstest.MapFS{sidefile.KeyChangesName: {Data: test.file}})
			require.NoError(t, err)
			var got [][]byte
			for _, n := range h.Changes {
				got = append(got, n.Note)
			}
			assert.Equal(t, test.want, got)
			require.Len(t, h.Unfit, len(test.unfit), h.Unfit)
			for i, want := range test.unfit {
				assert.Contains(t, h.Unfit[i], want)
			}
			if len(test.want) == 0 {
				assert.Nil(t, h.Last())
			} else {
				assert.Equal(t, test.want[len(test.want)-1], h.Last().Note)
			}
		})
	}
}

// Each change says which key it leads from and to, and at which leaf.
func TestReadSays(t *testing.T) {
	c := newChanges(t)
	h, err := keyhistory.Read(t.Context(), c.Dir())
	require.NoError(t, err)
	require.Len(t, h.Changes, 2)
	for i, n := range h.Changes {
		assert.True(t, n.From.Equal(c.keys[i].Public()), "from")
		assert.True(t, n.To.Equal(c.keys[i+1].Public()), "to")
		assert.Equal(t, c.Head.Origin, n.Origin)
	}
	assert.Less(t, h.Changes[0].Index, h.Changes[1].Index)
	assert.Equal(t, c.Head.FirstIndex, h.Last().Index)
}

// A log without the file has had no other key that it tells of, and what is no file is unfit and not
// opened. A file that cannot be read is an error.
func TestReadWithoutFile(t *testing.T) {
	h, err := keyhistory.Read(t.Context(), fstest.MapFS{})
	require.NoError(t, err)
	assert.Equal(t, &keyhistory.History{}, h)
	for name, mode := range map[string]fs.FileMode{"a link": fs.ModeSymlink, "a pipe": fs.ModeNamedPipe, "a directory": fs.ModeDir} {
		h, err := keyhistory.Read(t.Context(), fstest.MapFS{sidefile.KeyChangesName: {Data: newChanges(t).KeyChanges, Mode: mode}})
		require.NoError(t, err, name)
		assert.Empty(t, h.Changes, name)
		require.Len(t, h.Unfit, 1, name)
		assert.Contains(t, h.Unfit[0], "open key-changes: not a regular file", name)
	}
	_, err = keyhistory.Read(t.Context(), denied{newChanges(t).Dir()})
	require.ErrorIs(t, err, fs.ErrPermission)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = keyhistory.Read(ctx, newChanges(t).Dir())
	require.ErrorIs(t, err, context.Canceled)
}

// denied is a directory whose files cannot be opened.
type denied struct{ fstest.MapFS }

func (denied) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
}

// Of many malformed lines a hundred are told of, and that there are more.
func TestReadManyUnfit(t *testing.T) {
	for lines, want := range map[int]int{100: 100, 101: 101, 5000: 101} {
		h, err := keyhistory.Read(t.Context(), fstest.MapFS{sidefile.KeyChangesName: {Data: []byte(strings.Repeat("x\n", lines))}})
		require.NoError(t, err)
		require.Len(t, h.Unfit, want, "%d lines", lines)
		assert.Equal(t, lines > 100, h.Unfit[want-1] == "what follows was not looked at", "%d lines", lines)
	}
}

// introduced is a segment of the second key; its lines after the header follow.
func introduced(t *testing.T, c *changes, lines ...[]byte) []byte {
	t.Helper()
	header, _, _ := bytes.Cut(c.Text, []byte("\n"))
	return append(bytes.Join(append([][]byte{header}, lines...), []byte("\n")), '\n')
}

// says is the line of an event of the log's own.
func says(action, note string) []byte {
	detail := `{"action":"` + action + `","key_change":` + string(jcs.AppendString(nil, note)) + `}`
	return bytes.TrimSuffix(logtest.BareLine(logtest.OwnEvent(action, detail)), []byte("\n"))
}

// The key change that introduces a segment stands on the line after its header, and nowhere else.
// What stands there is opened, with its signatures, whichever log it is of; that it is this log's is
// for the caller to check. One that is malformed is none to whoever looks for a way on, and an error
// to whoever asks for it.
func TestIntroduced(t *testing.T) {
	c := newChanges(t)
	note := string(c.notes[1])
	other := string(logtest.SignKeyChange(t, signing.KeyChange{Origin: "evil.example/log", Index: 7, Retain: logtest.ForgedAt}, c.keys[0], c.keys[1]))
	record := bytes.TrimSuffix(logtest.BareLine([]byte(`{"key_change":"x"}`)), []byte("\n"))
	tests := []struct {
		name  string
		lines [][]byte
		want  string // the note; "" is none
		wrong string // of Introducing
	}{
		{"the change", [][]byte{says("key_changed", note)}, note, ""},
		{"nothing", nil, "", ""},
		{"on the next line but one", [][]byte{says("opened", ""), says("key_changed", note)}, "", ""},
		{"two of them", [][]byte{says("key_changed", note), says("key_changed", other)}, note, ""},
		{"another action", [][]byte{says("opened", note)}, "", ""},
		{"of another origin", [][]byte{says("key_changed", other)}, other, ""},
		{"with another origin in it", [][]byte{says("key_changed", strings.Replace(note, "test.example", "evil.example", 1))}, "", "key change"},
		{"without signatures", [][]byte{says("key_changed", note[:strings.Index(note, "\n\n")+2])}, "", "key change"},
		{"no note", [][]byte{says("key_changed", "")}, "", "key change"},
		{"an event of somebody else's", [][]byte{record}, "", ""},
		{"no event", [][]byte{[]byte("key_changed")}, "", ""},
		{"an empty line", [][]byte{nil, says("key_changed", note)}, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			plain := introduced(t, c, test.lines...)
			for _, method := range []compression.Method{compression.None, compression.Gzip, compression.Zstd} {
				content := plain
				if method != compression.None {
					content = logtest.Compressed(t, plain, method)
				}
				fsys, f := stored(t, c.Name+method.Suffix(), content)
				got, err := keyhistory.Introducing(t.Context(), fsys, f)
				if test.wrong == "" {
					require.NoError(t, err, method)
				} else {
					require.ErrorContains(t, err, test.wrong, method)
					assert.ErrorContains(t, err, f.Name, method)
				}
				assert.Equal(t, test.want, noteOf(got), "introducing, %s", method)
				assert.Equal(t, test.want, noteOf(afterHeader(t, fsys, f)), "after the header, %s", method)
			}
		})
	}
}

// stored is a segment in a directory.
func stored(t *testing.T, name string, content []byte) (fs.FS, segment.File) {
	t.Helper()
	fsys := fstest.MapFS{name: {Data: content}}
	listing, err := segment.List(fsys)
	require.NoError(t, err)
	require.Len(t, listing.Segments, 1)
	return fsys, listing.Segments[0]
}

// afterHeader returns what AfterHeader finds, once the header has been read.
func afterHeader(t *testing.T, fsys fs.FS, f segment.File) *signing.KeyChange {
	t.Helper()
	r, err := foreign.Open(fsys, f.Name, f.Size)
	require.NoError(t, err)
	defer r.Close()
	_, err = r.Next()
	require.NoError(t, err)
	return keyhistory.AfterHeader(r)
}

func noteOf(n *signing.KeyChange) string {
	if n == nil {
		return ""
	}
	return string(n.Note)
}

// A segment that is cut off within the change has none yet; one without a whole header, and a
// compressed one that is cut off, cannot say.
func TestIntroducedCutOff(t *testing.T) {
	c := newChanges(t)
	plain := introduced(t, c, says("key_changed", string(c.notes[1])))
	fsys, f := stored(t, c.Name, plain[:len(plain)-1])
	got, err := keyhistory.Introducing(t.Context(), fsys, f)
	require.NoError(t, err)
	assert.Nil(t, got)
	assert.Nil(t, afterHeader(t, fsys, f))

	fsys, f = stored(t, c.Name, plain[:bytes.IndexByte(plain, '\n')])
	_, err = keyhistory.Introducing(t.Context(), fsys, f)
	require.ErrorIs(t, err, segline.ErrPartial)
	fsys, f = stored(t, c.Name, nil)
	_, err = keyhistory.Introducing(t.Context(), fsys, f)
	require.ErrorIs(t, err, segline.ErrPartial)

	packed := logtest.Compressed(t, plain, compression.Gzip)
	fsys, f = stored(t, c.Name+compression.Gzip.Suffix(), packed[:len(packed)/2])
	_, err = keyhistory.Introducing(t.Context(), fsys, f)
	require.ErrorIs(t, err, compression.ErrDamaged)
	assert.ErrorContains(t, err, "look for a key change")
}
