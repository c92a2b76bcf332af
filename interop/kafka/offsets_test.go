// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package kafka_test

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	killRounds = flag.Int("kill.rounds", 12, "how often TestKilledCollectorsLoseNothing kills the collector")
	killSeed   = flag.Uint64("kill.seed", 1, "what the moments are drawn from")
)

// A collector is killed at any moment, and another one started in its place. Whatever
// offset is committed at any time, what is before it is in the log, once; and in the end
// everything is, though messages were read again.
func TestKilledCollectorsLoseNothing(t *testing.T) {
	t.Parallel()
	b := newBroker(t, 3)
	c := newCollector(t, b)
	// Who is started in its place need not wait until the dead one is missed. Offsets move a
	// fetch at a time: a few messages.
	c.receiver = "group_instance_id: one\n    max_partition_fetch_size: 1024"
	random := rand.New(rand.NewPCG(*killSeed, 0))
	moved, again := 0, 0 // kills before which offsets moved; that left records in the log with their offset not committed
	before := b.committed(t)
	for round := range *killRounds {
		b.produceAll(t, 20)
		p := c.start(t)
		if round%4 == 3 { // while it starts
			moment := time.NewTimer(time.Duration(random.ExpFloat64() * float64(300*time.Millisecond)))
			<-moment.C
		} else {
			enough := len(logged(t, c.log)) + random.IntN(30*perMessage)
			await(t, "more records are in the log", func() bool {
				b.check(t, c.log)
				return len(logged(t, c.log)) > enough
			}, p)
		}
		p.kill(t)
		at, committed := b.check(t, c.log), 0
		for _, offset := range at {
			committed += int(offset) * perMessage
		}
		if len(logged(t, c.log)) > committed {
			again++
		}
		if !slices.Equal(at, before) {
			moved++
		}
		before = at
		c.verify(t)
	}
	p := c.start(t)
	await(t, "all is committed", func() bool { return slices.Equal(b.check(t, c.log), b.next) }, p)
	p.stop(t)
	b.check(t, c.log)
	c.verify(t)
	want := 0
	for _, n := range b.next {
		want += int(n) * perMessage
	}
	assert.Equal(t, want, len(logged(t, c.log)))
	assert.NotZero(t, again, "no kill came between a write and its offset, or none after one")
	assert.NotZero(t, moved, "no kill came between a write and its offset, or none after one")
	t.Logf("%d records, %d kills; before %d of them offsets had moved, %d left records in the log with their offset not committed", want, *killRounds, moved, again)
}

// While the log cannot be written nothing is committed, however often it is tried, and
// nothing is passed over once it can be.
func TestNothingIsPassedOver(t *testing.T) {
	t.Parallel()
	b := newBroker(t, 1)
	c := newCollector(t, b)
	p := c.start(t)
	b.produceAll(t, 20)
	await(t, "all is committed", func() bool { return slices.Equal(b.check(t, c.log), b.next) }, p)
	before := b.committed(t)

	away := filepath.Join(c.dir, "away")
	require.NoError(t, os.Rename(c.log, away))
	b.produceAll(t, 20)
	await(t, "it has been tried again and again", func() bool { return p.says("Backing off due to error from the next consumer") > 20 }, p)
	assert.Equal(t, before, b.check(t, away), "the offsets went from")
	require.NoError(t, os.Rename(away, c.log))
	await(t, "all is committed", func() bool { return slices.Equal(b.check(t, c.log), b.next) }, p)
	p.stop(t)
	c.verify(t)
}

// Partitions go from one collector of a group to another, when one comes, leaves, or dies.
// What is committed is in the log of one of them, and in the end everything is.
func TestARebalanceLosesNothing(t *testing.T) {
	t.Parallel()
	b := newBroker(t, 6)
	first, second := newCollector(t, b), newCollector(t, b)
	more := func(c *collector, what string, running ...*process) {
		t.Helper()
		before := len(logged(t, c.log))
		await(t, what, func() bool {
			b.produceAll(t, 1)
			b.check(t, first.log, second.log)
			return len(logged(t, c.log)) > before
		}, running...)
	}
	one := first.start(t)
	more(first, "the first has some", one)
	other := second.start(t)
	more(second, "the second has some", one, other)
	one.stop(t) // it leaves
	more(second, "the second goes on", other)
	one = first.start(t)
	more(first, "the first has some again", one, other)
	other.kill(t) // it is missed after a while
	b.produceAll(t, 5)
	await(t, "all is committed", func() bool { return slices.Equal(b.check(t, first.log, second.log), b.next) }, one)
	one.stop(t)
	for _, c := range []*collector{first, second} {
		c.verify(t)
	}
}
