// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package idempotency_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/idempotency"
)

// logged is what a plain model remembers of one event.
type logged struct {
	id, content string
	at          time.Time
}

func contentOf(s string) (c idempotency.Content) {
	copy(c[:], s)
	return c
}

// The index says what a list of the newest events says, whatever is staged, kept, dropped.
func TestIndexFollowsTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		maxEvents := rapid.IntRange(1, 6).Draw(t, "maxEvents")
		maxAge := rapid.SampledFrom([]time.Duration{0, 3 * time.Second}).Draw(t, "maxAge")
		x := idempotency.NewIndex(maxEvents, maxAge)
		now := time.Unix(1_800_000_000, 0)
		var kept, staged []logged
		// An event that came when another with its id was known stands behind that one:
		// the first is the one to compare with.
		known := func(id, content string) idempotency.Verdict {
			for maxAge > 0 && len(kept) > 0 && now.Sub(kept[0].at) > maxAge {
				kept = kept[1:]
			}
			verdict := idempotency.New
			for _, e := range append(append([]logged(nil), kept...), staged...) {
				switch {
				case e.id == id && e.content == content:
					return idempotency.Same
				case e.id == id:
					verdict = idempotency.Other
				}
			}
			return verdict
		}
		t.Repeat(map[string]func(*rapid.T){
			"stage": func(t *rapid.T) {
				id := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "g", "h"}).Draw(t, "id")
				content := contentOf("1")
				want := known(id, "1")
				got, _ := x.Check(idempotency.IDOf("", id), content, now)
				require.Equal(t, want, got, id)
				if got == idempotency.New {
					x.Stage(idempotency.IDOf("", id), content, got)
					staged = append(staged, logged{id, "1", now})
				}
			},
			"conflict": func(t *rapid.T) {
				id := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "id")
				got, first := x.Check(idempotency.IDOf("", id), contentOf("2"), now)
				if known(id, "1") != idempotency.Same {
					return
				}
				if got != idempotency.Other && got != idempotency.Same || first != contentOf("1") {
					t.Fatalf("%s: %v, %x", id, got, first)
				}
			},
			"commit": func(*rapid.T) {
				for _, e := range staged {
					kept = append(kept, logged{e.id, e.content, now})
				}
				staged = nil
				x.Commit(now)
				if len(kept) > maxEvents {
					kept = kept[len(kept)-maxEvents:]
				}
				for maxAge > 0 && len(kept) > 0 && now.Sub(kept[0].at) > maxAge {
					kept = kept[1:]
				}
			},
			"unstage": func(*rapid.T) {
				staged = nil
				x.Unstage()
			},
			"wait":  func(t *rapid.T) { now = now.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "s")) * time.Second) },
			"clear": func(*rapid.T) { kept, staged = nil, nil; x.Clear() },
			"": func(t *rapid.T) {
				got, want := x.Len(), len(kept)+len(staged)
				require.Equal(t, want, got)
			},
		})
	})
}

// What is too old is not known, though nothing else was written since; what takes its place is.
func TestAgeWithoutACommit(t *testing.T) {
	const maxAge = 1500 * time.Millisecond
	for name, tt := range map[string]struct {
		after time.Duration
		want  idempotency.Verdict
	}{
		"at once":      {0, idempotency.Other},
		"just in time": {maxAge, idempotency.Other},
		"too late":     {maxAge + 1, idempotency.New},
		"a year later": {365 * 24 * time.Hour, idempotency.New},
	} {
		t.Run(name, func(t *testing.T) {
			x := idempotency.NewIndex(10, maxAge)
			now := time.Unix(1_800_000_000, 0)
			id := idempotency.IDOf("", "a")
			x.Check(id, contentOf("1"), now)
			x.Stage(id, contentOf("1"), idempotency.New)
			x.Commit(now)
			now = now.Add(tt.after)
			v, _ := x.Check(id, contentOf("2"), now)
			require.Equal(t, tt.want, v)
			if tt.want != idempotency.New {
				return
			}
			x.Stage(id, contentOf("2"), idempotency.New)
			x.Commit(now)
			if v, _ := x.Check(id, contentOf("2"), now); v != idempotency.Same || x.Len() != 1 {
				t.Fatalf("%v, %d events", v, x.Len())
			}
		})
	}
}

// Of several events with one id, each is known, and the first is what others are compared with.
func TestVariants(t *testing.T) {
	x := idempotency.NewIndex(10, 0)
	now := time.Now()
	id := idempotency.IDOf("", "a")
	for _, c := range []string{"1", "2", "3"} {
		v, _ := x.Check(id, contentOf(c), now)
		x.Stage(id, contentOf(c), v)
	}
	x.Commit(now)
	for _, c := range []string{"1", "2", "3"} {
		v, first := x.Check(id, contentOf(c), now)
		assert.Equal(t, idempotency.Same, v, c)
		assert.Equal(t, contentOf("1"), first, c)
	}
	v, first := x.Check(id, contentOf("4"), now)
	assert.Equal(t, idempotency.Other, v)
	assert.Equal(t, contentOf("1"), first)
}

// Of many more events than there is room for, in commits some of which fail, the newest are
// known and the others are not.
func TestManyEvents(t *testing.T) {
	const room, each = 5000, 700
	x := idempotency.NewIndex(room, 0)
	now := time.Unix(1_800_000_000, 0)
	id := func(i int) idempotency.ID { return idempotency.IDOf("", fmt.Sprint(i)) }
	written := 0
	for commit := range 60 {
		for i := range each {
			v, _ := x.Check(id(written+i), contentOf("1"), now)
			require.Equal(t, idempotency.New, v, "event %d", written+i)
			x.Stage(id(written+i), contentOf("1"), idempotency.New)
		}
		if commit%3 == 1 {
			x.Unstage()
			continue
		}
		written += each
		x.Commit(now)
		require.Equal(t, min(written, room), x.Len())
	}
	for i := range written {
		want := idempotency.New
		if i >= written-room {
			want = idempotency.Same
		}
		v, _ := x.Check(id(i), contentOf("1"), now)
		require.Equal(t, want, v, "event %d of %d", i, written)
	}
}

// BenchmarkIndex checks and takes in events, in commits of 1,000, with room for 100,000.
func BenchmarkIndex(b *testing.B) {
	x := idempotency.NewIndex(100_000, time.Hour)
	now := time.Now()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		id := idempotency.IDOf("", fmt.Sprintf("%032d", i))
		if v, _ := x.Check(id, idempotency.Content{}, now); v == idempotency.New {
			x.Stage(id, idempotency.Content{}, v)
		}
		if i++; i%1000 == 0 {
			x.Commit(now)
		}
	}
}
