// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// event is a line of go test -json; see go doc test2json.
type event struct {
	Time    time.Time
	Action  string
	Package string
	Test    string
	Output  string
}

type test struct{ pkg, name string }

func (t test) String() string { return path.Base(t.pkg) + " " + t.name }

// progress is what is known of tests that are running.
type progress struct {
	w       io.Writer
	output  map[test][]string  // until the test ends
	began   map[test]time.Time // of tests that are running
	skipped []string           // "package test: reason"
	without []string           // packages in which no test was run
}

func newProgress(w io.Writer) *progress {
	return &progress{w: w, output: map[test][]string{}, began: map[test]time.Time{}}
}

// follow reads events to their end, and says at each tick what is running.
func (p *progress) follow(r io.Reader, tick <-chan time.Time) {
	lines := make(chan string)
	go func() {
		defer close(lines)
		in := bufio.NewReader(r)
		for {
			line, err := in.ReadString('\n')
			if line != "" {
				lines <- line
			}
			if err != nil {
				return // the end of go test, whose exit code says the rest
			}
		}
	}()
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				return
			}
			p.line(line)
		case now := <-tick:
			p.running(now)
		}
	}
}

func (p *progress) line(line string) {
	var e event
	if json.Unmarshal([]byte(line), &e) != nil || e.Action == "" {
		fmt.Fprint(p.w, line) // what go says by itself
		return
	}
	t := test{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Fprint(p.w, e.Output)
	case "output":
		p.print(t, e.Output)
	case "run", "cont":
		p.began[t] = e.Time
	case "pause":
		delete(p.began, t)
	case "pass", "fail", "skip":
		p.end(t, e.Action)
	}
}

// print keeps what a test says until it is known whether it fails; of a package, the line
// that sums it up is printed at once.
func (p *progress) print(t test, output string) {
	if t.name == "" && (strings.HasPrefix(output, "ok  ") || strings.HasPrefix(output, "FAIL\t")) {
		fmt.Fprint(p.w, output)
		if strings.Contains(output, "[no tests to run]") {
			p.without = append(p.without, path.Base(t.pkg))
		}
		return
	}
	p.output[t] = append(p.output[t], output)
}

func (p *progress) end(t test, action string) {
	defer delete(p.output, t)
	delete(p.began, t)
	switch {
	case action == "skip" && t.name != "":
		p.skipped = append(p.skipped, t.String()+": "+reason(p.output[t]))
	case action == "fail":
		p.dump(t)
		if t.name == "" {
			p.unfinished(t.pkg)
		}
	}
}

// unfinished prints what tests said that a panic, or a timeout, has kept from ending.
func (p *progress) unfinished(pkg string) {
	for t := range maps.Clone(p.output) {
		if t.pkg == pkg && t.name != "" {
			p.dump(t)
			delete(p.began, t)
			delete(p.output, t)
		}
	}
}

func (p *progress) dump(t test) {
	for _, s := range p.output[t] {
		fmt.Fprint(p.w, s)
	}
}

// reason is what a test said that was skipped, in one line, without its place in the
// source.
func reason(output []string) string {
	var said []string
	for _, s := range output {
		s = strings.TrimSpace(s)
		if s == "" || strings.HasPrefix(s, "===") || strings.HasPrefix(s, "--- ") {
			continue
		}
		if _, text, ok := strings.Cut(s, ".go:"); ok {
			if _, text, ok := strings.Cut(text, ": "); ok {
				s = text
			}
		}
		said = append(said, strings.TrimPrefix(s, "SKIPPED: "))
	}
	if len(said) == 0 {
		return "it does not say why"
	}
	return strings.Join(said, " ")
}

// running names the tests that have been running the longest, three at the most.
func (p *progress) running(now time.Time) {
	tests := slices.SortedFunc(maps.Keys(p.began), func(a, b test) int {
		return cmp.Or(p.began[a].Compare(p.began[b]), cmp.Compare(a.pkg, b.pkg), cmp.Compare(a.name, b.name))
	})
	tests = slices.DeleteFunc(tests, func(t test) bool { return strings.Contains(t.name, "/") })
	var said []string
	for _, t := range tests[:min(len(tests), 3)] {
		said = append(said, fmt.Sprintf("%s (%s)", t, now.Sub(p.began[t]).Round(time.Second)))
	}
	if len(said) == 0 {
		said = []string{"no test; packages are being built"}
	}
	fmt.Fprintf(p.w, "%s running: %s\n", now.UTC().Format(time.TimeOnly), strings.Join(said, ", "))
}
