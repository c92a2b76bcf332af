// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/segname"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// moments is a model of a directory in which somebody acts just before an operation of the
// writer's: a look at a file, or a change.
type moments struct {
	*model
	n      int // operations so far
	at     int // before which of them act comes
	paused bool
	// act is called once, with the model locked.
	act func()
}

func newMoments(at int, act func(m *model)) *moments {
	m := &moments{model: newModel(), at: at}
	m.act = func() { act(m.model) }
	m.Only = nil
	m.Fault = func() error { m.pass(); return nil }
	return m
}

func (m *moments) pass() {
	if m.paused {
		return
	}
	if m.n == m.at {
		m.act()
	}
	m.n++
}

// pause ends or goes on with counting.
func (m *moments) pause(on bool) {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	m.paused = on
}

func (m *moments) look() {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	m.pass()
}

func (m *moments) Open(name string) (fs.File, error) {
	m.look()
	return m.model.Open(name)
}

func (m *moments) Lstat(name string) (fs.FileInfo, error) {
	m.look()
	return m.model.Lstat(name)
}

func (m *moments) Edit(name string) (durable.File, error) {
	m.look()
	return m.model.Edit(name)
}

func (m *moments) ReadDir(name string) ([]fs.DirEntry, error) {
	m.look()
	return m.model.ReadDir(name)
}

// sealedIn returns the names of the sealed segments, by the index of the first leaf.
func sealedIn(m *model) (names [][]string) {
	forms := map[uint64][]string{}
	for _, name := range m.Names() {
		if n, err := segment.ParseName(name); err == nil {
			forms[n.FirstIndex] = append(forms[n.FirstIndex], name)
		}
	}
	all := slices.Sorted(maps.Keys(forms))
	for _, index := range all[:max(0, len(all)-1)] {
		names = append(names, forms[index])
	}
	return names
}

// victims are those of n sealed segments that somebody removes.
var victims = map[string]func(n int) []int{
	"first":     func(int) []int { return []int{0} },
	"middle":    func(n int) []int { return []int{n / 2} },
	"last":      func(n int) []int { return []int{n - 1} },
	"first two": func(int) []int { return []int{0, 1} },
	"two apart": func(n int) []int { return []int{0, n - 1} },
}

// holds tells whether a segment is there, in either form.
func (m *moments) holds(plain string) bool {
	v := m.View()
	return v[plain] != nil || v[plain+".gz"] != nil
}

// size is of all files.
func (m *moments) size() (n int) {
	for _, f := range m.View() {
		n += len(f.Data)
	}
	return n
}

var removedStep = flag.Int("removed.step", 4, "how many moments TestSegmentsRemovedAtAnyMoment goes on by where segments are compressed, which takes long")

// Whoever removes sealed segments, at whatever moment between two operations of the writer's,
// while it runs, is closed or is opened: the log goes on; unless the log had said that retention
// deletes them, it says that they are gone, and deletes nothing any more, and the verifier says
// so; and what is said is said once.
func TestSegmentsRemovedAtAnyMoment(t *testing.T) {
	signer := signingtest.New(t, signing.Ed25519)
	for _, method := range []compression.Method{compression.None, compression.Gzip} {
		for who, which := range victims {
			if method != compression.None && who != "middle" {
				continue // the form makes no difference to which they are
			}
			t.Run(fmt.Sprintf("%v/%s", method, who), func(t *testing.T) {
				t.Parallel()
				at, step := 0, 1
				if method != compression.None {
					step = *removedStep
				}
				for done := false; !done; at += step {
					synctest.Test(t, func(t *testing.T) {
						done = removedAt(t, at, which, method, signer)
					})
					if t.Failed() {
						t.Fatalf("removed before operation %d", at)
					}
				}
				t.Logf("%d moments", at/step)
			})
		}
	}
}

// removedAt runs a log whose segments are removed before an operation; done says that there
// are no more of those.
func removedAt(t *testing.T, at int, which func(n int) []int, c compression.Method, signer *signing.Signer) (done bool) {
	var removed []string // without the form
	m := newMoments(at, func(m *model) {
		sealed := sealedIn(m)
		if len(sealed) < 2 {
			return
		}
		for _, i := range which(len(sealed)) {
			for _, name := range sealed[i] {
				m.Outside(name, nil)
			}
			n, _ := segment.ParseName(sealed[i][0])
			removed = append(removed, segname.Plain(n).String())
		}
	})
	core, logged := observer.New(zap.WarnLevel)
	o := rotation.Options{
		FS: m, Directory: t.TempDir(), Origin: origin, Signer: signer, Scope: segline.ScopeCheckpoint, Sync: true,
		MaxSegmentBytes: 1, Compression: c, Retention: rotation.Retention{MaxSegments: 3}, Logger: zap.New(core),
	}
	var told []string // what the log has said of itself
	run := func(name string, n int) {
		before := len(removed)
		l, err := rotation.Open(t.Context(), o)
		if err != nil && len(removed) > before {
			l, err = rotation.Open(t.Context(), o) // they were removed while the start looked at them
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range numbered(name, n) {
			if _, err := appendIDs(t, l, o, id); err != nil {
				t.Errorf("the log does not go on: %v", err)
			}
			time.Sleep(2 * time.Second) // of the bubble: upkeep has come by
			synctest.Wait()
			for line := range strings.Lines(ownLines(t, m.View())) {
				if !slices.Contains(told, line) {
					told = append(told, line)
				}
			}
		}
		m.pause(true)
		time.Sleep(time.Minute)
		size, lines := m.size(), logged.Len()
		time.Sleep(10 * time.Minute)
		if grown := m.size() - size; grown > 0 {
			t.Errorf("an idle log has grown by %d bytes", grown)
		}
		if n := logged.Len() - lines; n > 0 {
			t.Errorf("an idle log has %d lines for the collector's log", n)
		}
		m.pause(false)
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
	run("one", 5)
	run("two", 3)
	done = m.n <= at
	run("after", 5)
	run("again", 2)

	damaged, named := 0, map[string]bool{}
	for _, line := range told {
		switch {
		case strings.Contains(line, `"log":{"action":"damaged"`):
			damaged++
		case strings.Contains(line, `"log":{"action":"pruned"`):
			if damaged > 0 {
				t.Error("retention goes on though the log was damaged")
			}
			for _, name := range plainName.FindAllString(line, -1) {
				named[name] = true
			}
		}
	}
	missing := slices.DeleteFunc(slices.Clone(removed), func(name string) bool { return named[name] || m.holds(name) })
	if most := len(missing) + 3; damaged > most || (damaged > 0) != (len(missing) > 0) {
		t.Errorf("%d events say that the log is damaged", damaged)
	}
	report, err := verify.Log(context.Background(), m.View(), verify.Options{Keys: []*signing.PublicKey{signer.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	if report.TamperingDetected != (len(missing) > 0) {
		t.Errorf("tampering found: %t, though of %q retention has not deleted %q: %v", report.TamperingDetected, removed, missing, report.Findings)
	}
	if t.Failed() {
		for _, e := range logged.All() {
			t.Log(e.Message, e.ContextMap())
		}
		t.Log(strings.Join(told, ""))
	}
	return done
}
