// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/idempotency"
	"github.com/otel-auditlog/auditlogexporter/internal/segname"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// An intruder writes to the directory while the log is closed, has no key, and would have
// the writer act on what he wrote.

// limits is retention that a log of eight small segments, just written, is far from.
var limits = rotation.Retention{MaxSegments: 12, MaxAge: 24 * time.Hour, MaxTotalBytes: 64 << 10}

// sealedLog writes a log of eight segments and returns the options that it goes on with.
func sealedLog(t *testing.T, c compression.Method) rotation.Options {
	t.Helper()
	o := options(t)
	u := failing(t, o.Directory, func(string, string) bool { return false })
	o.FS, o.MaxSegmentBytes, o.Compression = u, 1, c
	l := open(t, o)
	for _, id := range numbered("id", 7) {
		mustAppend(t, l, o, id)
	}
	want := func() bool { return c == compression.None || compressed(segmentNames(t, o.Directory)[:6]) }
	u.await(t, l, o, "compression", want)
	closeLog(t, l)
	return o
}

// anew returns the file system once more, with which nothing is wrong.
func anew(o rotation.Options) upkeep { return o.FS.(upkeep) }

func rename(t *testing.T, dir, from, to string) {
	t.Helper()
	if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
		t.Fatal(err)
	}
}

// older returns a segment's name with a time long past.
func older(t *testing.T, name string) string {
	t.Helper()
	n, err := segment.ParseName(name)
	if err != nil {
		t.Fatal(err)
	}
	n.Created = n.Created.Add(-400 * 24 * time.Hour)
	return n.String()
}

// Whatever is changed while the log is closed, nothing is deleted that was not due; where the
// change can be seen, the log says so, names a file, and deletes nothing any more.
func TestIntruderCannotHaveEvidenceDeleted(t *testing.T) {
	for _, tt := range []struct {
		name string
		// change changes the directory whose sealed segments have these names.
		change func(t *testing.T, dir string, sealed []string)
		packed bool
	}{
		{"all renamed to an older time", func(t *testing.T, dir string, sealed []string) {
			for _, name := range sealed {
				rename(t, dir, name, older(t, name))
			}
		}, true},
		{"one renamed to an older time", func(t *testing.T, dir string, sealed []string) {
			rename(t, dir, sealed[2], older(t, sealed[2]))
		}, true},
		{"one made sparse", func(t *testing.T, dir string, sealed []string) {
			if err := os.Truncate(filepath.Join(dir, sealed[1]), 1<<30); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"a long checkpoint", func(t *testing.T, dir string, sealed []string) {
			change(t, filepath.Join(dir, sealed[1]), func(b []byte) []byte {
				return bytes.Replace(b, []byte("\\n\\n"), []byte("\\n\\n"+strings.Repeat("— test.example/auditlog AAAAAAAAAAAA\\n", 5000)), 1)
			})
		}, false},
		{"lines that are no leaves added", func(t *testing.T, dir string, sealed []string) {
			change(t, filepath.Join(dir, sealed[1]), func(b []byte) []byte {
				last := b[bytes.LastIndexByte(b[:len(b)-1], '\n')+1:]
				return append(b, bytes.Repeat(last, 500)...)
			})
		}, false},
		{"empty files with the names of segments", func(t *testing.T, dir string, sealed []string) {
			for i := range uint64(20) {
				n, err := segment.ParseName(sealed[5])
				if err != nil {
					t.Fatal(err)
				}
				n.FirstIndex, n.Compression = i+1, compression.None
				if slices.ContainsFunc(sealed, func(s string) bool { return strings.HasPrefix(s, n.String()[:27]) }) {
					continue // two segments that begin at the same leaf are refused at once
				}
				if err := os.WriteFile(filepath.Join(dir, n.String()), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}, true},
		{"a commit's time changed", func(t *testing.T, dir string, sealed []string) {
			change(t, filepath.Join(dir, sealed[0]), func(b []byte) []byte {
				at := bytes.Index(b, []byte(`"time":"20`)) + len(`"time":"`)
				copy(b[at:], "2001")
				return b
			})
		}, false},
		{"a header's time changed, and the name", func(t *testing.T, dir string, sealed []string) {
			change(t, filepath.Join(dir, sealed[1]), func(b []byte) []byte {
				at := bytes.Index(b, []byte(`"created":"20`)) + len(`"created":"`)
				copy(b[at:], "2001")
				return b
			})
			n, err := segment.ParseName(sealed[1])
			if err != nil {
				t.Fatal(err)
			}
			n.Created = time.Date(2001, n.Created.Month(), n.Created.Day(), n.Created.Hour(), n.Created.Minute(), n.Created.Second(), 0, time.UTC)
			rename(t, dir, sealed[1], n.String())
		}, false},
		{"the last sealed one forged by a thief of a key: old, and to be kept", func(t *testing.T, dir string, sealed []string) {
			names := segmentNames(t, dir)
			path := filepath.Join(dir, names[len(names)-2])
			if err := os.WriteFile(path, oldAndKept(t, path), 0o600); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"all forged by a thief of a key, with what was written before", func(t *testing.T, dir string, sealed []string) {
			w := &forger{t: t, thief: otherKey(t)}
			for i, name := range sealed {
				b, forged := w.segment(filepath.Join(dir, name), i == 0)
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, forged), b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}, false},
		{"one removed", func(t *testing.T, dir string, sealed []string) {
			if err := os.Remove(filepath.Join(dir, sealed[3])); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"two exchanged", func(t *testing.T, dir string, sealed []string) {
			rename(t, dir, sealed[3], "x")
			rename(t, dir, sealed[4], sealed[3])
			rename(t, dir, "x", sealed[4])
		}, true},
		{"one of another log of the same key", func(t *testing.T, dir string, sealed []string) {
			change(t, filepath.Join(dir, sealed[0]), func(b []byte) []byte {
				at := bytes.Index(b, []byte(`"log":"`)) + len(`"log":"`)
				copy(b[at:], "AAAA")
				return b
			})
		}, false},
	} {
		for _, c := range []compression.Method{compression.None, compression.Zstd} {
			if c != compression.None && !tt.packed {
				continue
			}
			t.Run(tt.name+"/"+string(c), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					o := sealedLog(t, c)
					names := segmentNames(t, o.Directory)
					tt.change(t, o.Directory, names[:len(names)-2])
					before := segmentNames(t, o.Directory)
					var logged *observer.ObservedLogs
					core, logged := observer.New(zap.ErrorLevel)
					o.Retention, o.Logger = limits, zap.New(core)
					l := open(t, o)
					anew(o).await(t, l, o, "the log to say so", func() bool {
						return strings.Contains(ownEvents(t, o.Directory), `"action":"damaged"`)
					})
					for _, id := range numbered("more", 12) { // what is due now is not deleted either
						mustAppend(t, l, o, id)
					}
					closeLog(t, l)
					after := segmentNames(t, o.Directory)
					for _, name := range before[:len(before)-1] {
						plain, err := segment.ParseName(name)
						if err != nil {
							t.Fatal(err)
						}
						if !slices.ContainsFunc(after, func(a string) bool { return strings.HasPrefix(a, segname.Plain(plain).String()) }) {
							t.Errorf("%s is gone", name)
						}
					}
					if own := ownEvents(t, o.Directory); strings.Contains(own, `"action":"pruned"`) {
						t.Errorf("the log says that it was retention:\n%s", own)
					}
					if !slices.ContainsFunc(logged.All(), func(e observer.LoggedEntry) bool {
						file, _ := e.ContextMap()["file"].(string)
						return strings.HasPrefix(file, "audit-")
					}) {
						t.Errorf("the collector's log names no file: %+v", logged.All())
					}
				})
			})
		}
	}
}

// What nobody has touched is deleted when it is due, also of what a start has found.
func TestRetentionOfWhatWasFound(t *testing.T) {
	for _, c := range []compression.Method{compression.None, compression.Zstd} {
		t.Run(string(c), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := sealedLog(t, c)
				o.Retention = rotation.Retention{MaxSegments: 3}
				l := open(t, o)
				anew(o).await(t, l, o, "pruning", func() bool { return len(segmentNames(t, o.Directory)) <= 5 })
				closeLog(t, l)
				if own := ownEvents(t, o.Directory); !strings.Contains(own, `"action":"pruned"`) || strings.Contains(own, `"action":"damaged"`) {
					t.Errorf("the log says\n%s", own)
				}
				checkGood(t, o.Directory, o.Signer)
			})
		})
	}
}

// Sealed segments with the same lines in larger files do not push others out: neither what was
// uncompressed, or padded, nor where that is the newest, which the start has read.
func TestIntruderCannotMakeSegmentsLarger(t *testing.T) {
	rewrite := func(t *testing.T, dir, from, to string, change func(b []byte) []byte) {
		t.Helper()
		path := filepath.Join(dir, from)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), change(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []compression.Method{compression.Zstd, compression.Gzip} {
		unpack := func(t *testing.T, dir, name string) {
			rewrite(t, dir, name, formless(t, name), func(b []byte) []byte { return unpacked(t, b, c) })
		}
		for name, change := range map[string]func(t *testing.T, dir string, all []string){
			"all uncompressed": func(t *testing.T, dir string, all []string) {
				for _, name := range all[:len(all)-1] {
					unpack(t, dir, name)
				}
			},
			"one uncompressed": func(t *testing.T, dir string, all []string) { unpack(t, dir, all[1]) },
			"one padded": func(t *testing.T, dir string, all []string) {
				rewrite(t, dir, all[0], all[0], func(b []byte) []byte { return padded(t, b, c) })
			},
			"the newest compressed and padded": func(t *testing.T, dir string, all []string) {
				newest := all[len(all)-1]
				n, err := segment.ParseName(newest)
				if err != nil {
					t.Fatal(err)
				}
				n.Compression = c
				rewrite(t, dir, newest, n.String(), func(b []byte) []byte { return padded(t, packed(t, b, c), c) })
			},
		} {
			t.Run(name+"/"+string(c), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					o := options(t)
					u := failing(t, o.Directory, func(string, string) bool { return false })
					// Waiting appends single events, which begin no segment.
					o.FS, o.MaxSegmentBytes, o.Compression = u, 30<<10, c
					l := open(t, o)
					for i := range 5 {
						mustAppend(t, l, o, numbered(fmt.Sprint("id", i), 100)...)
					}
					allCompressed := func() bool {
						all := segmentNames(t, o.Directory)
						return !slices.ContainsFunc(all[:len(all)-1], func(name string) bool { return !strings.HasSuffix(name, c.Suffix()) })
					}
					u.await(t, l, o, "compression", allCompressed)
					closeLog(t, l)
					var total int64
					before := segmentNames(t, o.Directory)
					for _, name := range before {
						info, err := os.Stat(filepath.Join(o.Directory, name))
						if err != nil {
							t.Fatal(err)
						}
						total += info.Size()
					}
					change(t, o.Directory, before)
					o.Retention = rotation.Retention{MaxTotalBytes: total + 24<<10}
					l = open(t, o)
					mustAppend(t, l, o, "more")
					u.await(t, l, o, "compression", allCompressed)
					closeLog(t, l)
					if own := ownEvents(t, o.Directory); strings.Contains(own, `"action":"pruned"`) || strings.Contains(own, `"action":"damaged"`) {
						t.Errorf("the log says\n%s", own)
					}
					for _, name := range before {
						if !slices.ContainsFunc(segmentNames(t, o.Directory), func(a string) bool { return strings.HasPrefix(a, formless(t, name)) }) {
							t.Errorf("%s is gone", name)
						}
					}
					checkGood(t, o.Directory, o.Signer)
				})
			})
		}
	}
}

func formless(t *testing.T, name string) string {
	t.Helper()
	n, err := segment.ParseName(name)
	if err != nil {
		t.Fatal(err)
	}
	return segname.Plain(n).String()
}

func packed(t *testing.T, content []byte, c compression.Method) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := compression.NewWriter(&out, c)
	if err == nil {
		_, err = w.Write(content)
		err = errors.Join(err, w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func unpacked(t *testing.T, b []byte, c compression.Method) []byte {
	t.Helper()
	r, err := compression.NewReader(bytes.NewReader(b), c)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// padded puts empty blocks, which decompression passes over, in front of those of a
// compressed segment.
func padded(t *testing.T, b []byte, c compression.Method) []byte {
	t.Helper()
	block, at := []byte{0, 0, 0, 0xff, 0xff}, 10 // stored, in RFC 1951
	if c == compression.Zstd {
		var h zstd.Header
		if err := h.Decode(b); err != nil {
			t.Fatal(err)
		}
		block, at = []byte{0, 0, 0}, h.HeaderSize // raw, in RFC 8878
	}
	return slices.Concat(b[:at], bytes.Repeat(block, (128<<10)/len(block)), b[at:])
}

// An id or a place in a stream is known only from lines that the log has written: a line that
// somebody slipped in, and takes out again, has no record refused or taken for a repeat.
func TestIntruderCannotHaveRecordsForgotten(t *testing.T) {
	for name, change := range map[string]func(b []byte) []byte{
		"an id changed": func(b []byte) []byte { return bytes.Replace(b, []byte(`id-0001`), []byte(`victim!`), 1) },
		"a line added": func(b []byte) []byte {
			at := bytes.Index(b, []byte(`{"commit":`))
			from := bytes.LastIndexByte(b[:at-1], '\n') + 1
			line := bytes.Replace(b[from:at], []byte(`id-0001`), []byte(`victim!`), -1)
			return slices.Concat(b[:at], line, b[at:])
		},
		"a checkpoint removed, and an event": func(b []byte) []byte {
			return b[:bytes.Index(b, []byte(`{"checkpoint":`))]
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := sealedLog(t, compression.None)
				honest := &account{}
				o.Stages = append(remember(idempotency.Options{MaxEvents: 1000}), honest)
				l := open(t, o)
				closeLog(t, l)
				if !slices.IsSorted(honest.recalled) || len(honest.recalled) < 7 || honest.forgot != 1 {
					t.Fatalf("recalled %q", honest.recalled)
				}
				path := filepath.Join(o.Directory, segmentNames(t, o.Directory)[1])
				good, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, change(bytes.Clone(good)), 0o600); err != nil {
					t.Fatal(err)
				}
				a := &account{}
				ids := idempotency.NewStage(idempotency.Options{MaxEvents: 1000})
				o.Stages = []stage.Stage{ids, a}
				l = open(t, o)
				if err := os.WriteFile(path, good, 0o600); err != nil {
					t.Fatal(err)
				}
				if len(a.recalled) > 0 || a.forgot != 2 || ids.Len() > 0 {
					t.Errorf("%q are recalled, and %d ids", a.recalled, ids.Len())
				}
				mustAppend(t, l, o, "victim!")
				closeLog(t, l)
				if ids := read(t, o.Directory).ids; ids[len(ids)-1] != "victim!" {
					t.Errorf("the record was not written: %q", ids)
				}
				own := ownEvents(t, o.Directory)
				if !strings.Contains(own, `"action":"damaged"`) || !strings.Contains(own, filepath.Base(path)) {
					t.Errorf("the log says\n%s", own)
				}
				checkGood(t, o.Directory, o.Signer)
			})
		})
	}
}

// A stop and a start, again and again, push nothing out: what a start begins does not count.
func TestStartsPushNothingOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := options(t)
		u := failing(t, o.Directory, func(string, string) bool { return false })
		o.FS, o.Retention.MaxSegments = u, 3
		l := open(t, o)
		mustAppend(t, l, o, "evidence")
		closeLog(t, l)
		keys := []*signing.Signer{o.Signer, otherKey(t)}
		for i := range 12 { // each start begins a segment
			o.PreviousSigner, o.Signer = keys[i%2], keys[(i+1)%2]
			closeLog(t, open(t, o))
		}
		l = open(t, o)
		for len(u.passes) > 0 {
			<-u.passes
		}
		// A pass after one that has begun after all of that.
		u.await(t, l, o, "two passes of upkeep", func() bool { return len(read(t, o.Directory).ids) > 3 })
		closeLog(t, l)
		if n := len(segmentNames(t, o.Directory)); n != 13 {
			t.Errorf("%d segments", n)
		}
		if ids := read(t, o.Directory).ids; ids[0] != "evidence" {
			t.Errorf("%q are left", ids)
		}
	})
}

// Deleting goes from the oldest on, and each removal is durable before the next, so that no
// crash makes a hole.
func TestRemovalsAreOneByOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := sealedLog(t, compression.None)
		var ops []string
		anew(o).onEntry(func(op, name string) error {
			if op == "rename" && name == sidefile.CheckpointName {
				anew(o).passes <- struct{}{}
			}
			if op == "sync" || op == "remove" && strings.HasPrefix(name, "audit-") {
				ops = append(ops, op+" "+name)
			}
			return nil
		})
		names := segmentNames(t, o.Directory)
		o.Retention.MaxSegments = 2
		l := open(t, o)
		anew(o).await(t, l, o, "pruning", func() bool { return len(segmentNames(t, o.Directory)) <= 4 })
		closeLog(t, l)
		removed := 0
		for i, op := range ops {
			if name, ok := strings.CutPrefix(op, "remove "); ok {
				// Upkeep that is slow comes to segments that were begun to wake it up.
				if removed == len(names) {
					names = append(names, name)
				}
				if name != names[removed] || removed > 0 && name <= names[removed-1] || i+1 == len(ops) || ops[i+1] != "sync " {
					t.Fatalf("removal %d is of %s, in %q", removed, name, ops)
				}
				removed++
			}
		}
		if removed < 4 {
			t.Errorf("%d removals", removed)
		}
	})
}

// The minimum age is a promise: limits refuse calls rather than break it, a configuration
// that promises less holds for what it begins, and headers say all that.
func TestMinimumAge(t *testing.T) {
	t.Parallel()
	o := options(t)
	c, w := newClock(), newWatcher()
	o.Now, o.Observer, o.MaxSegmentBytes = c.Now, w, 1
	o.Retention = rotation.Retention{MinAge: 10 * time.Hour, MaxSegments: 3}
	l := open(t, o)
	var refused error
	for i := range 20 {
		if _, refused = appendIDs(t, l, o, fmt.Sprint("id-", i)); refused != nil {
			break
		}
		c.advance(time.Minute)
	}
	wantReason(t, refused, rotation.ReasonRetentionHeld)
	if n := len(segmentNames(t, o.Directory)); n > 5 || read(t, o.Directory).ids[0] != "id-0" {
		t.Errorf("%d segments", n)
	}
	closeLog(t, l)
	o.Retention.MinAge = 0 // it was promised, all the same
	c.advance(30 * time.Minute)
	l = open(t, o)
	_, err := appendIDs(t, l, o, "later")
	for err == nil && len(segmentNames(t, o.Directory)) < 9 { // until the start's segments have been checked
		_, err = appendIDs(t, l, o, "later")
	}
	if got := read(t, o.Directory).ids; got[0] != "id-0" {
		t.Errorf("%q are left", got)
	}
	c.advance(10 * time.Hour)
	w.await(t, "pruning", func() bool { return w.segments <= 4 })
	mustAppend(t, l, o, "at last")
	closeLog(t, l)
	checkGood(t, o.Directory, o.Signer)
}

// Each header promises what the configuration and the segment before ask for, and never less
// than the header before.
func TestHeadersPromise(t *testing.T) {
	o := options(t)
	c := newClock()
	o.Now, o.MaxSegmentBytes = c.Now, 1
	ages := []time.Duration{0, 0, 5 * time.Hour, time.Hour, 0, 0}
	for i, age := range ages {
		o.Retention.MinAge = age
		l := open(t, o)
		mustAppend(t, l, o, fmt.Sprint(i, "a"))
		mustAppend(t, l, o, fmt.Sprint(i, "b"))
		closeLog(t, l)
		c.advance(time.Minute)
	}
	checkGood(t, o.Directory, o.Signer)
	headers := headersOf(t, o.Directory)
	if len(headers) < 10 {
		t.Fatalf("%d headers", len(headers))
	}
	promised := time.Unix(0, 0)
	for i, h := range headers {
		if i > 0 {
			if age := max(h.MinAge, headers[i-1].MinAge); age > 0 && h.Created.Add(age).After(promised) {
				promised = h.Created.Add(age)
			}
		}
		if !h.Retain.Equal(promised) {
			t.Errorf("header %d, of %s, with %s after %s, promises %s, want %s", i, h.Created, h.MinAge, headers[max(0, i-1)].MinAge, h.Retain, promised)
		}
	}
}

// A clock that was ahead for a while stops retention by age no longer than for the day that
// a jump takes.
func TestClockThatWasAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := options(t)
		c, w := newClock(), newWatcher()
		o.Now, o.Observer, o.MaxSegmentBytes, o.Retention.MaxAge = c.Now, w, 1, 24*time.Hour
		c.advance(365 * 24 * time.Hour)
		l := open(t, o)
		mustAppend(t, l, o, "a")
		mustAppend(t, l, o, "b")
		closeLog(t, l)
		c.advance(-365 * 24 * time.Hour)
		l = open(t, o)
		mustAppend(t, l, o, "c")
		mustAppend(t, l, o, "d")
		if n := strings.Count(ownEvents(t, o.Directory), `"action":"clock_jumped"`); n == 0 {
			t.Error("the log does not say that the clock jumped")
		}
		c.advance(25 * time.Hour)
		mustAppend(t, l, o, "e")
		w.await(t, "pruning", func() bool { return w.segments <= 3 })
		closeLog(t, l)
		got := read(t, o.Directory).ids
		if slices.Contains(got, "a") || slices.Contains(got, "b") || got[len(got)-1] != "e" {
			t.Errorf("%q are left", got)
		}
		checkGood(t, o.Directory, o.Signer)
	})
}
