// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Command testrun runs go test for make, so that nothing is skipped silently and a long
// run shows that it lives. It prints a line for each package, what failing tests said, and
// once a minute which tests are running; what was skipped goes to a file.
//
//	testrun -skipped FILE test -race ./...
//	testrun -report FILE
//	testrun -needs 'git gcc'
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	skipped := flag.String("skipped", "", "append what is skipped to this `file`; the arguments are those of go")
	report := flag.String("report", "", "print what was skipped, from this `file`")
	needs := flag.String("needs", "", "fail unless all of these `programs`, between blanks, are installed")
	flag.Parse()
	// What ends make ends the tests, too, and what they said until then is printed.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch {
	case *needs != "":
		err = need(strings.Fields(*needs))
	case *report != "":
		err = printSkipped(os.Stdout, *report)
	default:
		err = run(ctx, *skipped, flag.Args())
	}
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "testrun:", err)
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		os.Exit(max(exit.ExitCode(), 1))
	}
	os.Exit(1)
}

// need returns an error that names all programs that are not installed.
func need(programs []string) error {
	missing := slices.DeleteFunc(programs, func(name string) bool {
		_, err := exec.LookPath(name)
		return err == nil
	})
	if len(missing) > 0 {
		return fmt.Errorf("not installed: %s; README.md says what the tests need", strings.Join(missing, ", "))
	}
	return nil
}

// run runs go with -json, and appends what is skipped to a file.
func run(ctx context.Context, skipped string, args []string) error {
	if len(args) == 0 || args[0] != "test" {
		return errors.New("usage: testrun -skipped FILE test …")
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json"}, args[1:]...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	p := newProgress(os.Stdout)
	p.follow(out, minute.C)
	err = errors.Join(cmd.Wait(), appendLines(skipped, p.skipped))
	if len(p.without) > 0 && slices.ContainsFunc(args, isRun) {
		err = errors.Join(err, fmt.Errorf("no test was run in: %s; is it still called what -run asks for?", strings.Join(p.without, ", ")))
	}
	return err
}

// isRun reports whether an argument is go's flag -run.
func isRun(arg string) bool {
	name, _, _ := strings.Cut(arg, "=")
	return name == "-run" || name == "--run"
}

func appendLines(file string, lines []string) (err error) {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for _, line := range lines {
		if _, err := fmt.Fprintln(f, line); err != nil {
			return err
		}
	}
	return nil
}

// printSkipped prints how many tests were skipped, and which for each reason.
func printSkipped(w io.Writer, file string) error {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = fmt.Fprintln(w, "No tests have run.")
		return err
	}
	if err != nil {
		return err
	}
	defer f.Close()
	tests := map[string][]string{}
	var reasons []string
	n := 0
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		test, reason, _ := strings.Cut(lines.Text(), ": ")
		if tests[reason] == nil {
			reasons = append(reasons, reason)
		}
		tests[reason] = append(tests[reason], test)
		n++
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	fmt.Fprintf(w, "%d tests were skipped.\n", n)
	for _, reason := range reasons {
		fmt.Fprintf(w, "  %s:\n", reason)
		for _, test := range tests[reason] {
			fmt.Fprintf(w, "    %s\n", test)
		}
	}
	return nil
}
