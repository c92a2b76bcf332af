// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"cmp"
	"fmt"
	"sync/atomic"

	"github.com/otel-auditlog/auditlogexporter/segment"
)

// LimitsConfig bounds what clients can make the exporter hold in memory and write.
type LimitsConfig struct {
	// MaxRecords is how many records a call may bring. A call with more is refused for good.
	MaxRecords int `mapstructure:"max_records"`
	// MaxSizeMiB is how large, in MiB, the lines may be that a call adds to the log. A call
	// with more is refused for good.
	MaxSizeMiB int64 `mapstructure:"max_size_mib"`
	// MaxInFlightMiB is how large, in MiB, the lines of all calls may be that have not been
	// answered. A call that finds no room is refused, to be repeated.
	MaxInFlightMiB int64 `mapstructure:"max_in_flight_mib"`
	// MaxLeafBytes is how long the line of one event may be; 0 means as long as readers
	// take: 32 MiB.
	MaxLeafBytes int `mapstructure:"max_leaf_bytes"`
	// OnOversize says what happens to a record whose line would be longer.
	OnOversize OnOversize `mapstructure:"on_oversize"`
}

// OnOversize says what happens to a record whose line would be too long.
type OnOversize string

const (
	// OnOversizeRefuse refuses it, alone and for good.
	OnOversizeRefuse OnOversize = "refuse"
	// OnOversizeReplace writes an event in its place that keeps its hash, its beginning and
	// its end.
	OnOversizeReplace OnOversize = "replace"
)

const (
	mostRecords = 10_000_000
	mostMiB     = 1 << 20 // a tebibyte: more memory than there is

	// leastLeafBytes has room for an event that stands for another.
	leastLeafBytes = 1024

	// leastEventBytes is less than any event takes: a call that is too large by this is
	// known before anything is made of it.
	leastEventBytes = 200
)

func defaultLimits() LimitsConfig {
	return LimitsConfig{MaxRecords: 100_000, MaxSizeMiB: 64, MaxInFlightMiB: 256, OnOversize: OnOversizeRefuse}
}

func (c *Config) validateLimits(p *problems) {
	l := c.Limits
	if l.MaxRecords < 1 || l.MaxRecords > mostRecords {
		p.add("limits::max_records", "%d: write how many records a call may bring, 1 to %d, such as 100000", l.MaxRecords, mostRecords)
	}
	if l.MaxSizeMiB < 1 || l.MaxSizeMiB > mostMiB {
		p.add("limits::max_size_mib", "%d: write how many MiB a call may add to the log, 1 to %d, such as 64", l.MaxSizeMiB, mostMiB)
	}
	switch n := l.MaxInFlightMiB; {
	case n < 1 || n > mostMiB:
		p.add("limits::max_in_flight_mib", "%d: write how many MiB all calls at a time may add to the log, 1 to %d, such as 256", n, mostMiB)
	case n < l.MaxSizeMiB:
		p.add("limits::max_in_flight_mib", "%d is less than one call may take (limits::max_size_mib is %d): raise the one or lower the other", n, l.MaxSizeMiB)
	}
	if n := l.MaxLeafBytes; n != 0 && (n < leastLeafBytes || n > segment.MaxLineBytes) {
		p.add("limits::max_leaf_bytes", "%d: write how many bytes the line of an event may have, %d to %d, such as 65535, or 0 for the most", n, leastLeafBytes, segment.MaxLineBytes)
	}
	if o := l.OnOversize; o != OnOversizeRefuse && o != OnOversizeReplace {
		p.add("limits::on_oversize", "unknown word %q: write %s or %s", o, OnOversizeRefuse, OnOversizeReplace)
	}
}

// maxLeafBytes returns how long an event's line may be.
func (e *auditExporter) maxLeafBytes() int {
	return cmp.Or(e.config.Limits.MaxLeafBytes, segment.MaxLineBytes)
}

// limitError: a call is over a limit.
type limitError struct {
	reason    string
	permanent bool
	text      string
}

func (e *limitError) Error() string { return e.text }

// admit refuses a call that is known to be too large before anything is made of it.
func (l LimitsConfig) admit(records int) error {
	if records > l.MaxRecords {
		return &limitError{"max_records", true, fmt.Sprintf("the call brings %d records, more than the %d that limits::max_records allows: send fewer at a time, or raise it", records, l.MaxRecords)}
	}
	if int64(records)*leastEventBytes > l.MaxSizeMiB*mebibyte {
		return l.tooLarge()
	}
	return nil
}

func (l LimitsConfig) tooLarge() error {
	return &limitError{"max_size", true, fmt.Sprintf("the call would add more than the %d MiB to the log that limits::max_size_mib allows: send less at a time, or raise it", l.MaxSizeMiB)}
}

// inFlight counts the bytes of calls that have not been answered.
type inFlight struct {
	limits LimitsConfig
	bytes  atomic.Int64
}

// claim is what one call has of them, in all its shares.
type claim struct {
	of    *inFlight
	bytes atomic.Int64
}

func (f *inFlight) claim() *claim { return &claim{of: f} }

// take claims more bytes, which are to be given back in any case. With an error, nothing
// more is to be made for the call.
func (c *claim) take(n int64) error {
	l := c.of.limits
	mine, all := c.bytes.Add(n), c.of.bytes.Add(n)
	switch {
	case mine > l.MaxSizeMiB*mebibyte:
		return l.tooLarge()
	case all > l.MaxInFlightMiB*mebibyte:
		return &limitError{"max_in_flight", false, fmt.Sprintf("the calls at hand would add more than the %d MiB to the log that limits::max_in_flight_mib allows at a time: try again", l.MaxInFlightMiB)}
	default:
		return nil
	}
}

func (c *claim) give(n int64) {
	c.bytes.Add(-n)
	c.of.bytes.Add(-n)
}
