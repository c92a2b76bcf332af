// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/verify"
)

// plainLog has a collector write a log of several uncompressed segments, and returns
// the site and the names of the segments in order.
func plainLog(t *testing.T, scope, compression string) (*site, []string) {
	t.Helper()
	s := newSite(t, fmt.Sprintf("rotation: {max_size_mib: 1, compression: %s}", compression))
	s.scope = scope
	p := s.start(t)
	s.fill(t, "id", 3000)
	suffix := map[string]string{"none": ".jsonl", "zstd": ".jsonl.zst", "gzip": ".jsonl.gz"}[compression]
	eventually(t, "all segments but the active one are compressed", func() bool {
		names := segments(t, s.log)
		return len(names) >= 3 && !slices.ContainsFunc(names[:len(names)-1], func(name string) bool { return !hasSuffix(name, suffix) })
	})
	p.stop(t)
	code, report := runVerify(t, s.log, "--key", s.public)
	require.Zero(t, code)
	require.EqualValues(t, 3000, report.TotalEvents-report.OwnEvents)
	return s, segments(t, s.log)
}

func hasSuffix(name, suffix string) bool {
	return len(name) > len(suffix) && name[len(name)-len(suffix):] == suffix
}

func segments(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "audit-*"))
	require.NoError(t, err)
	names := make([]string, len(paths))
	for i, path := range paths {
		names[i] = filepath.Base(path)
	}
	return names
}

// copyLog copies a log, to be tampered with.
func copyLog(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}

// editLines changes the lines of a file; each has its line end.
func editLines(t *testing.T, path string, edit func(lines [][]byte) [][]byte) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := bytes.SplitAfter(content, []byte("\n"))
	require.NoError(t, os.WriteFile(path, bytes.Join(edit(lines[:len(lines)-1]), nil), 0o600))
}

var signature = regexp.MustCompile(`,"signature":"[^"]*","signature_key_id":"[^"]*"`)

// lineTamperings change lines of a segment, from the given one (counted from 0) on.
// The finding must name the line after, counted from 1, or a range of lines with it.
var lineTamperings = []struct {
	name      string
	edit      func(lines [][]byte, at int) [][]byte
	after     int
	eventOnly bool // it needs a log whose events are signed
}{
	{name: "a byte changed", edit: func(lines [][]byte, at int) [][]byte {
		lines[at] = bytes.Replace(lines[at], []byte("xxx"), []byte("xyx"), 1)
		return lines
	}},
	{name: "a member changed", edit: func(lines [][]byte, at int) [][]byte {
		lines[at] = bytes.Replace(lines[at], []byte(`"level":"info"`), []byte(`"level":"error"`), 1)
		return lines
	}},
	{name: "a line deleted", edit: func(lines [][]byte, at int) [][]byte {
		return slices.Delete(lines, at, at+1)
	}},
	{name: "two lines swapped", edit: func(lines [][]byte, at int) [][]byte {
		lines[at], lines[at+1] = lines[at+1], lines[at]
		return lines
	}},
	{name: "a line repeated", after: 1, edit: func(lines [][]byte, at int) [][]byte {
		return slices.Insert(lines, at+1, lines[at])
	}},
	{name: "a signature stripped", eventOnly: true, edit: func(lines [][]byte, at int) [][]byte {
		lines[at] = signature.ReplaceAll(lines[at], nil)
		return lines
	}},
	{name: "a signature declared missing", eventOnly: true, edit: func(lines [][]byte, at int) [][]byte {
		lines[at] = signature.ReplaceAll(lines[at], []byte(`,"signature":null`))
		return lines
	}},
	{name: "a signature of another event", eventOnly: true, edit: func(lines [][]byte, at int) [][]byte {
		lines[at] = signature.ReplaceAll(lines[at], signature.Find(lines[at+1]))
		return lines
	}},
}

func TestTamperedLinesAreFound(t *testing.T) {
	for _, scope := range []string{"event", "checkpoint"} {
		s, names := plainLog(t, scope, "none")
		for _, tampering := range lineTamperings {
			if tampering.eventOnly && scope != "event" {
				continue
			}
			for place, name := range map[string]string{"sealed": names[1], "active": names[len(names)-1]} {
				t.Run(scope+"/"+place+"/"+tampering.name, func(t *testing.T) {
					dir := copyLog(t, s.log)
					at := 0
					editLines(t, filepath.Join(dir, name), func(lines [][]byte) [][]byte {
						at = middleEvent(t, lines)
						before := bytes.Join(lines, nil)
						lines = tampering.edit(lines, at)
						require.NotEqual(t, before, bytes.Join(lines, nil))
						return lines
					})
					code, report := runVerify(t, dir, "--key", s.public)
					require.Equal(t, 1, code)
					require.True(t, report.TamperingDetected)
					line := at + 1 + tampering.after
					assert.True(t, slices.ContainsFunc(report.Findings, func(f verify.Finding) bool {
						return f.Severity == verify.Tampering && f.Segment == name && f.Line <= line && line <= max(f.Line, f.LastLine)
					}), "line %d of %s: %+v", line, name, report.Findings)
					for _, f := range report.Findings {
						if f.Severity == verify.Tampering {
							assert.Equal(t, name, f.Segment, "nothing else was changed: %+v", f)
						}
					}
					assert.Greater(t, report.VerifiedEvents, uint64(2500), "what lies beside it is counted as good")
				})
			}
		}
	}
}

// middleEvent returns the place of a line, about the middle, that is an event and
// precedes two more.
func middleEvent(t *testing.T, lines [][]byte) int {
	t.Helper()
	for at := len(lines) / 2; at < len(lines)-2; at++ {
		if bytes.Contains(lines[at], []byte(`"event_id":"id-`)) && bytes.Contains(lines[at+1], []byte(`"event_id":"id-`)) && bytes.Contains(lines[at+2], []byte(`"event_id":"id-`)) {
			return at
		}
	}
	require.FailNow(t, "no such line")
	return 0
}

func TestTamperedFilesAreFound(t *testing.T) {
	for _, compression := range []string{"none", "zstd", "gzip"} {
		s, names := plainLog(t, "event", compression)
		middle, newest := names[1], names[len(names)-1]
		code, kept := runAuditlog(t, "checkpoint", s.log)
		require.Zero(t, code)
		checkpoint := filepath.Join(s.dir, "kept-checkpoint")
		require.NoError(t, os.WriteFile(checkpoint, kept, 0o600))
		truncate := func(t *testing.T, path string, fraction int64) {
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.NoError(t, os.Truncate(path, info.Size()*fraction/4))
		}

		for _, tampering := range []struct {
			name   string
			tamper func(t *testing.T, dir string)
			found  func(f verify.Finding) bool
		}{
			{
				"a middle segment removed",
				func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, middle))) },
				func(f verify.Finding) bool {
					return f.Kind == verify.SegmentMissing && (f.Segment == names[0] || f.Segment == names[2])
				},
			},
			{
				"a sealed segment truncated",
				func(t *testing.T, dir string) { truncate(t, filepath.Join(dir, middle), 3) },
				func(f verify.Finding) bool { return f.Segment == middle },
			},
			{
				"a sealed segment emptied",
				func(t *testing.T, dir string) { truncate(t, filepath.Join(dir, middle), 0) },
				func(f verify.Finding) bool { return f.Segment == middle },
			},
			{
				"bytes appended to a sealed segment",
				func(t *testing.T, dir string) { appendTo(t, filepath.Join(dir, middle), "{}\n") },
				func(f verify.Finding) bool { return f.Segment == middle },
			},
			{
				"a byte changed in the middle of a sealed segment",
				func(t *testing.T, dir string) {
					path := filepath.Join(dir, middle)
					content, err := os.ReadFile(path)
					require.NoError(t, err)
					content[len(content)/2] ^= 1
					require.NoError(t, os.WriteFile(path, content, 0o600))
				},
				func(f verify.Finding) bool { return f.Segment == middle },
			},
			{
				"two segments swapped",
				func(t *testing.T, dir string) {
					a, b := filepath.Join(dir, names[0]), filepath.Join(dir, middle)
					require.NoError(t, os.Rename(a, a+"x"))
					require.NoError(t, os.Rename(b, a))
					require.NoError(t, os.Rename(a+"x", b))
				},
				func(f verify.Finding) bool { return f.Segment == middle || f.Segment == names[0] },
			},
			{
				"the newest segment removed",
				func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, newest))) },
				func(f verify.Finding) bool { return f.Kind == verify.Rollback },
			},
		} {
			t.Run(compression+"/"+tampering.name, func(t *testing.T) {
				dir := copyLog(t, s.log)
				tampering.tamper(t, dir)
				code, report := runVerify(t, dir, "--key", s.public, "--checkpoint", checkpoint)
				require.Equal(t, 1, code)
				assert.True(t, slices.ContainsFunc(report.Findings, func(f verify.Finding) bool {
					return f.Severity == verify.Tampering && tampering.found(f)
				}), "%+v", report.Findings)
			})
		}

		// The checkpoint file in the directory is not needed to find it.
		t.Run(compression+"/rollback with the copy removed too", func(t *testing.T) {
			dir := copyLog(t, s.log)
			require.NoError(t, os.Remove(filepath.Join(dir, newest)))
			require.NoError(t, os.Remove(filepath.Join(dir, "checkpoint")))
			code, _ := runVerify(t, dir, "--key", s.public, "--checkpoint", checkpoint)
			assert.Equal(t, 1, code)
		})
	}
}
