// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/otel-auditlog/auditlogexporter/event"
)

// filter says which events are wanted.
type filter struct {
	times                           timeRange
	since, until                    time.Time
	levels, categories              []string
	user, agent, session, operation string
	success, text                   string
	outcome                         event.Outcome
	limit                           int // of events, which match does not count; 0: none
}

func (f *filter) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.times.since, "since", "", "events from this `TIME` on: RFC 3339, a date, or how long ago, such as 2h")
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

func (f *filter) match(s *event.Summary, canonical []byte) bool {
	is := func(want string, got []byte) bool { return want == "" || want == string(got) }
	return (f.since.IsZero() || !s.Time.Before(f.since)) &&
		(f.until.IsZero() || s.Time.Before(f.until)) &&
		(len(f.levels) == 0 || slices.Contains(f.levels, string(s.Level))) &&
		(len(f.categories) == 0 || slices.Contains(f.categories, string(s.Category))) &&
		is(f.user, s.UserID) && is(f.agent, s.AgentID) && is(f.session, s.SessionID) && is(f.operation, s.Operation) &&
		(f.success == "" || f.outcome == s.Success) &&
		(f.text == "" || bytes.Contains(canonical, []byte(f.text)))
}
