// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package issuer_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/issuer"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/rotation"
)

// told is what a scheduler told of one log.
type told struct {
	mu     sync.Mutex
	faults []error
}

func (o *told) Receipts(issuer.Result) {}

func (o *told) ReceiptsFault(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.faults = append(o.faults, err)
}

// faultsSoFar returns what ReceiptsFault was called with. The scheduler goes on meanwhile.
func (o *told) faultsSoFar() []error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.faults)
}

// committing is a log's observer that tells a schedule of commits.
type committing struct {
	logtest.Quiet
	schedule *issuer.Schedule
}

func (o committing) Committed(c rotation.Commit) { o.schedule.Committed(c) }

// schedule opens the log of the site again, and has its receipts written.
func (s *site) schedule(scheduler *issuer.Scheduler, name string) *told {
	s.Close()
	o := &told{}
	s.to.Directory = filepath.Join(s.to.Directory, name)
	schedule := scheduler.Log(name, s.to, o)
	s.Options.Observer = committing{schedule: schedule}
	s.Open()
	require.NoError(s.t, schedule.Begin(s.Writer))
	return o
}

// idsOfAll returns the ids in all receipts of the site.
func (s *site) idsOfAll() []string { return idsOf(s.receipts()) }

// While one log's receipts cannot be written, those of others are; and once they can, they are,
// by themselves.
func TestSchedulerTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent := filepath.Join(t.TempDir(), "receipts")
		scheduler := issuer.NewScheduler(parent, zap.NewNop())
		good, bad := newSite(t, t.TempDir()), newSite(t, t.TempDir())
		good.to.Directory, bad.to.Directory = parent, parent
		goodTold, badTold := good.schedule(scheduler, "good"), bad.schedule(scheduler, "bad")
		good.Add("a")
		bad.Add("b")
		synctest.Wait()
		assert.Equal(t, []string{"a"}, good.idsOfAll())
		assert.Equal(t, []string{"b"}, bad.idsOfAll())

		away := bad.to.Directory + "-away"
		require.NoError(t, os.Rename(bad.to.Directory, away))
		require.NoError(t, os.WriteFile(bad.to.Directory, nil, 0o600))
		for _, id := range []string{"c", "d"} {
			good.Add("good-" + id)
			bad.Add("bad-" + id)
			synctest.Wait()
		}
		assert.Equal(t, []string{"a", "good-c", "good-d"}, good.idsOfAll())
		faults := badTold.faultsSoFar()
		require.NotEmpty(t, faults)
		assert.Error(t, faults[len(faults)-1])

		require.NoError(t, os.Remove(bad.to.Directory))
		require.NoError(t, os.Rename(away, bad.to.Directory))
		time.Sleep(time.Minute) // of the bubble
		synctest.Wait()
		assert.Equal(t, []string{"b", "bad-c", "bad-d"}, bad.idsOfAll())
		faults = badTold.faultsSoFar()
		assert.NoError(t, faults[len(faults)-1])
		assert.Empty(t, goodTold.faultsSoFar())

		good.Close()
		bad.Close()
		require.NoError(t, scheduler.Close(context.Background()))
	})
}

// Close writes what is due. A log that is opened only after it gets no receipts, and keeps no
// lock on their directory.
func TestSchedulerCloses(t *testing.T) {
	first, second := newSite(t, t.TempDir()), newSite(t, t.TempDir())
	scheduler := issuer.NewScheduler("", zap.NewNop())
	first.schedule(scheduler, "")
	first.Commit(100)
	first.Close()
	require.NoError(t, scheduler.Close(context.Background()))
	assert.Len(t, first.receipts(), 100)

	second.schedule(scheduler, "")
	second.Commit(1)
	second.Close()
	i, err := issuer.Open(second.to)
	require.NoError(t, err, "it is not locked")
	require.NoError(t, i.Close())
	assert.Empty(t, second.receipts())
}
