// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/rotation"
)

func refusal(record int) stage.Refusal {
	return stage.Refusal{
		Place: stage.Place{Resource: 1, Record: int32(record)}, Reason: "strict", SHA256: make([]byte, 32),
		EventID: "id\xff\u2028" + strings.Repeat("ä", 100), Err: errors.New("no operation"),
	}
}

// refuseAll appends a call of refused records only.
func refuseAll(t *testing.T, l *rotation.Log, n int) {
	t.Helper()
	b := l.NewBatch()
	defer b.Release()
	for i := range n {
		b.Refuse(refusal(i))
	}
	if _, err := l.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

// said is what the log says of refused records: how many it names, and how many more it counts.
func said(t *testing.T, o rotation.Options) (named int, counted uint64) {
	t.Helper()
	for line := range strings.Lines(ownLines(t, os.DirFS(o.Directory))) {
		at := strings.Index(line, `"log":`)
		if at < 0 {
			continue
		}
		var log struct {
			Action  string
			Refused struct{ Count uint64 }
		}
		if err := json.NewDecoder(strings.NewReader(line[at+len(`"log":`):])).Decode(&log); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		switch log.Action {
		case "refused":
			named++
		case "refused_suppressed":
			counted += log.Refused.Count
		}
	}
	return named, counted
}

// What is refused is in the log when Append returns, also where nothing else is in the call.
func TestRefusalsAreInTheLog(t *testing.T) {
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		t.Run(string(scope), func(t *testing.T) {
			o := options(t)
			o.Scope = scope
			l := open(t, o)
			refuseAll(t, l, 2)
			b := batch(t, l, o, "good")
			b.Refuse(refusal(0))
			b.Refuse(stage.Refusal{})
			if _, err := l.Append(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			b.Release()
			if named, counted := said(t, o); named != 3 || counted != 1 {
				t.Errorf("%d named, %d counted", named, counted)
			}
			want := `"log":{"action":"refused","refused":{"event_id":"id` + "\ufffd " + strings.Repeat("ä", 61) + `","reason":"strict","record":"resource 1, scope 0, record 1","sha256":"` + strings.Repeat("0", 64) + `"}}`
			if lines := ownLines(t, os.DirFS(o.Directory)); !strings.Contains(lines, want) || !strings.Contains(lines, `"level":"warning"`) {
				t.Errorf("the log says %s, want %s", lines, want)
			}
			closeLog(t, l)
			sameIDs(t, read(t, o.Directory).ids, []string{"good"})
			checkGood(t, o.Directory, o.Signer)
		})
	}
}

// A flood of refused records takes a bounded part of the log, and each is counted.
func TestRefusalsAreBounded(t *testing.T) {
	o := options(t)
	o.Scope = segline.ScopeCheckpoint
	c := newClock()
	o.Now = c.Now
	l := open(t, o)
	refuseAll(t, l, 250)
	if named, counted := said(t, o); named != 100 || counted != 150 {
		t.Errorf("of one call: %d named, %d counted", named, counted)
	}
	for range 20 {
		refuseAll(t, l, 100)
	}
	if named, _ := said(t, o); named > 1001 {
		t.Errorf("of all: %d named", named)
	}
	c.advance(3 * time.Second)
	refuseAll(t, l, 10)
	named, _ := said(t, o)
	if named < 1003 || named > 1004 {
		t.Errorf("later: %d named", named)
	}
	refuseAll(t, l, 10)
	closeLog(t, l)
	if named, counted := said(t, o); uint64(named)+counted != 250+2000+20 {
		t.Errorf("in the end: %d named, %d counted", named, counted)
	}
	checkGood(t, o.Directory, o.Signer)
}

// What a failed commit did not say is said by the one that takes the call when it comes again.
func TestRefusalsOfAFailedCommit(t *testing.T) {
	o := options(t)
	o.Scope = segline.ScopeCheckpoint
	m := newModel()
	o.FS = m
	l := open(t, o)
	try := func() error {
		b := l.NewBatch()
		defer b.Release()
		b.Refuse(refusal(0))
		b.Refuse(stage.Refusal{})
		_, err := l.Append(context.Background(), b)
		return err
	}
	failSync(m, false)
	wantReason(t, try(), rotation.ReasonSyncFailed)
	m.Mu.Lock()
	m.Fault = nil
	m.Mu.Unlock()
	if err := try(); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	lines := ownLines(t, m)
	if n := strings.Count(lines, `"action":"refused"`); n != 1 {
		t.Errorf("%d refusals in %s", n, lines)
	}
	if !strings.Contains(lines, `"refused":{"count":1}`) {
		t.Errorf("no count in %s", lines)
	}
}

// The limit of a leaf is that of others' events: the log's own are as long as they are.
func TestLeafLimit(t *testing.T) {
	o := options(t)
	o.MaxLeafBytes = 1024
	l := open(t, o)
	encode := func(n int) stage.Encode {
		return func(dst []byte) ([]byte, uint64, error) {
			return append(dst, `{"x":"`+strings.Repeat("x", n)+`"}`...), 0, nil
		}
	}
	b := l.NewBatch()
	defer b.Release()
	var large *stage.TooLargeError
	for _, n := range []int{1000, 900, 5000} { // the second is too long with its signature
		err := b.Add(encode(n), l.Sign(o.Signer), o.Signer.Public().ID())
		if !errors.As(err, &large) || large.Limit != 1024 || large.Length <= 1024 || !strings.Contains(err.Error(), "limits::max_leaf_bytes") {
			t.Errorf("%d: %v", n, err)
		}
	}
	if err := b.Add(encode(100), l.Sign(o.Signer), o.Signer.Public().ID()); err != nil || b.Len() != 1 {
		t.Errorf("%v, %d events", err, b.Len())
	}
	closeLog(t, l)
}
