// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// second is a process of the other verifier that checks many logs, one after another.
type second struct {
	in  io.WriteCloser
	out *bufio.Reader
}

// answer is what a verifier says of a log.
type answer struct {
	Verdict  string   `json:"verdict"`
	Findings []string `json:"findings"`
	Withheld int      `json:"withheld"`
}

// ourAnswer is what our own verifier says.
func ourAnswer(t *testing.T, dir string, o verify.Options) (a answer) {
	t.Helper()
	r, err := verify.Log(t.Context(), os.DirFS(dir), o)
	if err != nil {
		return answer{Verdict: verify.VerdictUnchecked, Findings: []string{err.Error()}}
	}
	a = answer{Verdict: r.Verdict, Withheld: int(r.Withheld)}
	for _, f := range r.Findings {
		a.Findings = append(a.Findings, fmt.Sprintf("%s %s %s:%d %s", f.Severity, f.Kind, f.Segment, f.Line, f.Message))
	}
	return a
}

func startSecond(t *testing.T) *second {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("SKIPPED: node is not installed, so the second verifier cannot run")
	}
	cmd := exec.Command(node, "verify_many.mjs")
	cmd.Stderr = os.Stderr
	s := &second{}
	s.in, err = cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	s.out = bufio.NewReader(out)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		s.in.Close()
		assert.NoError(t, cmd.Wait())
	})
	return s
}

// cannotRead reports whether the other verifier lacks what it takes to read zstd.
func (a answer) cannotRead() bool {
	return slices.ContainsFunc(a.Findings, func(f string) bool {
		return strings.Contains(f, "cannot read zstd")
	})
}

const skippedZstd = "SKIPPED: this version of Node cannot read zstd, and `npm ci` has not been run in interop"

// check has the other verifier check what the arguments name.
func (s *second) check(t *testing.T, args []string) (a answer) {
	t.Helper()
	line, err := json.Marshal(args)
	require.NoError(t, err)
	_, err = s.in.Write(append(line, '\n'))
	require.NoError(t, err)
	said, err := s.out.ReadBytes('\n')
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(said, &a))
	return a
}

// Both verifiers find logs of all kinds good, and each checkpoint that was kept of them.
func TestBothFindSamplesGood(t *testing.T) {
	other := startSecond(t)
	for _, kind := range sampleKinds {
		t.Run(kind.name, func(t *testing.T) {
			s := kind.write(t)
			r, err := verify.Log(t.Context(), os.DirFS(s.dir), s.options())
			if err != nil || r.Verdict != verify.VerdictOK {
				t.Errorf("ours: %v, %+v", err, r)
			}
			a := other.check(t, s.arguments(t, s.dir))
			if a.cannotRead() {
				t.Skip(skippedZstd)
			}
			assert.Equal(t, "ok", a.Verdict, "the other: %+v", a)
			assert.False(t, slices.ContainsFunc(a.Findings, func(f string) bool {
				return strings.HasPrefix(f, "warning") && !strings.Contains(f, "torn_tail") && !strings.Contains(f, "checkpoint_missing")
			}), "the other: %+v", a)
		})
	}
}

var (
	differentialCount = flag.Int("differential.count", 400, "how many logs TestVerifiersAgree changes")
	differentialSeed  = flag.Uint64("differential.seed", 1, "the first seed; log n is changed with the seed after n others")
	differentialKeep  = flag.String("differential.keep", "", "a directory for logs on which the verifiers do not agree, or which they should not find good")
)

// Changed at random, a log is the same to both verifiers, and neither finds good what is
// another log than it was.
func TestVerifiersAgree(t *testing.T) {
	c := newCampaign(t)
	for n := range *differentialCount {
		c.try(t, *differentialSeed+uint64(n))
	}
	t.Logf("%d logs: ours says %v; %d disagreements, %d misses", *differentialCount, c.verdicts, c.disagreements, c.misses)
	if c.skipped > 0 {
		t.Logf("%d logs were not compared. %s", c.skipped, skippedZstd)
	}
}

// campaign is the logs that are changed, those among the vectors that are good, and what
// came of it.
type campaign struct {
	other    *second
	logs     []vectorLog
	contents []files
	dir      string

	verdicts              map[string]int
	disagreements, misses int
	skipped               int
}

func newCampaign(t *testing.T) *campaign {
	t.Helper()
	c := &campaign{other: startSecond(t), dir: filepath.Join(t.TempDir(), "log"), verdicts: map[string]int{}}
	for _, v := range vectorLogs(t) {
		if v.Verdict == verify.VerdictOK {
			c.logs, c.contents = append(c.logs, v), append(c.contents, readFiles(t, v.dir()))
		}
	}
	return c
}

// older is a log as it was at one of its checkpoints.
func (m *mutator) older(f files) files {
	old := files{}
	all := f.segments()
	if len(all) == 0 {
		return old
	}
	last := m.IntN(len(all))
	for _, name := range all[:last+1] {
		old[name] = f[name]
	}
	lines, _ := f.lines(all[last])
	at := linesOf(lines, segline.KindCheckpoint)
	if len(at) == 0 {
		return old
	}
	end := pick(m, at)
	note, err := segment.ParseCheckpoint(bytes.TrimSuffix(lines[end], []byte("\n")))
	if err != nil {
		return old
	}
	old[sidefile.CheckpointName] = note
	if parsed, err := segment.ParseName(all[last]); err == nil {
		delete(old, all[last])
		parsed.Compression = compression.None
		old.setLines(parsed.String(), lines[:end+1])
	}
	return old
}

// try changes one log.
func (c *campaign) try(t *testing.T, seed uint64) {
	t.Helper()
	m := &mutator{Rand: rand.New(rand.NewPCG(seed, 0)), donors: c.contents}
	n := m.IntN(len(c.logs))
	v := c.logs[n]
	m.before = m.older(c.contents[n])
	before := c.contents[n]
	f := before.clone()
	done := []string{}
	if m.IntN(3) == 0 && f[sidefile.CheckpointName] != nil {
		delete(f, sidefile.CheckpointName)
		done = append(done, "delete the file checkpoint")
	}
	for want := len(done) + pick(m, []int{1, 1, 1, 2, 3}); len(done) < want && len(f) > 0; {
		if how := pick(m, pick(m, mutations))(m, f); how != "" {
			done = append(done, how)
		}
	}
	if m.IntN(2) == 0 {
		v.Checkpoints = nil
	}
	f.write(t, c.dir)
	mine := ourAnswer(t, c.dir, v.options(t))
	theirs := c.other.check(t, v.arguments(c.dir))
	if theirs.cannotRead() {
		c.skipped++
		return
	}
	fail := ""
	switch {
	case mine.Verdict != theirs.Verdict:
		c.disagreements++
		fail = "the verifiers do not agree"
	case mine.Verdict == verify.VerdictOK:
		if what := v.lost(t, before, f); what != "" {
			c.misses++
			fail = "both miss that " + what
		}
	}
	c.verdicts[mine.Verdict]++
	if fail == "" {
		return
	}
	kept := ""
	if *differentialKeep != "" {
		kept = filepath.Join(*differentialKeep, fmt.Sprint(seed))
		f.write(t, filepath.Join(kept, "log"))
	}
	t.Errorf("seed %d, log %q: %s\n  %s\n  ours: %s\n    %s\n  the other: %s\n    %s\n  %s", seed, v.Log, fail, strings.Join(done, "; "),
		mine.Verdict, strings.Join(mine.Findings, "\n    "), theirs.Verdict, strings.Join(theirs.Findings, "\n    "), kept)
}

// lost says what a changed log does not hold any more of what it was, or "": its leaves in
// their places, down to those that retention may delete and up to a checkpoint that was
// kept.
func (v vectorLog) lost(t *testing.T, before, after files) string {
	t.Helper()
	a, b := leavesOf(before), leavesOf(after)
	if len(v.Checkpoints) == 0 && !a.shares(b) {
		return "" // another log in its place, of the same key, is for a kept checkpoint to tell
	}
	for i, line := range b.leaves {
		if !bytes.Equal(a.leaves[i], line) {
			return fmt.Sprintf("leaf %d is another", i)
		}
	}
	end := uint64(1)
	for _, kept := range v.options(t).Checkpoints {
		c, err := signing.ParseCheckpoint(kept.Note)
		require.NoError(t, err)
		end = max(end, c.Size)
	}
	if b.end < end {
		return fmt.Sprintf("the log ends at %d", b.end)
	}
	if b.first > a.first && b.first > a.pruned {
		return fmt.Sprintf("the log begins at %d", b.first)
	}
	for i := b.first; i < b.end; i++ {
		if b.leaves[i] == nil {
			return fmt.Sprintf("leaf %d is gone", i)
		}
	}
	for name, content := range after {
		if !strings.HasSuffix(name, ".values") {
			continue
		}
		for line := range bytes.Lines(content) {
			if bytes.HasSuffix(line, []byte("\n")) && before[name] != nil && !bytes.Contains(before[name], line) {
				return "an opening is another"
			}
		}
	}
	return ""
}

// leaves are those of a log that its checkpoints cover.
type leaves struct {
	leaves             map[uint64][]byte
	first, end, pruned uint64
}

// shares reports whether two logs have a leaf in common. Commits of one number and time are
// alike in any.
func (l leaves) shares(other leaves) bool {
	for i, line := range l.leaves {
		if segment.KindOf(line) != segline.KindCommit && bytes.Equal(line, other.leaves[i]) {
			return true
		}
	}
	return false
}

func leavesOf(f files) leaves {
	l := leaves{leaves: map[uint64][]byte{}, first: math.MaxUint64}
	for _, name := range f.segments() {
		parsed, err := segment.ParseName(name)
		if err != nil {
			continue
		}
		lines, ok := f.lines(name)
		if !ok {
			continue
		}
		at := parsed.FirstIndex
		var open [][]byte
		for _, line := range lines {
			if segment.KindOf(line) != segline.KindCheckpoint || bytes.IndexByte(line, 0) >= 0 { // one of which a crash left the beginning
				open = append(open, line)
				continue
			}
			for _, one := range open {
				if m := prunedBefore.FindSubmatch(one); m != nil {
					n, _ := strconv.ParseUint(string(m[1]), 10, 64)
					l.pruned = max(l.pruned, n)
				}
				l.leaves[at] = one
				at++
			}
			open = nil
			l.first, l.end = min(l.first, parsed.FirstIndex), max(l.end, at)
		}
	}
	return l
}

var prunedBefore = regexp.MustCompile(`"action":"pruned","before":(\d+)`)
