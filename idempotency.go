// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/idempotency"
)

// IdempotencyConfig says how records are known that are sent again, as they are if the
// answer got lost on the way. It concerns records that bring an id (audit.record.id,
// log.record.uid, or what mapping names instead).
type IdempotencyConfig struct {
	// MaxEvents is how many events are remembered, the newest ones. 0 remembers none.
	MaxEvents int `mapstructure:"max_events"`
	// MaxAge is how long an event is remembered at the most, from when it was written, or
	// from the last start if that was later. 0 sets no limit.
	MaxAge time.Duration `mapstructure:"max_age"`
	// OnConflict says what happens to a record that has the id of another one.
	OnConflict OnConflict `mapstructure:"on_conflict"`
}

// OnConflict says what happens to a record that has the id of another one.
type OnConflict string

const (
	// OnConflictRefuse refuses it, alone and for good.
	OnConflictRefuse OnConflict = "refuse"
	// OnConflictRecord writes its event, and an event id_conflict.
	OnConflictRecord OnConflict = "record"
)

const (
	// defaultRemembered take about 17 MB.
	defaultRemembered = 100_000
	maxRemembered     = 100_000_000
)

func (c *Config) validateIdempotency(p *problems) {
	if n := c.Idempotency.MaxEvents; n < 0 || n > maxRemembered {
		p.add("idempotency::max_events", "%d: write how many events are to be remembered, up to %d, or 0 for none", n, maxRemembered)
	}
	p.duration("idempotency::max_age", c.Idempotency.MaxAge, "for no limit")
	if o := c.Idempotency.OnConflict; o != OnConflictRefuse && o != OnConflictRecord {
		p.add("idempotency::on_conflict", "unknown word %q: write %s or %s", o, OnConflictRefuse, OnConflictRecord)
	}
}

// index returns an index for one log, or nil if nothing is to be remembered.
func (c IdempotencyConfig) index() *idempotency.Index {
	if c.MaxEvents == 0 {
		return nil
	}
	return idempotency.NewIndex(c.MaxEvents, c.MaxAge)
}

// remembers reports whether records are known that are sent again.
func (e *auditExporter) remembers() bool { return e.config.Idempotency.MaxEvents > 0 }
