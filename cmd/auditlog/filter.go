// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
)

// filter says which events are wanted.
type filter struct {
	times                           timeRange
	since, until                    time.Time
	levels, categories              []string
	user, agent, session, operation string
	success, text                   string
	outcome                         event.Outcome
	limit                           int // of events; 0: none
	byEvent, byCommit               int // how many matched by which time
}

func (f *filter) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.times.since, "since", "", "events from this `TIME` on (their own, or their commit's): RFC 3339, a date, or how long ago, such as 2h")
	flags.StringVar(&f.times.until, "until", "", "events before this `TIME`")
	flags.StringSliceVar(&f.levels, "level", nil, "events of this `LEVEL` (repeatable)")
	flags.StringSliceVar(&f.categories, "category", nil, "events of this `CATEGORY` (repeatable)")
	flags.StringVar(&f.user, "user", "", "events of this user `ID`")
	flags.StringVar(&f.agent, "agent", "", "events of this agent `ID`")
	flags.StringVar(&f.session, "session", "", "events of this session `ID`")
	flags.StringVar(&f.operation, "operation", "", "events of this `OPERATION`")
	flags.StringVar(&f.success, "success", "", "true, false or unknown")
	flags.StringVar(&f.text, "text", "", "events whose canonical JSON contains this `TEXT`")
	flags.IntVar(&f.limit, "limit", 0, "stop after `N` events (0: no limit)")
}

// compile makes the filter ready for use, once the flags have been parsed.
func (f *filter) compile() (err error) {
	if f.since, f.until, err = f.times.parse(); err != nil {
		return err
	}
	for _, l := range f.levels {
		if !slices.Contains(event.Levels(), event.Level(l)) {
			return fmt.Errorf("--level %q: use one of %v", l, event.Levels())
		}
	}
	for _, c := range f.categories {
		if !slices.Contains(event.Categories(), event.Category(c)) {
			return fmt.Errorf("--category %q: use one of %v", c, event.Categories())
		}
	}
	if f.limit < 0 {
		return fmt.Errorf("--limit %d: give how many events, or 0 for all", f.limit)
	}
	switch f.success {
	case "", "unknown":
	case "true":
		f.outcome = event.OutcomeSuccess
	case "false":
		f.outcome = event.OutcomeFailure
	default:
		return fmt.Errorf("--success %q: use true, false or unknown", f.success)
	}
	return nil
}

// timed reports whether times decide.
func (f *filter) timed() bool { return !f.since.IsZero() || !f.until.IsZero() }

// inRange reports whether a time is one that is wanted.
func (f *filter) inRange(t time.Time) bool {
	return (f.since.IsZero() || !t.Before(f.since)) && (f.until.IsZero() || t.Before(f.until))
}

// match reports whether an event is wanted that was committed at a time, zero if that is
// not known. An event's own time comes from its client: the commit's time counts as well,
// so that no time that a client makes up hides an event. How many are wanted for the sake
// of which time is counted.
func (f *filter) match(s *eventjson.Summary, committed time.Time, canonical []byte) bool {
	own := f.inRange(s.Time)
	if !own && (committed.IsZero() || !f.inRange(committed)) || !f.wanted(s, canonical) {
		return false
	}
	if own {
		f.byEvent++
	} else {
		f.byCommit++
	}
	return true
}

// sayByWhich says how many events are there for the sake of their commit's time alone.
func (f *filter) sayByWhich(w io.Writer) {
	if f.timed() && f.byCommit > 0 {
		fmt.Fprintf(w, "auditlog: %d events are in range by their own time, and %d more by the time of their commit only\n", f.byEvent, f.byCommit)
	}
}

// wanted is match but for the times.
func (f *filter) wanted(s *eventjson.Summary, canonical []byte) bool {
	is := func(want string, got []byte) bool { return want == "" || want == string(got) }
	return (len(f.levels) == 0 || slices.Contains(f.levels, string(s.Level))) &&
		(len(f.categories) == 0 || slices.Contains(f.categories, string(s.Category))) &&
		is(f.user, s.UserID) && is(f.agent, s.AgentID) && is(f.session, s.SessionID) && is(f.operation, s.Operation) &&
		(f.success == "" || f.outcome == s.Success) &&
		(f.text == "" || bytes.Contains(canonical, []byte(f.text)))
}
