// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package limiter_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/otel-auditlog/auditlogexporter/internal/limiter"
)

func TestLimiter(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	l := limiter.New(3, time.Second)
	allowed := func(n int) (yes int) {
		for range n {
			if l.Allow(at) {
				yes++
			}
		}
		return yes
	}
	assert.Equal(t, 3, allowed(10))
	assert.Zero(t, l.Suppressed(at), "there is no room to tell of them")
	at = at.Add(time.Second)
	before := l
	assert.EqualValues(t, 7, l.Suppressed(at))
	assert.Zero(t, l.Suppressed(at))
	assert.Zero(t, allowed(1))
	l = before // the commit failed
	assert.EqualValues(t, 7, l.Suppressed(at))
	at = at.Add(time.Hour)
	assert.Equal(t, 3, allowed(5))
	at = at.Add(-24 * time.Hour) // the clock was set back
	assert.Equal(t, 0, allowed(1))
	at = at.Add(2 * time.Second)
	assert.Equal(t, 2, allowed(5))
	l.Tell()
	assert.Equal(t, 0, allowed(3))
	assert.EqualValues(t, 3, l.Tell(), "whether or not there is room")
	l.Suppress(2)
	assert.EqualValues(t, 2, l.Tell())
	assert.Zero(t, l.Tell())
}
