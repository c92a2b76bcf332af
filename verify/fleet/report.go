// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"github.com/otel-auditlog/auditlogexporter/internal/visible"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// The kinds of findings about several logs, besides those of package verify: a kept
// checkpoint or a receipt may be of a log that is not there. Two more say that all is well and
// somebody should know: "link_not_followed" (a warning) and "foreign_directory" (information).
const (
	// LogForked: two directories hold different histories under the same origin.
	LogForked verify.Kind = "log_forked"
	// LogCopied: two directories hold the same log, one perhaps not to its end.
	LogCopied verify.Kind = "log_copied"
	// DirectoryUnread: a directory could not be looked into.
	DirectoryUnread verify.Kind = "directory_unread"

	// linkNotFollowed: a symbolic link may lead to a log.
	linkNotFollowed verify.Kind = "link_not_followed"
	// foreignDirectory: a directory next to logs holds none.
	foreignDirectory verify.Kind = "foreign_directory"
)

// Log is one log of several.
type Log struct {
	// Path is its directory, below the root and with slashes; "." is the root.
	Path string `json:"path"`
	// Error says why the log could not be checked; Report is then nil.
	Error  string         `json:"error,omitempty"`
	Report *verify.Report `json:"report"`
	// Err is the error of [verify.Log].
	Err error `json:"-"`
}

// Finding is one thing that was found about the logs together.
type Finding struct {
	Kind     verify.Kind     `json:"kind"`
	Severity verify.Severity `json:"severity"`
	// Path is the directory, "" if the finding is about none that there is.
	Path    string `json:"path"`
	Message string `json:"message"`
}

// Summary is what all logs come to.
type Summary struct {
	// Logs is how many there are: Good, Tampered with or Unchecked.
	Logs      int `json:"logs"`
	Good      int `json:"good"`
	Tampered  int `json:"tampered"`
	Unchecked int `json:"unchecked"`
	// Unread counts what else kept them from being checked whole: directories that
	// could not be looked into, logs of one origin that were not compared, and what was
	// kept of logs that are not there, if no trusted key has signed it.
	Unread int `json:"unread"`
	// TamperingDetected says that a log has been tampered with, or that the findings say
	// so of the logs together.
	TamperingDetected bool `json:"tampering_detected"`
	// SelfAttested says that no key was given.
	SelfAttested bool `json:"self_attested"`

	TotalEvents    uint64 `json:"total_events"`
	VerifiedEvents uint64 `json:"verified_events"`
	FailedEvents   uint64 `json:"failed_events"`
	UnsignedEvents uint64 `json:"unsigned_events"`
	OwnEvents      uint64 `json:"own_events"`

	// Findings are about the logs together. verify.Options.MaxFindings bounds those of each
	// severity; FindingCounts counts all.
	Findings        []Finding               `json:"findings"`
	FindingCounts   map[verify.Severity]int `json:"finding_counts"`
	FindingsOmitted int                     `json:"findings_omitted"`
}

const (
	// defaultFindings bounds the findings of each severity that are kept, if the caller does not.
	defaultFindings = 1000
	// maxMessage bounds what a hostile file can put into a report.
	maxMessage = 1024
)

func newSummary(selfAttested bool) *Summary {
	return &Summary{SelfAttested: selfAttested, Findings: []Finding{}, FindingCounts: map[verify.Severity]int{verify.Tampering: 0, verify.Unchecked: 0, verify.Warning: 0, verify.Info: 0}}
}

// Complete reports whether everything below the root could be checked.
func (s *Summary) Complete() bool { return s.Unchecked == 0 && s.Unread == 0 }

func (s *Summary) add(most int, one Finding) {
	s.FindingCounts[one.Severity]++
	switch one.Severity {
	case verify.Tampering:
		s.TamperingDetected = true
	case verify.Unchecked:
		s.Unread++
	}
	if s.FindingCounts[one.Severity] > most {
		s.FindingsOmitted++
		return
	}
	one.Path, one.Message = visible.Clip(one.Path, maxMessage), visible.Clip(one.Message, maxMessage)
	s.Findings = append(s.Findings, one)
}

// count counts what became of a log.
func (s *Summary) count(l Log) {
	s.Logs++
	r := l.Report
	switch {
	case r == nil:
		s.Unchecked++
		return
	case r.TamperingDetected:
		s.Tampered++
		s.TamperingDetected = true
	case r.Verdict == verify.VerdictUnchecked:
		s.Unchecked++
	default:
		s.Good++
	}
	s.TotalEvents += r.TotalEvents
	s.VerifiedEvents += r.VerifiedEvents
	s.FailedEvents += r.FailedEvents
	s.UnsignedEvents += r.UnsignedEvents
	s.OwnEvents += r.OwnEvents
}
