// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logdir_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/logdir"
)

// look returns what one look at the log yields.
func look(t fatal, tail *logdir.Tail) (lines [][]byte) {
	t.Helper()
	for line, err := range tail.Lines(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, bytes.Clone(line.Bytes))
	}
	return lines
}

func wantLines(t fatal, got, want [][]byte) {
	t.Helper()
	if !slices.EqualFunc(got, want, bytes.Equal) {
		t.Fatal(fmt.Sprintf("%d lines, not %d:\n%s\nnot\n%s", len(got), len(want), bytes.Join(got, []byte("\n")), bytes.Join(want, []byte("\n"))))
	}
}

// Whatever happens to the log, each line comes once, in order.
func TestTailOfALogThatGrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLog(t)
		tail := logdir.NewTail(l.files, logdir.TailOptions{Committed: true})
		read := 0
		t.Repeat(map[string]func(*rapid.T){
			"commit": func(t *rapid.T) { l.commit(rapid.IntRange(0, 3).Draw(t, "events")) },
			"large":  func(t *rapid.T) { l.commit(400) },
			"event":  func(*rapid.T) { l.event("uncommitted") },
			"rotate": func(t *rapid.T) {
				l.commit(1)
				l.rotate()
			},
			"compress": func(t *rapid.T) {
				if n := rapid.IntRange(0, len(l.names)-1).Draw(t, "n"); n < len(l.names)-1 {
					l.compress(n, rapid.SampledFrom([]compression.Method{compression.Zstd, compression.Gzip}).Draw(t, "compression"))
				}
			},
			"look": func(t *rapid.T) {
				got := look(t, tail)
				want := l.all[read:]
				// The newest segment may have been begun and not committed; older ones are whole.
				wantLines(t, got, want)
				read = len(l.all)
			},
			"stop in between": func(t *rapid.T) {
				for line, err := range tail.Lines(context.Background()) {
					if err != nil || !bytes.Equal(line.Bytes, l.all[read]) || !line.Committed {
						t.Fatalf("%+v, %v", line, err)
					}
					read++
					break
				}
			},
		})
	})
}

// Lines that retention deletes before they are read are missing, and no others.
func TestTailOfALogThatIsPruned(t *testing.T) {
	l := newLog(t)
	l.commit(1)
	l.rotate()
	l.commit(1)
	second := len(l.all)
	l.rotate()
	l.commit(1)
	for _, at := range []string{".", l.names[0].String(), l.names[1].String()} {
		c := newLog(t)
		c.commit(1)
		first := len(c.all)
		c.rotate()
		c.commit(1)
		c.rotate()
		c.commit(1)
		pruned := false
		tail := logdir.NewTail(changing{c.files, func(name string) {
			if name == at && !pruned {
				pruned = true
				c.prune(0)
				c.prune(1)
			}
		}}, logdir.TailOptions{})
		var got [][]byte
		for range 3 {
			got = append(got, look(t, tail)...)
		}
		want := l.all[second:]
		if at == l.names[1].String() {
			want = append(slices.Clone(l.all[:first]), want...)
		}
		wantLines(t, got, want)
	}
}

// A writer that starts again cuts off what no checkpoint covers, and writes other lines there.
func TestTailOfALogThatIsRepaired(t *testing.T) {
	l := newLog(t)
	l.commit(1)
	tail := logdir.NewTail(l.files, logdir.TailOptions{})
	wantLines(t, look(t, tail), l.all)
	end, tree := l.lines.Len(), l.tree
	l.event("torn")
	l.event("torn")
	if got := look(t, tail); len(got) != 2 {
		t.Errorf("%d lines", len(got))
	}
	l.lines.Truncate(end)
	l.tree, l.open = tree, nil
	l.files[l.newest()].Data = bytes.Clone(l.lines.Bytes())
	if got := look(t, tail); len(got) != 0 {
		t.Errorf("%d lines", len(got))
	}
	read := len(l.all)
	l.commit(1)
	wantLines(t, look(t, tail), l.all[read:])
}

func TestTailOptions(t *testing.T) {
	l := newLog(t)
	l.commit(1)
	first := len(l.all)
	l.rotate()
	l.commit(1)
	l.event("uncommitted")
	var entered []string
	tail := logdir.NewTail(l.files, logdir.TailOptions{
		Skip: func(s, next logdir.Segment) bool {
			return s.Name == l.names[0].String() && next.Name == l.names[1].String()
		},
		Enter: func(s logdir.Segment) error { entered = append(entered, s.Name); return nil },
	})
	committed := 0
	var got [][]byte
	for line, err := range tail.Lines(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, bytes.Clone(line.Bytes)); line.Committed {
			committed++
		}
		if content := l.files[line.Segment.Name].Data; !bytes.Equal(content[line.Offset:line.End-1], line.Bytes) {
			t.Errorf("%q is not at %d to %d", line.Bytes, line.Offset, line.End)
		}
	}
	wantLines(t, got, append(slices.Clone(l.all[first:]), l.open...))
	if committed != len(l.all)-first || !slices.Equal(entered, []string{l.newest()}) || !tail.Started() {
		t.Errorf("%d lines are committed; entered %q", committed, entered)
	}

	stop := errors.New("stop")
	tail = logdir.NewTail(l.files, logdir.TailOptions{Enter: func(logdir.Segment) error { return stop }})
	for _, err := range tail.Lines(t.Context()) {
		if err != stop {
			t.Error(err)
		}
	}
	clear(l.files)
	tail = logdir.NewTail(l.files, logdir.TailOptions{})
	if got := look(t, tail); got != nil || tail.Started() {
		t.Errorf("%d lines of no log", len(got))
	}
}

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(t)
		l.commit(1)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		tail := logdir.NewTail(l.files, logdir.TailOptions{Committed: true})
		var got [][]byte
		for line, err := range tail.Follow(ctx, time.Second) {
			if err != nil {
				t.Fatal(err)
			}
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
