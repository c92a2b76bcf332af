// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/ingress"
)

func showCommand() *cobra.Command {
	var f filter
	var asJSON, follow bool
	cmd := &cobra.Command{
		Use:   "show DIR",
		Short: "Print events of a log",
		Long: `show prints events, one a line. It does not check the log: see "auditlog verify".
With --json each line is the event in canonical JSON, as it was signed.`,
		Example: `  auditlog show audit-log --since 2h --level security --level critical
  auditlog show audit-log --category authentication --success false --follow`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.compile(); err != nil {
				return err
			}
			fsys, closeLog, err := openLog(args[0])
			if err != nil {
				return err
			}
			defer closeLog()
			out := bufio.NewWriter(cmd.OutOrStdout())
			s := shower{fsys: fsys, filter: &f, out: out, json: asJSON, warn: cmd.ErrOrStderr()}
			if err := s.all(cmd.Context()); err != nil {
				return err
			}
			if follow && !s.full() {
				return s.follow(cmd.Context())
			}
			return out.Flush()
		},
	}
	f.addFlags(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&follow, "follow", false, "go on with events as they are written")
	flags.BoolVar(&asJSON, "json", false, "print events in canonical JSON")
	return cmd
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
	b = appendProof(b, e.Ingress)
	b = appendSequence(b, e.Log)
	b = appendConflict(b, e.Log)
	if body, ok := e.Body.(string); ok {
		b = fmt.Appendf(b, "  %s", plain(body))
	}
	return append(b, '\n'), nil
}

// appendProof appends what came of checking the proof of a record's producer, if it was
// checked.
func appendProof(b, object []byte) []byte {
	if object == nil {
		return b
	}
	r, err := ingress.ParseResult(object)
	if err != nil {
		return append(b, "  proof=?"...)
	}
	b = fmt.Appendf(b, "  proof=%s", r.Status)
	if r.Producer != "" {
		b = fmt.Appendf(b, " by=%s", plain(r.Producer))
	}
	if r.Reason != "" {
		b = fmt.Appendf(b, " (%s)", plain(string(r.Reason)))
	}
	return b
}

// appendConflict appends what the log says of an event with the id of another, if it does.
func appendConflict(b, log []byte) []byte {
	var l struct {
		Conflict *struct {
			EventID string `json:"event_id"`
			Content string `json:"content_hash"`
			Logged  string `json:"logged_hash"`
		}
	}
	if log == nil || json.Unmarshal(log, &l) != nil || l.Conflict == nil {
		return b
	}
	return fmt.Appendf(b, "  id=%s  content=%s  logged=%s", plain(l.Conflict.EventID), plain(l.Conflict.Content), plain(l.Conflict.Logged))
}

// appendSequence appends what the log says of a producer's stream, if it does.
func appendSequence(b, log []byte) []byte {
	var l struct {
		Sequence *struct {
			Producer, Stream, Number, Expected, Missing, Count string
			RecordID                                           string `json:"record_id"`
		}
	}
	if log == nil || json.Unmarshal(log, &l) != nil || l.Sequence == nil {
		return b
	}
	for _, one := range []struct{ name, value string }{
		{"producer", l.Sequence.Producer}, {"stream", l.Sequence.Stream}, {"record", l.Sequence.RecordID}, {"number", l.Sequence.Number},
		{"expected", l.Sequence.Expected}, {"missing", l.Sequence.Missing}, {"count", l.Sequence.Count},
	} {
		if one.value != "" {
			b = fmt.Appendf(b, "  %s=%s", one.name, plain(one.value))
		}
	}
	return b
}
