// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/cosigning"
	"github.com/otel-auditlog/auditlogexporter/internal/idempotency"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/internal/witnesstest"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// stranger is whoever gets a word into the log's own events: a witness, a stream of a
// producer's, a signer that fails.
type stranger struct {
	name, text string
	size       uint64
	asked      atomic.Int32
}

func (o *stranger) Name() string { return o.name }

// AddCheckpoint names a tree at first and then refuses what is proven from there on.
func (o *stranger) AddCheckpoint(context.Context, uint64, []merkle.Hash, []byte) (witness.Cosignature, error) {
	if o.asked.Add(1) == 1 {
		return witness.Cosignature{}, fmt.Errorf("%s: %w", o.text, &cosigning.Conflict{Size: o.size})
	}
	return witness.Cosignature{}, fmt.Errorf("%s: %w", o.text, cosigning.ErrInconsistent)
}

func (o *stranger) Admit(a *stage.Admission) {
	a.Say(logevent.Event{Action: logevent.SequenceGap, Sequence: &logevent.Sequence{
		Stream: o.text, RecordID: o.text, Producer: o.text,
		Number: o.size, Expected: math.MaxUint64 - o.size, Missing: o.size, Count: o.size,
	}})
}

func (o *stranger) Settle(uint64, bool) {}

func (o *stranger) Recall(logdir.CheckedLine) error { return nil }

func (o *stranger) Forget() {}

// staysGood lets a stranger have its say and fails if the log is then not one that its
// readers take, or that opens again.
func staysGood(t *testing.T, key *signing.Signer, out *stranger) {
	o := options(t)
	o.Signer = key
	o.Witnesses = []cosigning.Witness{out}
	o.Stages = append(remember(idempotency.Options{MaxEvents: 100, MaxAge: time.Hour, RecordConflicts: true}), out)
	var refuse atomic.Bool
	o.Permit = func(*signing.PublicKey, uint64, time.Time) error {
		if refuse.Load() {
			return errors.New(out.text)
		}
		return nil
	}
	heard := newWatcher()
	o.Observer = heard
	l := open(t, o)
	heard.await(t, "the witness to be heard", func() bool { return len(heard.replies) > 0 })
	mustAppend(t, l, o, "a")
	mustAppend(t, l, o, "a/ and something else")
	refuse.Store(true)
	if _, err := appendIDs(t, l, o, "b"); err == nil {
		t.Error("a key that may not sign has signed")
	}
	refuse.Store(false)
	mustAppend(t, l, o, "c")
	closeLog(t, l)
	checkGood(t, o.Directory, key)
	o.Observer = nil
	l = open(t, o)
	mustAppend(t, l, o, "d")
	closeLog(t, l)
	checkGood(t, o.Directory, key)
	sameIDs(t, read(t, o.Directory).ids, []string{"a", "a", "c", "d"})
}

var hostileTexts = map[string]string{
	"nothing":           "",
	"no UTF-8":          "\xff\xfe\x80",
	"half a rune":       strings.Repeat("x", 4095) + "é",
	"separators":        "a\u2028b\u2029c",
	"control":           "\x00\x01\x08\x0c\x1b[2J\x7f\u0085\u202e",
	"quotes":            `"},"signature":null}` + "\n" + `{"checkpoint":"`,
	"noncharacters":     "\ufffd\uffff\U0010ffff",
	"surrogates, alone": "\xed\xa0\x80\xed\xbf\xbf",
	"ten megabytes":     strings.Repeat("\x01", 10<<20),
	"beyond a line":     strings.Repeat("x", 40<<20),
}

// No answer, name or error text from outside makes the log one that fails its own check.
func TestNothingFromOutsideSpoilsTheLog(t *testing.T) {
	t.Parallel()
	key := signingtest.New(t, signing.ECDSAP256)
	for name, text := range hostileTexts {
		t.Run(name, func(t *testing.T) {
			staysGood(t, key, &stranger{name: "w", text: text, size: 1 << 20})
		})
	}
	for _, size := range []uint64{0, 1, 2, 1<<53 - 1, 1 << 53, 1<<53 + 1, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			staysGood(t, key, &stranger{name: "w", text: "no", size: size})
		})
	}
	for _, name := range []string{"w\u2028", "\xff", "\x00", strings.Repeat("n", 33<<20)} {
		t.Run(fmt.Sprintf("the witness %.20q", name), func(t *testing.T) {
			staysGood(t, key, &stranger{name: name, text: "no", size: 1 << 20})
		})
	}
}

func FuzzNothingFromOutsideSpoilsTheLog(f *testing.F) {
	key := signingtest.New(f, signing.ECDSAP256)
	for _, text := range hostileTexts {
		if len(text) < 1<<20 {
			f.Add("w", text, uint64(1<<53+1))
		}
	}
	f.Fuzz(func(t *testing.T, name, text string, size uint64) {
		staysGood(t, key, &stranger{name: name, text: text, size: size})
	})
}

// Through the client's own parser, whatever a witness answers.
func FuzzNoAnswerOfAWitnessSpoilsTheLog(f *testing.F) {
	key := signingtest.New(f, signing.ECDSAP256)
	w := witnesstest.New(f, "witness.example/w1")
	const size = "text/x.tlog.size"
	f.Add(409, size, []byte("9007199254740993\n"), 422, "", []byte(nil))
	f.Add(409, size, []byte("1\n"), 422, "", []byte(nil))
	f.Add(500, "", []byte("\xff\u2028\x00"), 200, "", []byte("\u2014 witness.example/w1 AAAA\n"))
	f.Fuzz(func(t *testing.T, status1 int, type1 string, body1 []byte, status2 int, type2 string, body2 []byte) {
		o := options(t)
		o.Signer = key
		o.Witnesses = []cosigning.Witness{&answering{Witness: w, answers: []answer{{status1, type1, body1}, {status2, type2, body2}}}}
		heard := newWatcher()
		o.Observer = heard
		l := open(t, o)
		heard.await(t, "the witness to be heard", func() bool { return len(heard.replies) > 0 })
		closeLog(t, l)
		checkGood(t, o.Directory, key)
		o.Witnesses, o.Observer = nil, nil
		closeLog(t, open(t, o))
		checkGood(t, o.Directory, key)
	})
}

type answer struct {
	status int
	kind   string
	body   []byte
}

// answering is a witness whose answers are given.
type answering struct {
	*witnesstest.Witness
	answers []answer
}

func (a *answering) AddCheckpoint(_ context.Context, _ uint64, _ []merkle.Hash, checkpoint []byte) (witness.Cosignature, error) {
	if len(a.answers) == 0 {
		return witness.Cosignature{}, errors.New("gone")
	}
	next := a.answers[0]
	a.answers = a.answers[1:]
	return cosigning.ParseAnswer(a.Key, checkpoint, next.status, next.kind, next.body)
}
