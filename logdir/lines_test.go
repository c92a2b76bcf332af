// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logdir_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/logdir"
)

func wantLines(t require.TestingT, got, want [][]byte) {
	require.True(t, slices.EqualFunc(got, want, bytes.Equal), "%d lines, not %d:\n%s\nnot\n%s", len(got), len(want), bytes.Join(got, []byte("\n")), bytes.Join(want, []byte("\n")))
}

// Whatever happens to a log that is followed, each line comes once, in order.
func TestLinesOfALogThatGrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLog(t)
		actions := []func(){
			func() { l.commit(rapid.IntRange(0, 3).Draw(t, "events")) },
			func() { l.commit(400) },
			func() { l.event("uncommitted") },
			func() { l.commit(1); l.rotate() },
			func() {
				if n := rapid.IntRange(0, len(l.names)-1).Draw(t, "n"); n < len(l.names)-1 {
					l.compress(n, rapid.SampledFrom([]compression.Method{compression.Zstd, compression.Gzip}).Draw(t, "compression"))
				}
			},
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var got [][]byte
		looks := 0
		o := logdir.LinesOptions{Follow: time.Nanosecond, Committed: true, Idle: func() error {
			// The newest segment may have been begun and not committed; older ones are whole.
			wantLines(t, got, l.all)
			for _, act := range rapid.SliceOfN(rapid.SampledFrom(actions), 0, 4).Draw(t, "actions") {
				act()
			}
			if looks++; looks == 10 {
				cancel()
			}
			return nil
		}}
		for line, err := range logdir.Lines(ctx, l.files, o) {
			require.NoError(t, err, "%+v", line)
			require.True(t, line.Committed, "%+v", line)
			got = append(got, bytes.Clone(line.Bytes))
		}
	})
}

// Lines that retention deletes before they are read are missing, and no others.
func TestLinesOfALogThatIsPruned(t *testing.T) {
	log := func() (l *made, first, second int) {
		l = newLog(t)
		l.commit(1)
		first = len(l.all)
		l.rotate()
		l.commit(1)
		second = len(l.all)
		l.rotate()
		l.commit(1)
		return l, first, second
	}
	l, first, second := log()
	for _, at := range []string{".", l.names[0].String(), l.names[1].String()} {
		c, _, _ := log()
		pruned := false
		fsys := changing{c.files, func(name string) {
			if name == at && !pruned {
				pruned = true
				c.prune(0)
				c.prune(1)
			}
		}}
		ctx, cancel := context.WithCancel(t.Context())
		var got [][]byte
		looks := 0
		for line, err := range logdir.Lines(ctx, fsys, logdir.LinesOptions{Follow: time.Nanosecond, Idle: func() error {
			if looks++; looks == 3 {
				cancel()
			}
			return nil
		}}) {
			require.NoError(t, err)
			got = append(got, bytes.Clone(line.Bytes))
		}
		cancel()
		want := l.all[second:]
		if at == l.names[1].String() {
			want = append(slices.Clone(l.all[:first]), want...)
		}
		wantLines(t, got, want)
	}
}

// A writer that starts again cuts off what no checkpoint covers, and writes other lines there.
func TestLinesOfALogThatIsRepaired(t *testing.T) {
	l := newLog(t)
	l.commit(1)
	var got [][]byte
	take := func(want [][]byte) {
		t.Helper()
		wantLines(t, got, want)
		got = nil
	}
	end, tree, read := l.lines.Len(), l.tree, len(l.all)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	looks := []func(){
		func() { take(l.all); l.event("torn"); l.event("torn") },
		func() {
			take(l.open)
			l.lines.Truncate(end)
			l.tree, l.open = tree, nil
			l.files[l.newest()].Data = bytes.Clone(l.lines.Bytes())
		},
		func() { take(nil); l.commit(1) },
		func() { take(l.all[read:]); cancel() },
	}
	for line, err := range logdir.Lines(ctx, l.files, logdir.LinesOptions{Follow: time.Nanosecond, Idle: func() error {
		looks[0]()
		looks = looks[1:]
		return nil
	}}) {
		require.NoError(t, err)
		got = append(got, bytes.Clone(line.Bytes))
	}
}

func TestLinesOptions(t *testing.T) {
	l := newLog(t)
	l.commit(1)
	first := len(l.all)
	l.rotate()
	l.commit(1)
	l.event("uncommitted")
	var entered []string
	o := logdir.LinesOptions{
		Skip: func(s, next logdir.Segment) bool {
			return s.Name == l.names[0].String() && next.Name == l.names[1].String()
		},
		Enter: func(s logdir.Segment) error { entered = append(entered, s.Name); return nil },
	}
	committed := 0
	var got [][]byte
	for line, err := range logdir.Lines(t.Context(), l.files, o) {
		require.NoError(t, err)
		if got = append(got, bytes.Clone(line.Bytes)); line.Committed {
			committed++
		}
		assert.Equal(t, line.Bytes, l.files[line.Segment.Name].Data[line.Offset:line.End-1], "%q is not at %d to %d", line.Bytes, line.Offset, line.End)
	}
	wantLines(t, got, append(slices.Clone(l.all[first:]), l.open...))
	if committed != len(l.all)-first || !slices.Equal(entered, []string{l.newest()}) {
		t.Errorf("%d lines are committed; entered %q", committed, entered)
	}
	wantLines(t, linesIn(t, l.files, logdir.LinesOptions{Committed: true}), l.all)
	for range logdir.Lines(t.Context(), l.files, logdir.LinesOptions{}) {
		break // and no more is read
	}
}

func TestLinesEndWithAnError(t *testing.T) {
	l := newLog(t)
	l.commit(1)
	stop := errors.New("stop")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		name  string
		ctx   context.Context
		fsys  fs.FS
		o     logdir.LinesOptions
		lines int
		is    error
	}{
		{"Enter fails", t.Context(), l.files, logdir.LinesOptions{Enter: func(logdir.Segment) error { return stop }}, 0, stop},
		{"Idle fails", t.Context(), l.files, logdir.LinesOptions{Follow: time.Second, Idle: func() error { return stop }}, len(l.all), stop},
		{"no log", t.Context(), fstest.MapFS{}, logdir.LinesOptions{}, 0, logdir.ErrNoLog},
		{"no log to follow", t.Context(), fstest.MapFS{}, logdir.LinesOptions{Follow: time.Second}, 0, logdir.ErrNoLog},
		{"canceled", canceled, l.files, logdir.LinesOptions{}, 0, context.Canceled},
		{"following ends", canceled, l.files, logdir.LinesOptions{Follow: time.Second}, 0, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			lines := 0
			var last error
			for _, err := range logdir.Lines(test.ctx, test.fsys, test.o) {
				assert.NoError(t, last, "something follows")
				if last = err; err == nil {
					lines++
				}
			}
			assert.ErrorIs(t, last, test.is)
			assert.Equal(t, test.lines, lines)
		})
	}
}

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(t)
		l.commit(1)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var got [][]byte
		for line, err := range logdir.Lines(ctx, l.files, logdir.LinesOptions{Follow: time.Second, Committed: true}) {
			require.NoError(t, err)
			got = append(got, bytes.Clone(line.Bytes))
			if len(got) == len(l.all) && len(l.commits) < 4 { // the log goes on
				l.commit(1)
				if len(l.commits) == 3 {
					l.rotate()
				}
			} else if len(got) == len(l.all) {
				cancel()
			}
		}
		wantLines(t, got, l.all)
	})
}
