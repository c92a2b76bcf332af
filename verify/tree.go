// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	pathpkg "path"
	"slices"
	"strings"

	"github.com/otel-auditlog/auditlogexporter/signing"
)

// The kinds of findings about a tree of logs, besides [Rollback]: a kept checkpoint is of
// a log that is not there.
const (
	// LogForked: two directories hold different histories under the same origin.
	LogForked Kind = "log_forked"
	// LogCopied: two directories hold the same log, one perhaps not to its end.
	LogCopied Kind = "log_copied"
	// DirectoryUnread: a directory could not be looked into.
	DirectoryUnread Kind = "directory_unread"
	// LinkNotFollowed: there may be a log behind a symbolic link.
	LinkNotFollowed Kind = "link_not_followed"
	// ForeignDirectory: a directory beside logs holds none.
	ForeignDirectory Kind = "foreign_directory"
)

// TreeLog is one log of a tree.
type TreeLog struct {
	// Path is its directory, below the root and with slashes; "." is the root.
	Path string `json:"path"`
	// Error says why the log could not be checked; Report is then nil.
	Error  string  `json:"error,omitempty"`
	Report *Report `json:"report"`
	// Err is the error of [Log].
	Err error `json:"-"`
}

// TreeFinding is one thing that was found about the tree as a whole.
type TreeFinding struct {
	Kind     Kind     `json:"kind"`
	Severity Severity `json:"severity"`
	// Path is the directory, "" if the finding is about none that there is.
	Path    string `json:"path"`
	Message string `json:"message"`
}

// Summary is what all logs of a tree come to.
type Summary struct {
	// Logs is how many there are: Good, Tampered with or Unchecked.
	Logs      int `json:"logs"`
	Good      int `json:"good"`
	Tampered  int `json:"tampered"`
	Unchecked int `json:"unchecked"`
	// Unread counts what else kept the tree from being checked whole: directories that
	// could not be looked into, logs of one origin that were not compared, and what was
	// kept of logs that are not there, if no trusted key has signed it.
	Unread int `json:"unread"`
	// TamperingDetected says that a log has been tampered with, or that the findings say
	// so of the tree.
	TamperingDetected bool `json:"tampering_detected"`
	// SelfAttested says that no key was given.
	SelfAttested bool `json:"self_attested"`

	TotalEvents    uint64 `json:"total_events"`
	VerifiedEvents uint64 `json:"verified_events"`
	FailedEvents   uint64 `json:"failed_events"`
	UnsignedEvents uint64 `json:"unsigned_events"`
	OwnEvents      uint64 `json:"own_events"`

	// Findings are about the tree. Options.MaxFindings bounds those of each severity;
	// FindingCounts counts all.
	Findings        []TreeFinding    `json:"findings"`
	FindingCounts   map[Severity]int `json:"finding_counts"`
	FindingsOmitted int              `json:"findings_omitted"`
}

// Complete reports whether everything below the root could be checked.
func (s *Summary) Complete() bool { return s.Unchecked == 0 && s.Unread == 0 }

func (s *Summary) add(most int, one TreeFinding) {
	s.FindingCounts[one.Severity]++
	switch one.Severity {
	case Tampering:
		s.TamperingDetected = true
	case Unchecked:
		s.Unread++
	}
	if s.FindingCounts[one.Severity] > most {
		s.FindingsOmitted++
		return
	}
	one.Path, one.Message = clip(one.Path, maxMessage), clip(one.Message, maxMessage)
	s.Findings = append(s.Findings, one)
}

// Tree checks every log in the root of fsys and below, one after another, and tells each
// of what became of it, by path. A directory is a log's if it holds a segment, a file
// checkpoint or a tail that was set aside; or if nothing but a log leaves behind what is in
// it. The options are for each log, but a kept checkpoint is for the log of its origin:
// if there is none, that log is missing, which is a finding. So are two logs of one
// origin.
//
// Symbolic links are not followed. What is not looked into is a finding. The error says
// that the tree could not be walked, wraps [ErrNoLog] if there is no log in it, or comes
// from each.
func Tree(ctx context.Context, fsys fs.FS, o Options, each func(TreeLog) error) (*Summary, error) {
	if o.MaxFindings <= 0 {
		o.MaxFindings = 1000
	}
	if err := o.checkKeys(); err != nil {
		return nil, err
	}
	if o.Origin != "" {
		return nil, errors.New("logs of a tree have each its origin: ask for one of them alone")
	}
	kept, err := o.parseKept()
	if err != nil {
		return nil, err
	}
	s := &Summary{SelfAttested: len(o.trusted()) == 0, Findings: []TreeFinding{}, FindingCounts: map[Severity]int{Tampering: 0, Unchecked: 0, Warning: 0, Info: 0}}
	w := &walker{ctx: ctx, fsys: fsys, sum: s, most: o.MaxFindings}
	if _, err := w.walk(".", 0); err != nil {
		return nil, err
	}
	if len(w.logs) == 0 {
		return nil, fmt.Errorf("%w, here or below", ErrNoLog)
	}
	slices.Sort(w.logs)
	found := make([]bool, len(kept))
	met := map[string]bool{}
	same := map[string][]ending{}
	partitions := map[string][]partitionIn{}
	for _, path := range w.logs {
		fsys, err := fs.Sub(fsys, path)
		if err != nil {
			return nil, err
		}
		origin := originIn(fsys)
		one := o
		one.Checkpoints, one.CheckpointNames = nil, nil
		one.Receipts = o.Receipts.of(origin)
		if one.inTree = path != "."; one.inTree {
			one.Directory = pathpkg.Base(path)
		}
		met[origin] = true
		for i, k := range kept {
			if k.Origin == origin {
				found[i] = true
				one.Checkpoints = append(one.Checkpoints, o.Checkpoints[i])
				one.CheckpointNames = append(one.CheckpointNames, o.checkpointName(i))
			}
		}
		report, err := Log(ctx, fsys, one)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		l := TreeLog{Path: path, Report: report, Err: err}
		if err != nil {
			l.Error = clip(err.Error(), maxMessage)
		}
		s.count(l)
		if err := each(l); err != nil {
			return nil, err
		}
		e := ending{path: path}
		if report != nil {
			if report.partition && path != "." {
				partitions[pathpkg.Dir(path)] = append(partitions[pathpkg.Dir(path)], partitionIn{path, report.Origin})
			}
			origin = cmp.Or(report.Origin, origin)
			e.size = report.TreeSize
			copy(e.root[:], report.RootHash)
		}
		if origin != "" {
			same[origin] = append(same[origin], e)
		}
	}
	for i, k := range kept {
		if found[i] {
			continue
		}
		f := TreeFinding{Kind: Rollback, Severity: Tampering,
			Message: fmt.Sprintf("%s covers %d leaves of the log %q, but there is no log of that origin: it is missing", o.keptName(i), k.Size, k.Origin)}
		if err := o.accuses(k.Note); err != nil {
			f.Kind, f.Severity = CheckpointUnchecked, Unchecked
			f.Message = fmt.Sprintf("%s is of the log %q, of which there is none here, and no key that was given has signed it as it is (%v): it is another log's, or it has been changed", o.keptName(i), k.Origin, err)
		}
		s.add(o.MaxFindings, f)
	}
	for _, one := range o.Receipts.missing(met, o.accuses) {
		s.add(o.MaxFindings, one)
	}
	s.siblings(o.MaxFindings, partitions)
	for _, origin := range slices.Sorted(maps.Keys(same)) {
		if err := s.compare(ctx, fsys, o, origin, same[origin]); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// count takes in what became of a log.
func (s *Summary) count(l TreeLog) {
	s.Logs++
	r := l.Report
	switch {
	case r == nil:
		s.Unchecked++
		return
	case r.TamperingDetected:
		s.Tampered++
		s.TamperingDetected = true
	case r.Verdict == VerdictUnchecked:
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

// ending is the tree of a log in a directory, of no leaves if it could not be checked.
type ending struct {
	path string
	size uint64
	root [32]byte
}

// maxTrees bounds the trees that a log is compared with: each costs a look at every
// leaf.
const maxTrees = 64

// compare says how the logs of one origin stand to each other: whether the largest
// extends all others.
func (s *Summary) compare(ctx context.Context, fsys fs.FS, o Options, origin string, all []ending) error {
	if len(all) < 2 {
		return nil
	}
	slices.SortStableFunc(all, func(a, b ending) int { return cmp.Compare(b.size, a.size) })
	largest, others := all[0], all[1:]
	o.Checkpoints, o.CheckpointNames, o.others, o.Receipts, o.AsOf = nil, nil, nil, nil, nil
	o.RequireCheckpoint = false
	for _, e := range others {
		one := signing.Checkpoint{Origin: origin, Size: e.size, Root: e.root}
		if e.size > 0 && len(o.others) < maxTrees && !slices.ContainsFunc(o.others, func(k *keptCheckpoint) bool { return k.Size == one.Size && k.Root == one.Root }) {
			o.others = append(o.others, &keptCheckpoint{Checkpoint: one, name: "another log of the origin", opened: true})
		}
	}
	var r *Report
	if len(o.others) > 0 {
		sub, err := fs.Sub(fsys, largest.path)
		if err != nil {
			return err
		}
		// What keeps it from being checked has been said.
		if r, _ = Log(ctx, sub, o); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	for _, e := range others {
		i := slices.IndexFunc(o.others, func(k *keptCheckpoint) bool { return k.Size == e.size && k.Root == e.root })
		f := TreeFinding{Kind: LogCopied, Severity: Warning, Path: e.path}
		switch {
		case r == nil || i < 0:
			s.Unread++
			f.Message = fmt.Sprintf("it is called %q like the log in %s, with which it could not be compared: a log has one directory", origin, largest.path)
		case o.others[i].same.Load() && !o.others[i].other.Load():
			f.Message = fmt.Sprintf("it holds the log %q up to leaf %d, as %s does: keep copies elsewhere, so that a log has one directory", origin, e.size, largest.path)
		case o.others[i].unknown:
			s.Unread++
			f.Message = fmt.Sprintf("it is called %q like the log in %s, of which retention has deleted the first %d leaves: they could not be compared", origin, largest.path, e.size)
		case o.others[i].other.Load():
			f.Kind, f.Severity = LogForked, Tampering
			f.Message = fmt.Sprintf("it holds another history of the log %q than %s: one was made to be shown in place of the other, or two collectors have been given one origin", origin, largest.path)
		default:
			s.Unread++
			f.Message = fmt.Sprintf("it is called %q like the log in %s, which is not intact up to leaf %d: they could not be compared", origin, largest.path, e.size)
		}
		s.add(o.MaxFindings, f)
	}
	return nil
}

// partitionIn is a log that is a partition.
type partitionIn struct{ path, origin string }

// siblings checks that the partitions of one directory, by which they are given, are of one
// exporter: those of another may have the same names.
func (s *Summary) siblings(most int, in map[string][]partitionIn) {
	for _, parent := range slices.Sorted(maps.Keys(in)) {
		var first *partitionIn
		var of string
		for _, p := range in[parent] {
			root, fits := strings.CutSuffix(p.origin, "/"+pathpkg.Base(p.path))
			switch {
			case !fits: // which has been found
			case first == nil:
				first, of = &p, root
			case root != of:
				s.add(most, TreeFinding{Kind: WrongDirectory, Severity: Tampering, Path: p.path,
					Message: fmt.Sprintf("it is the partition %q, next to %q in %s: one of the two belongs elsewhere", p.origin, first.origin, first.path)})
			}
		}
	}
}
