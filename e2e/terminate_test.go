// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A service manager ends a collector under load. What had been accepted is finished,
// or, if the manager does not wait for that, at least nothing acknowledged is lost.
func TestTerminatedUnderLoad(t *testing.T) {
	for name, patience := range map[string]time.Duration{"patient": time.Hour, "impatient": 20 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(*killSeed, 0))
			w := newWatched(t, "rotation: {max_size_mib: 1}\n    retention: {max_segments: 6}")
			a := newAccount()
			for round := range 4 {
				p := w.start(t)
				var clients []*client
				for i, records := range []int{1, 10, 50, 200} {
					clients = append(clients, w.newClient(t, a, fmt.Sprintf("%d-%d", round, i), records, 1000))
				}
				stop := load(t, clients...)
				enough := a.count(acknowledged) + 30
				eventually(t, "calls are under way", func() bool { return a.count(acknowledged) >= enough })
				require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
				deadline := time.NewTimer(time.Duration(random.Float64() * float64(patience)))
				select {
				case <-p.exited:
					require.NoError(t, p.err)
				case <-deadline.C:
					// It may end by itself just now.
					p.killed = true
					if err := p.cmd.Process.Kill(); !errors.Is(err, os.ErrProcessDone) {
						require.NoError(t, err)
					}
					<-p.exited
				}
				stop()
				a.check(t, w.site)
			}
			w.start(t).stop(t)
			a.check(t, w.site)
		})
	}
}

// The same on a slow disk, on which calls are in flight for long.
func TestTerminatedOnASlowDisk(t *testing.T) {
	needStrace(t)
	for name, patient := range map[string]bool{"patient": true, "impatient": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWatched(t, "")
			a := newAccount()
			p := w.start(t)
			var clients []*client
			for i := range 8 {
				clients = append(clients, w.newClient(t, a, fmt.Sprint(i), 10, 1000))
			}
			delayed, detach := w.attach(t, p, systemCall{name: "fdatasync"}, "delay_enter=300ms")
			stop := load(t, clients...)
			eventually(t, "calls are under way", func() bool { return a.count(acknowledged) >= 8 && delayed() > 1 })
			require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
			if patient {
				eventually(t, "the collector ends", p.ended)
				require.NoError(t, p.err)
			} else {
				p.kill(t)
			}
			stop()
			detach()
			a.check(t, w.site)
			w.start(t).stop(t)
			a.check(t, w.site)
		})
	}
}
