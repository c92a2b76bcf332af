// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

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
	if s.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.out = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// check has the other verifier check what the arguments name.
func (s *second) check(t *testing.T, args []string) (a answer) {
	t.Helper()
	line, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.in.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	said, err := s.out.ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(said, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// Both verifiers find logs of all kinds good, and each checkpoint that was kept of them.
func TestBothFindSamplesGood(t *testing.T) {
	other := startSecond(t)
	for name, write := range sampleKinds {
		t.Run(name, func(t *testing.T) {
			s := write(t)
			r, err := verify.Log(t.Context(), os.DirFS(s.dir), s.options())
			if err != nil || r.TamperingDetected {
				t.Errorf("ours: %v, %+v", err, r)
			}
			if a := other.check(t, s.arguments(t, s.dir)); a.Verdict != "ok" || slices.ContainsFunc(a.Findings, func(f string) bool { return strings.HasPrefix(f, "warning") && !strings.Contains(f, "torn_tail") }) {
				t.Errorf("the other: %+v", a)
			}
		})
	}
}
