// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A collector that is killed under load loses nothing that it has acknowledged, and
// the next one continues the log.
func TestKilledCollectorLosesNothingAcknowledged(t *testing.T) {
	for _, scope := range []string{"event", "checkpoint"} {
		t.Run(scope, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "rotation: {max_size_mib: 1}")
			s.scope = scope
			var mu sync.Mutex
			acknowledged := map[string]bool{}
			for round, enough := range []int{300, 1500, 4000, 7000} {
				p := s.start(t)
				var clients sync.WaitGroup
				for client := range 4 {
					clients.Go(func() {
						for call := 0; ; call++ {
							ids := numbered(fmt.Sprintf("%d-%d-%d", round, client, call), 25)
							if s.post(request(200, ids...)) != nil {
								return // the collector is gone
							}
							mu.Lock()
							for _, id := range ids {
								acknowledged[id] = true
							}
							mu.Unlock()
						}
					})
				}
				eventually(t, "enough is acknowledged", func() bool {
					mu.Lock()
					defer mu.Unlock()
					return len(acknowledged) >= enough
				})
				p.kill(t)
				clients.Wait()

				code, report := runVerify(t, s.log, "--key", s.public)
				require.Zero(t, code, "as the crash left it: %+v", report)
			}
			s.start(t).stop(t)

			code, report := runVerify(t, s.log, "--key", s.public)
			require.Zero(t, code, "%+v", report)
			assert.Equal(t, report.TotalEvents, report.VerifiedEvents)
			inLog := map[string]bool{}
			for _, e := range show(t, s.log) {
				if e.Log == nil {
					require.False(t, inLog[e.EventID], "%s is there twice", e.EventID)
					inLog[e.EventID] = true
				}
			}
			for id := range acknowledged {
				require.True(t, inLog[id], "%s was acknowledged", id)
			}
			// A batch lands whole or not at all: 25 events each.
			assert.Zero(t, len(inLog)%25)
		})
	}
}
