// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	killRounds = flag.Int("kill.rounds", 8, "how often TestKilledCollectorLosesNothingAcknowledged kills a collector, for each kind of log")
	killSeed   = flag.Uint64("kill.seed", 1, "what the moments are drawn from")
)

// A collector that is killed at any moment, its start and its recovery from the last
// kill included, loses nothing that it has acknowledged; the next one continues the
// log. Meanwhile segments are sealed, compressed and deleted.
func TestKilledCollectorLosesNothingAcknowledged(t *testing.T) {
	for i, kind := range []struct{ scope, keys string }{{"event", "never"}, {"checkpoint", "never"}, {"event", "segment"}} {
		t.Run(kind.scope+"/"+kind.keys, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(*killSeed, uint64(i)))
			s := newWatched(t, "rotation: {max_size_mib: 1, compression: zstd}\n    retention: {max_segments: 8}")
			s.scope, s.keys = kind.scope, kind.keys
			a := newAccount()
			early := 0 // kills before the collector was up
			// Before the first start is over there is no key to check a log with.
			s.start(t).stop(t)
			for round := range *killRounds {
				p := launch(t, s.dir, append([]string{collector}, s.arguments(t)...)...)
				// Some clients send much, some little, so that commits differ.
				var clients []*client
				for i := range 4 {
					clients = append(clients, s.newClient(t, a, fmt.Sprintf("%d-%d", round, i), []int{1, 5, 25, 100}[i], []int{200, 200, 200, 4000}[i]))
				}
				stop := load(t, clients...)
				// Most of the kills come while the collector writes, some while it starts.
				after := time.NewTimer(time.Duration(random.ExpFloat64() * float64(500*time.Millisecond)))
				select {
				case <-after.C:
				case <-p.exited:
					require.FailNow(t, "the collector ended by itself", "%v", p.err)
				}
				if !isReady(s.health + "/status") {
					early++
				}
				p.kill(t)
				stop()

				// After each kill the log is good as it is, and more so after the next start.
				code, report := runVerify(t, s.log, "--key", s.public)
				require.Zero(t, code, "round %d, as the kill left it: %+v", round, report)
				if round%10 == 9 {
					s.start(t).stop(t)
					a.check(t, s.site)
				}
			}
			p := s.start(t)
			last := s.newClient(t, a, "last", 3, 10)
			require.NoError(t, last.send(t.Context()))
			// Segments that a start began do not count for max_segments.
			more := s.newClient(t, a, "more", 100, 4000)
			eventually(t, "retention deletes the oldest segment", func() bool {
				require.NoError(t, more.send(t.Context()))
				return !strings.Contains(segments(t, s.log)[0], fmt.Sprintf("-%020d-", 0))
			})
			s.awaitMaintenance(t, ".jsonl.zst", 8)
			p.stop(t)
			f := a.check(t, s.site)

			actions := map[string]int{}
			for _, action := range f.actions {
				actions[action]++
			}
			t.Logf("%d kills, %d of them before the collector was up; %d batches acknowledged, %d without an answer; %d leaves; the log's own events at the end: %v",
				*killRounds, early, a.count(acknowledged), a.count(unanswered), f.report.TreeSize, actions)
			assert.Zero(t, a.count(refused), "nothing was wrong with the disk")
			assert.Positive(t, a.count(unanswered), "or no kill hit a call")
			assert.Positive(t, f.report.Segments[0].FirstIndex, "or nothing was pruned")
		})
	}
}
