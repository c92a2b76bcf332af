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

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
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
	if readErr != nil {
		t.Fatalf("%v: %v, %s", args, err, errs.String())
	}
	if kilobytes, err = strconv.Atoi(string(text)); err != nil {
		t.Fatal(err)
	}
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
	if runtime.GOOS != "linux" {
		t.Skip("only /proc tells what a process took")
	}
	large := func(fill func(plog.LogRecord, string)) []plog.LogRecord {
		var all []plog.LogRecord
		for i := range 4 {
			r := plog.NewLogRecord()
			r.Attributes().PutStr("audit.record.id", fmt.Sprintf("id-%d", i))
			fill(r, strings.Repeat(string(rune('a'+i)), 19<<20))
			all = append(all, r)
		}
		return all
	}
	deep := func(levels int) (all []plog.LogRecord) {
		for i := range 4 {
			r := plog.NewLogRecord()
			r.Attributes().PutStr("audit.record.id", fmt.Sprintf("id-%d", i))
			nested(levels).CopyTo(r.Body())
			all = append(all, r)
		}
		return all
	}
	for name, records := range map[string][]plog.LogRecord{
		"large bodies":   large(func(r plog.LogRecord, s string) { r.Body().SetStr(s) }),
		"escaped bodies": large(func(r plog.LogRecord, s string) { r.Body().SetStr(strings.Repeat("\x00\n", len(s)/10)) }),
		"large users":    large(func(r plog.LogRecord, s string) { r.Attributes().PutStr("user.id", strings.Repeat("\n=", len(s)/4)) }),
		"bytes":          large(func(r plog.LogRecord, s string) { r.Body().SetEmptyBytes().FromRaw([]byte(s)) }),
		"no UTF-8":       large(func(r plog.LogRecord, s string) { r.Body().SetStr(s + "\xff") }),
		"deep bodies":    deep(190_000),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			log := writeLogOf(t, dir, 1, records...)
			key := filepath.Join(dir, "key.pub.pem")
			for _, args := range [][]string{
				{"show", log}, {"show", log, "--json"}, {"show", log, "--text", "nothing of the kind", "--user", "x"}, {"checkpoint", log, "--key", key}, {"prove", log, "--event-id", "id-1", "--key", key, "--out", filepath.Join(dir, "proof")},
				{"check", filepath.Join(dir, "proof"), "--key", key}, {"check", filepath.Join(dir, "proof"), "--key", key, "--json"},
				{"export", log, "--format", "jsonl", "--key", key}, {"export", log, "--format", "csv"}, {"export", log, "--format", "ocsf"}, {"export", log, "--format", "otlp-json"},
				{"tiles", log, "--out", filepath.Join(dir, "tiles"), "--key", key, "--hashes-only"}, {"verify", log, "--key", key},
			} {
				_, stderr, code, kilobytes := peakOf(t, args...)
				t.Logf("%v: %d MB", args[:1], kilobytes>>10)
				if code != exitGood || kilobytes > maxPeak {
					t.Errorf("%v: exit code %d, %d kB, %.200s", args, code, kilobytes, stderr)
				}
			}
		})
	}
}
