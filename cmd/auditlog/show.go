// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/otel-auditlog/auditlogexporter/event"
)

func showCommand() *cobra.Command {
	var f filter
	var times timeRange
	var asJSON, follow bool
	var limit int
	cmd := &cobra.Command{
		Use:   "show DIR",
		Short: "Print events of a log",
		Long: `show prints events, one a line. It does not check the log: see "auditlog verify".
With --json each line is the event in canonical JSON, as it was signed.`,
		Example: `  auditlog show audit-log --since 2h --level security --level critical
  auditlog show audit-log --category authentication --success false --follow`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if f.since, f.until, err = times.parse(); err != nil {
				return err
			}
			if err := f.compile(); err != nil {
				return err
			}
			if limit < 0 {
				return fmt.Errorf("--limit %d: give how many events, or 0 for all", limit)
			}
			fsys, closeLog, err := openLog(args[0])
			if err != nil {
				return err
			}
			defer closeLog()
			out := bufio.NewWriter(cmd.OutOrStdout())
			s := shower{fsys: fsys, filter: &f, out: out, json: asJSON, limit: limit, warn: cmd.ErrOrStderr()}
			if err := s.all(cmd.Context()); err != nil {
				return err
			}
			if follow && !s.full() {
				return s.follow(cmd.Context())
			}
			return out.Flush()
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&times.since, "since", "", "events from this `TIME` on: RFC 3339, a date, or how long ago, such as 2h")
	flags.StringVar(&times.until, "until", "", "events before this `TIME`")
	flags.StringSliceVar(&f.levels, "level", nil, "events of this `LEVEL` (repeatable)")
	flags.StringSliceVar(&f.categories, "category", nil, "events of this `CATEGORY` (repeatable)")
	flags.StringVar(&f.user, "user", "", "events of this user `ID`")
	flags.StringVar(&f.agent, "agent", "", "events of this agent `ID`")
	flags.StringVar(&f.session, "session", "", "events of this session `ID`")
	flags.StringVar(&f.operation, "operation", "", "events of this `OPERATION`")
	flags.StringVar(&f.success, "success", "", "true, false or unknown")
	flags.StringVar(&f.text, "text", "", "events whose canonical JSON contains this `TEXT`")
	flags.IntVar(&limit, "limit", 0, "stop after `N` events (0: no limit)")
	flags.BoolVar(&follow, "follow", false, "go on with events as they are written")
	flags.BoolVar(&asJSON, "json", false, "print events in canonical JSON")
	return cmd
}

// filter says which events are shown.
type filter struct {
	since, until                    time.Time
	levels, categories              []string
	user, agent, session, operation string
	success, text                   string
	outcome                         event.Outcome
}

func (f *filter) compile() error {
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
		(f.text == "" || strings.Contains(string(canonical), f.text))
}

var outcomes = map[event.Outcome]string{event.OutcomeSuccess: "success", event.OutcomeFailure: "FAILURE", event.OutcomeUnknown: "-"}

// eventText is one event for people: time, level, category, what happened to what,
// by whom, and the outcome.
func eventText(canonical []byte) ([]byte, error) {
	e, err := event.Parse(canonical)
	if err != nil {
		return nil, err
	}
	t := time.Unix(int64(e.Timestamp/1e9), int64(e.Timestamp%1e9)).UTC()
	b := fmt.Appendf(nil, "%s  %-8s  %-18s  %s  %s:%s  %s", t.Format("2006-01-02T15:04:05.000Z"), e.Level, e.Category, plain(e.Operation), plain(e.ResourceType), plain(e.ResourceID), outcomes[e.Success])
	for _, one := range []struct{ name, value string }{
		{"user", e.UserID}, {"agent", e.AgentID}, {"session", e.SessionID}, {"from", e.SourceIP}, {"error", e.ErrorMessage},
	} {
		if one.value != "" {
			b = fmt.Appendf(b, "  %s=%s", one.name, plain(one.value))
		}
	}
	if body, ok := e.Body.(string); ok {
		b = fmt.Appendf(b, "  %s", plain(body))
	}
	return append(b, '\n'), nil
}
