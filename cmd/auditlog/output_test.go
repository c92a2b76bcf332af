// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A command whose output cannot be written fails with the reason, whatever it is that it
// prints: on a full disk, where standard output is closed, and where its reader is gone.
func TestOutputThatCannotBeWritten(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full here")
	}
	dir := t.TempDir()
	log := writeLog(t, dir, records()...)
	key, proof := filepath.Join(dir, "key.pub.pem"), filepath.Join(dir, "proof")
	var out, errs strings.Builder
	require.Equal(t, exitGood, run(t.Context(), []string{"prove", log, "--event-id", "id-1", "--out", proof}, &out, &errs), errs.String())
	endpoint := (&receiver{takes: 1000}).serve(t)
	for name, args := range map[string][]string{
		"verify": {"verify", log, "--key", key}, "verify --json": {"verify", log, "--key", key, "--json"},
		"verify --recursive": {"verify", dir, "--recursive", "--key", key}, "verify --recursive --json": {"verify", dir, "--recursive", "--key", key, "--json"},
		"show": {"show", log}, "show --json": {"show", log, "--json"}, "checkpoint": {"checkpoint", log, "--key", key},
		"prove": {"prove", log, "--event-id", "id-1", "--key", key}, "check": {"check", proof, "--key", key}, "check --json": {"check", proof, "--key", key, "--json"},
		"export jsonl": {"export", log, "--format", "jsonl", "--key", key}, "export csv": {"export", log, "--format", "csv", "--key", key}, "export ocsf": {"export", log, "--format", "ocsf", "--key", key},
		"tiles": {"tiles", log, "--out", "OUT", "--key", key}, "replay": {"replay", log, "--endpoint", endpoint, "--insecure", "--key", key},
		"keygen": {"keygen", "--out", "OUT"}, "help": {"--help"}, "help of a command": {"show", "--help"},
	} {
		for how, shell := range map[string]string{
			"full disk": `"$@" > /dev/full`, "closed": `"$@" >&-`, "no reader": `{ { sleep 0.2; "$@"; echo $? > "$CODE"; } | :; }; exit $(cat "$CODE")`,
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				t.Parallel()
				args := append([]string{}, args...)
				if i := slices.Index(args, "OUT"); i >= 0 {
					args[i] = filepath.Join(t.TempDir(), "out") // which one export at a time may write to
				}
				cmd := exec.Command("sh", append([]string{"-c", shell, "sh", "auditlog"}, args...)...)
				cmd.Env = append(os.Environ(), "CODE="+filepath.Join(t.TempDir(), "code"))
				var errs bytes.Buffer
				cmd.Stderr = &errs
				err := cmd.Run()
				var exit *exec.ExitError
				if !errors.As(err, &exit) || exit.ExitCode() != exitUnchecked || !strings.Contains(errs.String(), "write to standard output: ") {
					t.Errorf("%v, %s", err, errs.String())
				}
			})
		}
	}
}

// What is thrown away on purpose is not missed.
func TestOutputThatIsThrownAway(t *testing.T) {
	log := writeLog(t, t.TempDir(), records()[0])
	for _, shell := range []string{`auditlog show "$1" > /dev/null`, `auditlog verify "$1" --quiet >&-`} {
		out, err := exec.Command("sh", "-c", shell, "sh", log).CombinedOutput()
		assert.NoError(t, err, "%s: %v, %s", shell, err, out)
	}
}
