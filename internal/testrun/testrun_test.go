// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// inModule changes to a module with one test file.
func inModule(t *testing.T, body string) (skipped string) {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	require.NoError(t, os.WriteFile("go.mod", []byte("module example.com/m\n\ngo 1.26\n"), 0o600))
	require.NoError(t, os.WriteFile("m_test.go", []byte("package m\n\nimport \"testing\"\n\n"+body), 0o600))
	return filepath.Join(dir, "skipped")
}

func TestWhatIsSkippedIsSaid(t *testing.T) {
	skipped := inModule(t, `
func TestA(t *testing.T) { t.Skip("SKIPPED: node: is not installed") }
func TestB(t *testing.T) { t.Log("fine"); t.Run("c", func(t *testing.T) { t.Skipf("no %s", "disk") }) }
func TestD(t *testing.T) { t.SkipNow() }
func TestE(t *testing.T) { t.Skip("no disk") }
`)
	require.NoError(t, run(t.Context(), skipped, []string{"test", "."}))
	var said bytes.Buffer
	require.NoError(t, printSkipped(&said, skipped))
	assert.Equal(t, `4 tests were skipped.
  node: is not installed:
    m TestA
  no disk:
    m TestB/c
    m TestE
  it does not say why:
    m TestD
`, said.String())
}

func TestAFailureStaysOne(t *testing.T) {
	for what, body := range map[string]string{
		"a failure":      `func TestA(t *testing.T) { t.Fatal("wrong") }`,
		"a panic":        `func TestA(t *testing.T) { panic("wrong") }`,
		"no compilation": `func TestA(t *testing.T) { wrong }`,
	} {
		t.Run(what, func(t *testing.T) {
			err := run(t.Context(), inModule(t, body), []string{"test", "."})
			exit := new(exec.ExitError)
			require.True(t, errors.As(err, &exit), "%v", err)
			assert.Equal(t, 1, exit.ExitCode())
		})
	}
}

// A test that was renamed must not be missed by those who run it by its name.
func TestNoTestIsRun(t *testing.T) {
	const body = `func TestA(t *testing.T) {}`
	for _, args := range [][]string{
		{"test", "-run", "TestB", "."}, {"test", "-run=TestB", "."}, {"test", "--run=TestB", "."},
	} {
		err := run(t.Context(), inModule(t, body), args)
		assert.ErrorContains(t, err, "no test was run in: m", "%q", args)
	}
	assert.NoError(t, run(t.Context(), inModule(t, body), []string{"test", "-run", "TestA", "."}))
	// A package whose tests are for another system.
	assert.NoError(t, run(t.Context(), inModule(t, "var _ testing.TB"), []string{"test", "."}))
}

func TestOnlyFailuresAreShown(t *testing.T) {
	inModule(t, `
func TestGood(t *testing.T) { t.Log("good") }
func TestBad(t *testing.T) { t.Error("bad") }
func TestPanic(t *testing.T) { t.Log("before"); panic("wrong") }
`)
	events, err := exec.CommandContext(t.Context(), "go", "test", "-json", ".").Output()
	require.Error(t, err)
	var said bytes.Buffer
	newProgress(&said).follow(bytes.NewReader(events), nil)
	for _, s := range []string{"m_test.go:7: bad", "before", "panic: wrong", "FAIL\texample.com/m"} {
		assert.Contains(t, said.String(), s)
	}
	assert.NotContains(t, said.String(), "good")
}

// A tick names the tests that have run the longest.
func TestALineAMinute(t *testing.T) {
	events, in := io.Pipe()
	tick := make(chan time.Time)
	out, said := io.Pipe()
	go func() {
		newProgress(said).follow(events, tick)
		said.Close()
	}()
	_, err := io.WriteString(in, `{"Time":"2026-11-23T10:00:00Z","Action":"run","Package":"m/rotation","Test":"TestSlow"}
{"Time":"2026-11-23T10:00:10Z","Action":"run","Package":"m/rotation","Test":"TestSlow/part"}
{"Time":"2026-11-23T10:00:20Z","Action":"run","Package":"m/verify","Test":"TestDone"}
{"Time":"2026-11-23T10:00:30Z","Action":"pass","Package":"m/verify","Test":"TestDone"}
not JSON
`)
	require.NoError(t, err)
	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "not JSON\n", first, "the last of the lines, so that all have been followed")
	tick <- time.Date(2026, 11, 23, 10, 1, 0, 0, time.UTC)
	second, err := lines.ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "10:01:00 running: rotation TestSlow (1m0s)\n", second)
	require.NoError(t, in.Close())
	rest, err := io.ReadAll(out)
	require.NoError(t, err)
	assert.Empty(t, rest)
}

func TestNeeds(t *testing.T) {
	assert.NoError(t, need(strings.Fields("go")))
	assert.ErrorContains(t, need([]string{"go", "no-such-program", "nor-this"}), "not installed: no-such-program, nor-this;")
}

func TestNothingHasRun(t *testing.T) {
	var said bytes.Buffer
	require.NoError(t, printSkipped(&said, filepath.Join(t.TempDir(), "none")))
	assert.Equal(t, "No tests have run.\n", said.String())
	assert.Error(t, run(context.Background(), "", nil))
}
