// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/segname"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// peakFile is the variable that names the file for what the command took.
const peakFile = "AUDITLOG_TEST_PEAK"

// peak is the command, which then writes how many kilobytes of memory it took at the most.
// What the parent is told at its end includes the parent itself.
func peak() {
	code := command()
	status, err := os.ReadFile("/proc/self/status")
	if err == nil {
		found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
		err = os.WriteFile(os.Getenv(peakFile), found[1], 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 99
	}
	os.Exit(code)
}

// maxPeak is what no command may take of memory, whatever is in a log.
const maxPeak = 100 << 10 // kB

// peakOf runs the command and returns its output, exit code, and the memory it took in kB.
func peakOf(t *testing.T, args ...string) (stdout, stderr string, code, kilobytes int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "peak")
	cmd := exec.Command("auditlog-peak", args...)
	cmd.Env = append(os.Environ(), peakFile+"="+file)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	text, readErr := os.ReadFile(file)
	require.NoError(t, readErr, "%v: %v, %s", args, err, errs.String())
	kilobytes, err = strconv.Atoi(string(text))
	require.NoError(t, err)
	return out.String(), errs.String(), cmd.ProcessState.ExitCode(), kilobytes
}

func nested(levels int) pcommon.Value {
	top := pcommon.NewValueMap()
	v := top
	for range levels {
		v = v.Map().PutEmpty("k")
		v.SetEmptyMap()
	}
	v.SetStr("end")
	return top
}

// Commands take less than 100 MB for the largest and the deepest events that a log can hold.
func TestMemory(t *testing.T) {
	if runtime.GOOS != "linux" || testing.Short() || withRaceDetector {
		t.Skip("it takes a while, only /proc tells what a process took, and the race detector takes more: make unit runs it without")
	}
	two := func(fill func(plog.LogRecord)) (all []plog.LogRecord) {
		for i := range 2 {
			r := plog.NewLogRecord()
			r.Attributes().PutStr("audit.record.id", fmt.Sprintf("id-%d", i))
			fill(r)
			all = append(all, r)
		}
		return all
	}
	const large = 19 << 20
	for name, records := range map[string][]plog.LogRecord{
		"large bodies":   two(func(r plog.LogRecord) { r.Body().SetStr(strings.Repeat("x", large)) }),
		"escaped bodies": two(func(r plog.LogRecord) { r.Body().SetStr(strings.Repeat("\x00", large/6)) }),
		"large users":    two(func(r plog.LogRecord) { r.Attributes().PutStr("user.id", strings.Repeat("\n", large/2)) }),
		"bytes":          two(func(r plog.LogRecord) { r.Body().SetEmptyBytes().FromRaw(bytes.Repeat([]byte("x"), large/4*3)) }),
		"no UTF-8":       two(func(r plog.LogRecord) { r.Body().SetStr(strings.Repeat("x", large/4*3) + "\xff") }),
		"deep bodies":    two(func(r plog.LogRecord) { nested(190_000).CopyTo(r.Body()) }),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			log := writeLogOf(t, dir, 1, records...)
			key := filepath.Join(dir, "key.pub.pem")
			for _, args := range [][]string{
				{"show", log}, {"show", log, "--json"}, {"checkpoint", log, "--key", key},
				{"prove", log, "--event-id", "id-1", "--key", key, "--out", filepath.Join(dir, "proof")}, {"export", log, "--format", "jsonl"},
				{"tiles", log, "--out", filepath.Join(dir, "tiles"), "--key", key, "--hashes-only"},
			} {
				_, stderr, code, kilobytes := peakOf(t, args...)
				t.Logf("%v: %d MB", args[:1], kilobytes>>10)
				most := maxPeak
				if args[0] == "prove" { // which holds the line next to what it is read with
					most += maxPeak / 10
				}
				assert.Equal(t, exitGood, code, "%v: exit code %d, %d kB, %.200s", args, code, kilobytes, stderr)
				assert.LessOrEqual(t, kilobytes, most, "%v: exit code %d, %d kB, %.200s", args, code, kilobytes, stderr)
			}
		})
	}
}

// Checking a log takes less than 100 MB whatever one line of a file next to its segments holds.
func TestMemoryOfEndlessLines(t *testing.T) {
	if runtime.GOOS != "linux" || testing.Short() || withRaceDetector {
		t.Skip("it takes a while, only /proc tells what a process took, and the race detector takes more: make unit runs it without")
	}
	for name, line := range map[string]string{
		"endless":           strings.Repeat("x", 40<<20),
		"just in bounds":    strings.Repeat("x", segline.MaxBytes) + "\n",
		"of the right form": `{"key_change":"` + strings.Repeat("x", segline.MaxBytes-20) + "\"}\n",
	} {
		dir := t.TempDir()
		log := writeLog(t, dir, records()...)
		segments, err := filepath.Glob(filepath.Join(log, "audit-*.jsonl"))
		require.NoError(t, err)
		first, err := segment.ParseName(filepath.Base(segments[0]))
		require.NoError(t, err)
		for _, file := range []string{sidefile.KeyChangesName, segname.Values(first)} {
			path := filepath.Join(log, file)
			require.NoError(t, os.WriteFile(path, []byte(line), 0o600))
			_, stderr, code, kilobytes := peakOf(t, "verify", log, "--key", filepath.Join(dir, "key.pub.pem"))
			t.Logf("%s, %s: exit code %d, %d MB, %.100s", file, name, code, kilobytes>>10, stderr)
			assert.LessOrEqual(t, kilobytes, maxPeak, "%s, %s", file, name)
			require.NoError(t, os.Remove(path))
		}
	}
}

// Commands take time and memory in proportion to the files that there are, however little
// is in each: many empty ones, and many names of one file.
func TestMemoryOfManyFiles(t *testing.T) {
	if runtime.GOOS != "linux" || testing.Short() || withRaceDetector {
		t.Skip("it takes a while, only /proc tells what a process took, and the race detector takes more: make unit runs it without")
	}
	dir := t.TempDir()
	log := writeLog(t, dir, records()...)
	empty, linked := filepath.Join(dir, "empty"), filepath.Join(dir, "linked")
	for _, d := range []string{empty, linked} {
		require.NoError(t, os.CopyFS(d, os.DirFS(log)))
	}
	name := func(i int) string {
		return segment.Name{FirstIndex: uint64(1000 + i), Created: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)}.String()
	}
	for i := range 5000 {
		require.NoError(t, os.WriteFile(filepath.Join(empty, name(i)), nil, 0o600))
	}
	first := filepath.Join(linked, segment.Name{Created: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)}.String())
	for i := range 4000 {
		require.NoError(t, os.Link(first, filepath.Join(linked, name(i))))
	}
	for _, args := range [][]string{
		{"show", empty}, {"show", empty, "--since", "2026-11-23"}, {"checkpoint", empty}, {"prove", empty, "--index", "3"}, {"export", empty, "--format", "jsonl"}, {"tiles", empty, "--out", filepath.Join(dir, "tiles")},
		{"show", linked}, {"show", linked, "--since", "2026-11-23"}, {"checkpoint", linked}, {"prove", linked, "--index", "3"}, {"export", linked, "--format", "jsonl"},
	} {
		_, stderr, code, kilobytes := peakOf(t, args...)
		t.Logf("%v: exit code %d, %d MB, %.100s", args[:2], code, kilobytes>>10, stderr)

		if kilobytes > maxPeak || args[0] == "show" && code != exitGood {
			t.Errorf("%v: exit code %d, %d kB, %.200s", args, code, kilobytes, stderr)
		}
	}
}
