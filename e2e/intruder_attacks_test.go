// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// when an attack changes the directory. It is undone when the collector has stopped again.
type when string

const (
	stopped when = "stopped" // between a stop and a start
	running when = "running" // while the collector writes
)

// outcome of an attack, once it is undone.
type holds string

const (
	// intact: each record that was ever acknowledged is in the log, both verifiers find
	// nothing wrong, and the log has deleted nothing.
	intact holds = "intact"
	// refused is intact, and nothing is acknowledged while the change lasts.
	refusedMeanwhile holds = "refused meanwhile"
	// found: the intruder has destroyed something that nobody can bring back. Both verifiers
	// say so.
	lossFound holds = "loss found"
)

// attack is a program that changes a log's directory, and how that is undone: see
// [intruder].
type attack struct {
	name   string
	when   when
	change func(i *intruder)
	must   holds
	rare   bool // one of many of its kind
}

// attacks are by what the writer might go by: docs/threat-model.md has the same in its
// table of what is read from the directory.
func attacks() (all []attack) {
	add := func(name string, at when, must holds, change func(i *intruder)) {
		all = append(all, attack{name: name, when: at, change: change, must: must})
	}
	both := func(name string, must holds, change func(i *intruder)) {
		add(name, stopped, must, change)
		add(name, running, must, change)
	}

	both(unchanged, intact, func(*intruder) {})

	// Names: when is a segment old, where does it stand?
	both("sealed segments renamed to an older time", intact, func(i *intruder) {
		for _, name := range i.sealed() {
			i.rename(name, older)
		}
	})
	both("a sealed segment renamed to a time to come", intact, func(i *intruder) { i.rename(i.sealed()[1], newer) })
	add("all segments renamed to an older time", stopped, intact, func(i *intruder) {
		for _, name := range i.segments() {
			i.rename(name, older)
		}
	})
	both("a sealed segment renamed to another index", intact, func(i *intruder) {
		i.rename(i.sealed()[1], func(n *segment.Name) { n.FirstIndex++ })
	})
	add("the newest segment renamed to a later index", stopped, intact, func(i *intruder) {
		i.rename(i.active(), func(n *segment.Name) { n.FirstIndex += 1000 })
	})

	// Sizes: is there too much of the log?
	both("a sealed segment made sparse", intact, func(i *intruder) { i.grow(i.sealed()[0], 64<<20) })
	// So that those before it are what is too much.
	both("the last sealed segment made sparse", intact, func(i *intruder) {
		i.grow(i.sealed()[len(i.sealed())-1], mostBytes-i.stored()+100)
	})
	add("the newest segment made sparse", stopped, intact, func(i *intruder) { i.grow(i.active(), 3<<20) })

	// Counts: are there too many segments?
	for place, at := range map[string]func(i *intruder) uint64{
		"in front": func(*intruder) uint64 { return 0 },
		"between":  widest,
		"behind":   func(i *intruder) uint64 { return index(i, i.active()) + 1000 },
	} {
		both("empty files with names of segments "+place, intact, func(i *intruder) {
			first := at(i)
			// As many as have some of the log's own be too many.
			for n := range uint64(mostSegments + 3 - len(i.segments())) {
				name := segment.Name{FirstIndex: first + n, Compression: compression.None}
				older(&name)
				i.plant(name.String(), nil)
			}
		})
	}
	both("copies of a segment with other names", intact, func(i *intruder) {
		content := i.read(i.sealed()[0])
		for n := range uint64(mostSegments) {
			name := segment.Name{FirstIndex: 1<<40 + n, Compression: compression.None}
			older(&name)
			i.plant(name.String(), content)
		}
	})

	// What headers say.
	both("headers that say an older time", intact, func(i *intruder) {
		for _, name := range i.sealed() {
			i.edit(name, createdBefore)
		}
	})
	both("headers and names that say an older time", intact, func(i *intruder) {
		for _, name := range i.sealed() {
			i.edit(name, createdBefore)
			i.rename(name, older)
		}
	})
	both("a header with another index", intact, func(i *intruder) { i.edit(i.sealed()[1], changed(0, `"first_index":`, `"first_index":1`)) })
	both("a header with another origin", intact, func(i *intruder) { i.edit(i.sealed()[1], changed(0, `"origin":"`, `"origin":"x`)) })
	both("a header that is none", intact, func(i *intruder) { i.edit(i.sealed()[1], changed(0, `{`, `[`)) })
	add("the newest header says an older time", stopped, intact, func(i *intruder) { i.edit(i.active(), createdBefore) })

	// What segments hold.
	both("an event's byte changed in a sealed segment", intact, func(i *intruder) {
		i.edit(i.sealed()[1], func(lines [][]byte) [][]byte { return changed(lastEvent(lines), `"level":"`, `"level":"x`)(lines) })
	})
	add("a byte changed in the last commit", stopped, intact, func(i *intruder) {
		i.edit(i.active(), func(lines [][]byte) [][]byte { return changed(lastEvent(lines), `"level":"`, `"level":"x`)(lines) })
	})
	add("a byte changed in the last commit, and the checkpoint file taken away", stopped, refusedMeanwhile, func(i *intruder) {
		i.take("checkpoint")
		i.edit(i.active(), func(lines [][]byte) [][]byte { return changed(lastEvent(lines), `"level":"`, `"level":"x`)(lines) })
	})
	add("the last commit cut off, and the checkpoint file taken away", stopped, refusedMeanwhile, func(i *intruder) {
		i.take("checkpoint")
		i.edit(i.active(), func(lines [][]byte) [][]byte { return lines[:len(lines)-4] })
	})
	add("the newest segment taken away, and the checkpoint file", stopped, refusedMeanwhile, func(i *intruder) {
		i.take("checkpoint")
		i.take(i.active())
	})
	both("a sealed segment taken away", intact, func(i *intruder) { i.take(i.sealed()[1]) })
	both("the oldest segment taken away", intact, func(i *intruder) { i.take(i.sealed()[0]) })
	both("all sealed segments taken away", intact, func(i *intruder) {
		for _, name := range i.sealed() {
			i.take(name)
		}
	})
	add("another log's segment put at the end", stopped, intact, func(i *intruder) {
		foreign := segments(i.t, i.other)
		content, err := os.ReadFile(filepath.Join(i.other, foreign[len(foreign)-1]))
		require.NoError(i.t, err)
		name := segment.Name{FirstIndex: 1 << 40, Compression: compression.None}
		newer(&name)
		i.plant(name.String(), content)
	})

	// Ids: which records does the log have?
	both("a line of a record to come slipped into a sealed segment", intact, func(i *intruder) {
		i.edit(i.sealed()[len(i.sealed())-1], slip(i.known))
	})
	both("a line with an id to come slipped into a sealed segment", intact, func(i *intruder) {
		i.edit(i.sealed()[len(i.sealed())-1], slip(i.reused))
	})
	add("lines with ids to come slipped into the newest segment", stopped, intact, func(i *intruder) {
		i.edit(i.active(), func(lines [][]byte) [][]byte { return slip(i.reused)(slip(i.known)(lines)) })
	})
	add("lines with ids to come behind the last commit", stopped, intact, func(i *intruder) {
		i.append(i.active(), slices.Concat(i.known, i.reused))
	})
	add("lines with ids to come in a segment of their own", stopped, intact, func(i *intruder) {
		lines := bytes.SplitAfter(i.read(i.active()), []byte("\n"))
		name := segment.Name{FirstIndex: index(i, i.active()) + 1, Compression: compression.None}
		newer(&name)
		i.plant(name.String(), slices.Concat(lines[0], i.known, i.reused))
	})
	both("lines with ids to come in a segment between others", intact, func(i *intruder) {
		lines := bytes.SplitAfter(i.read(i.sealed()[1]), []byte("\n"))
		name := segment.Name{FirstIndex: index(i, i.sealed()[1]) + 1, Compression: compression.None}
		newer(&name)
		i.plant(name.String(), slices.Concat(lines[0], i.known, i.reused))
	})

	// Streams: how far are they?
	both("a record further on in a stream slipped into a sealed segment", intact, func(i *intruder) {
		i.edit(i.sealed()[len(i.sealed())-1], slip(i.ahead))
	})
	add("a record further on in a stream slipped into the newest segment", stopped, intact, func(i *intruder) { i.edit(i.active(), slip(i.ahead)) })
	add("a record further on in a stream behind the last commit, with a checkpoint line", stopped, intact, func(i *intruder) {
		lines := bytes.SplitAfter(i.read(i.active()), []byte("\n"))
		i.append(i.active(), slices.Concat(i.ahead, lines[len(lines)-2]))
	})

	// Both forms of a segment.
	both("the other form of a sealed segment, with equal content", intact, func(i *intruder) { plantOtherForm(i, i.read(i.sealed()[0])) })
	both("the other form of a sealed segment, with other content", intact, func(i *intruder) {
		plantOtherForm(i, append(i.read(i.sealed()[0]), i.known...))
	})
	both("the other form of a sealed segment, of no form at all", intact, func(i *intruder) {
		name := otherForm(i, i.sealed()[0]).String()
		i.replace(name, contentOf(i, []byte("neither plain nor compressed")))
	})

	// The other files.
	for _, file := range []string{"checkpoint", sidefile.KeyChangesName, sidefile.PrunedRangesName} {
		both(file+" taken away", intact, func(i *intruder) { i.take(file) })
		both(file+" with garbage at its end", intact, func(i *intruder) { i.append(file, []byte("garbage\n")) })
		both(file+" with half a line at its end", intact, func(i *intruder) { i.append(file, []byte(`{"gar`)) })
		both(file+" of garbage", intact, func(i *intruder) { i.replace(file, contentOf(i, []byte("garbage\n"))) })
		both(file+" that is empty", intact, func(i *intruder) { i.replace(file, contentOf(i, nil)) })
		both(file+" of another log", intact, func(i *intruder) {
			foreign, err := os.ReadFile(filepath.Join(i.other, file))
			require.NoError(i.t, err)
			i.replace(file, contentOf(i, foreign))
		})
	}
	both("an older checkpoint file", intact, func(i *intruder) { i.replace("checkpoint", contentOf(i, firstCheckpoint(i))) })
	add("an older checkpoint file, and the log as old", stopped, refusedMeanwhile, func(i *intruder) {
		first := firstCheckpoint(i)
		i.replace("checkpoint", contentOf(i, first))
		i.edit(i.active(), func(lines [][]byte) [][]byte { return lines[:len(lines)-4] })
	})
	both("pruned ranges that claim more than was deleted", intact, func(i *intruder) {
		all := bytes.SplitAfter(i.read(sidefile.PrunedRangesName), []byte("\n"))
		r, err := sidefile.ParsePrunedRange(bytes.TrimSuffix(all[len(all)-2], []byte("\n")))
		require.NoError(i.t, err)
		r.Size += 1000
		i.append(sidefile.PrunedRangesName, append(sidefile.AppendPrunedRange(nil, r), '\n'))
	})
	both("a key change twice", intact, func(i *intruder) { i.append(sidefile.KeyChangesName, i.read(sidefile.KeyChangesName)) })

	// Files of the writer's own that are not part of the log.
	for _, file := range []string{
		"torn-00000000000000000005-0123456789abcdef.tail", "checkpoint.tmp", sidefile.KeyChangesName + ".tmp",
		"audit-00000000000000000005-20260101T000000Z.jsonl.tmp", "audit-00000000000000000005-20260101T000000Z.values", "foreign", ".lock",
	} {
		both(file+" added or changed", intact, func(i *intruder) { i.replace(file, contentOf(i, []byte("x\n"))) })
	}
	both("a tail that says it was set aside just now", intact, func(i *intruder) {
		kept := size(i)
		i.plant(fmt.Sprintf("torn-%020d-0123456789abcdef.tail", kept), []byte("x\n"))
	})
	both("an unfinished file that is a second name of a sealed segment", intact, func(i *intruder) {
		name := i.sealed()[0]
		require.NoError(i.t, os.Link(i.path(name), i.path(name+".tmp")))
		i.clear(name + ".tmp")
	})
	add("a sealed segment renamed to an unfinished file", stopped, lossFound, func(i *intruder) {
		name := i.sealed()[0]
		require.NoError(i.t, os.Rename(i.path(name), i.path(name+".tmp")))
		i.later(func() { _ = os.Rename(i.path(name+".tmp"), i.path(name)) })
	})

	// Things that are no regular file.
	begun := len(all)
	places := map[string]func(i *intruder) string{
		"the oldest segment":      func(i *intruder) string { return i.sealed()[0] },
		"the last sealed segment": func(i *intruder) string { return i.sealed()[len(i.sealed())-1] },
		"a segment to come":       func(*intruder) string { return "audit-00000001099511627776-20260101T000000Z.jsonl" },
		"an unfinished segment":   func(*intruder) string { return "audit-00000000000000000005-20260101T000000Z.jsonl.tmp" },
		"a tail":                  func(i *intruder) string { return fmt.Sprintf("torn-%020d-0123456789abcdef.tail", size(i)) },
		"the opened values":       func(*intruder) string { return "audit-00000000000000000005-20260101T000000Z.values" },
	}
	for _, file := range []string{"checkpoint", "checkpoint.tmp", sidefile.KeyChangesName, sidefile.PrunedRangesName, ".lock"} {
		places[file] = func(*intruder) string { return file }
	}
	for what, place := range places {
		for kind, by := range map[string]func(i *intruder) func(string){
			"a link":      func(i *intruder) func(string) { return i.link },
			"a pipe":      func(i *intruder) func(string) { return i.fifo },
			"a directory": func(i *intruder) func(string) { return i.directory },
		} {
			both(fmt.Sprintf("%s in place of %s", kind, what), intact, func(i *intruder) { i.replace(place(i), by(i)) })
		}
	}
	for n := range all[begun:] {
		all[begun+n].rare = true
	}
	for kind, by := range map[string]func(i *intruder) func(string){
		"a link":      func(i *intruder) func(string) { return i.link },
		"a pipe":      func(i *intruder) func(string) { return i.fifo },
		"a directory": func(i *intruder) func(string) { return i.directory },
	} {
		add(kind+" in place of the newest segment", stopped, refusedMeanwhile, func(i *intruder) { i.replace(i.active(), by(i)) })
	}

	// The directory itself.
	add("the directory emptied", stopped, refusedMeanwhile, (*intruder).emptied)
	add("the directory emptied of all but the lock", stopped, refusedMeanwhile, func(i *intruder) {
		i.emptied()
		i.plant(".lock", nil)
	})
	slices.SortStableFunc(all, func(a, b attack) int { return strings.Compare(string(a.when)+a.name, string(b.when)+b.name) })
	return all
}

// unchanged is the name of what is no attack.
const unchanged = "nothing is changed"

// What the logs may keep.
const (
	mostSegments = 40
	mostBytes    = 1 << 20
)

// index returns the index in a segment's name.
func index(i *intruder, name string) uint64 {
	parsed, err := segment.ParseName(name)
	require.NoError(i.t, err)
	return parsed.FirstIndex
}

// widest returns the index behind that of the sealed segment with the most leaves, but
// for the newest: so many indexes are free.
func widest(i *intruder) (from uint64) {
	all := i.segments()
	most := uint64(0)
	for n, name := range all[:len(all)-1] {
		if here, next := index(i, name), index(i, all[n+1]); next-here > most {
			from, most = here+1, next-here
		}
	}
	require.Greater(i.t, most, uint64(mostSegments))
	return from
}

// size returns the size in the checkpoint file.
func size(i *intruder) (n uint64) {
	_, rest, _ := bytes.Cut(i.read("checkpoint"), []byte("\n"))
	_, err := fmt.Sscan(string(rest), &n)
	require.NoError(i.t, err)
	return n
}

func contentOf(i *intruder, content []byte) func(path string) {
	return func(path string) { require.NoError(i.t, os.WriteFile(path, content, 0o600)) }
}

// firstCheckpoint returns the oldest checkpoint in the newest segment.
func firstCheckpoint(i *intruder) []byte {
	for line := range bytes.Lines(i.read(i.active())) {
		var l struct{ Checkpoint string }
		if segment.KindOf(bytes.TrimSuffix(line, []byte("\n"))) == segline.KindCheckpoint {
			require.NoError(i.t, json.Unmarshal(line, &l))
			return []byte(l.Checkpoint)
		}
	}
	require.FailNow(i.t, "no checkpoint")
	return nil
}

// otherForm returns the name of a segment in the form that it is not stored in.
func otherForm(i *intruder, name string) segment.Name {
	parsed, err := segment.ParseName(name)
	require.NoError(i.t, err)
	if parsed.Compression == compression.None {
		parsed.Compression = compression.Gzip
	} else {
		parsed.Compression = compression.None
	}
	return parsed
}

// plantOtherForm puts the other form of the oldest segment next to it. Undoing removes
// the planted one, unless the writer has kept that one alone, as good as the other.
func plantOtherForm(i *intruder, content []byte) {
	name := i.sealed()[0]
	planted := otherForm(i, name).String()
	i.write(planted, content) // its form goes by the name
	i.later(func() {
		if !i.missing(name) {
			require.NoError(i.t, os.RemoveAll(i.path(planted)))
		}
	})
}
