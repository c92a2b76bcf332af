// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/cosigning"
	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/witnesstest"
)

// countingFS counts the files that are opened for reading.
type countingFS struct {
	durable.FS
	opened atomic.Int64
}

func (f *countingFS) Open(name string) (fs.File, error) {
	f.opened.Add(1)
	return f.FS.Open(name)
}

// cosigns answers with a cosignature of whatever was sent.
func cosigns(t *testing.T, w *witnesstest.Witness, rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	_, checkpoint, _ := bytes.Cut(body, []byte("\n\n"))
	_, _ = io.WriteString(rw, w.Cosign(t, checkpoint))
}

// namesATree answers that the witness is at a tree of that size.
func namesATree(rw http.ResponseWriter, size int) {
	rw.Header().Set("Content-Type", "text/x.tlog.size")
	rw.WriteHeader(http.StatusConflict)
	fmt.Fprintf(rw, "%d\n", size)
}

// A witness that names another tree with each request does not have the log read each
// time, whether it cosigns then or not.
func TestAWitnessCannotHaveTheLogReadAllTheTime(t *testing.T) {
	for name, cosigning := range map[string]bool{"and cosigns": true, "and does not": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, all := witnessed(t, 1)
				counting := &countingFS{FS: faulty(t, o.Directory)}
				o.FS = counting
				o.MaxSegmentBytes = 20_000
				n := 0
				all[0].Misbehave(func(rw http.ResponseWriter, r *http.Request) {
					if n++; n%2 == 1 || !cosigning {
						namesATree(rw, 3+n%200)
						return
					}
					cosigns(t, all[0], rw, r)
				})
				l := open(t, o)
				mustAppend(t, l, o, numbered("first", 210)...)
				const rounds = 320 // ten times the longest that a failing witness is left alone
				before := counting.opened.Load()
				for i := range rounds {
					mustAppend(t, l, o, fmt.Sprint(i))
					time.Sleep(interval)
				}
				if opened := counting.opened.Load() - before; opened > 24*30 {
					t.Errorf("in %d intervals, %d files were opened for a witness", rounds, opened)
				}
				closeLog(t, l)
				checkGood(t, o.Directory, o.Signer)
			})
		})
	}
}

// A witness that contradicts the log and cosigns it in turn, with something else each
// time, does not have the log say so for ever; what is not said is counted.
func TestAWitnessCannotHaveTheLogSayContradictedAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, all := witnessed(t, 1)
		o.WitnessInterval = 10 * time.Minute
		n := 0
		all[0].Misbehave(func(rw http.ResponseWriter, r *http.Request) {
			if n++; n%2 == 0 {
				rw.WriteHeader(http.StatusUnprocessableEntity)
				return
			}
			cosigns(t, all[0], rw, r)
		})
		l := open(t, o)
		const days = 3
		for i := range days * 144 {
			mustAppend(t, l, o, fmt.Sprint(i))
			time.Sleep(o.WitnessInterval)
		}
		closeLog(t, l)
		said := saidIn(t, o.Directory)["contradicted"]
		if len(said) < days || len(said) > (days+1)*9 {
			t.Errorf("in %d days the log says %d times that it was contradicted", days, len(said))
		}
		counted := 0
		for _, e := range said {
			var more int
			if _, err := fmt.Sscanf(afterTime(e.Detail), "it has contradicted the log %d more times", &more); err == nil {
				counted += more
			} else {
				counted++
			}
		}
		replies := 0
		for _, r := range told(o).replies {
			if r.Outcome == cosigning.OutcomeContradicted {
				replies++
			}
		}
		if counted != replies || replies < 50 {
			t.Errorf("the log tells of %d contradictions of %d", counted, replies)
		}
		checkGood(t, o.Directory, o.Signer)
	})
}

// afterTime returns what follows "since" and a time.
func afterTime(detail string) string {
	rest, ok := strings.CutPrefix(detail, "since ")
	if !ok {
		return ""
	}
	_, rest, _ = strings.Cut(rest, " ")
	return rest
}
