// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Command benchmarks measures the audit log beside its peers in the same run, round by
// round in turn: machines vary from minute to minute, so ratios count, not figures. It
// prints the tables of docs/benchmarks.md.
//
//	go run . [-quick] [-rounds N] [-collector FILE] [-dir DIR] [SECTION…]
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// options are what the command line says.
type options struct {
	rounds    int
	time      time.Duration // of one measurement
	events    int           // in the logs that are verified
	collector string        // otelcol-auditlog, for the section end-to-end
	dir       string        // for what is written
	out       io.Writer
}

// section is a table.
type section struct {
	name, title string
	run         func(context.Context, *options) error
}

// sections are the tables, in their order.
var sections = []section{
	{"writing", "Records a second", writing},
	{"latency", "Latency of a call", latency},
	{"verifying", "Verifying", verifying},
	{"growth", "Growth", growth},
	{"end-to-end", "End to end", endToEnd},
	{"sizes", "Bytes an event", sizes},
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == childArgument {
		exit(child(os.Args[2:]))
	}
	o := options{out: os.Stdout}
	flag.IntVar(&o.rounds, "rounds", 5, "how often each measurement is taken")
	flag.DurationVar(&o.time, "time", time.Second, "how long one takes")
	flag.IntVar(&o.events, "events", 500_000, "how many events the verified logs have; a tenth where each is signed")
	flag.StringVar(&o.collector, "collector", "", "the otelcol-auditlog to measure end to end; left out without it")
	flag.StringVar(&o.dir, "dir", "", "where to write: a directory on the disk to measure (default: that of temporary files)")
	quick := flag.Bool("quick", false, "see that everything works, and measure nothing in earnest")
	flag.Parse()
	if *quick {
		o.quick()
	}
	exit(run(context.Background(), &o, flag.Args()))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// quick makes everything small.
func (o *options) quick() { o.rounds, o.time, o.events = 1, 20*time.Millisecond, 2000 }

// run prints the sections that are named, or all.
func run(ctx context.Context, o *options, names []string) error {
	dir, err := os.MkdirTemp(o.dir, "auditlog-benchmarks-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o.dir = dir
	for _, name := range names {
		if !slices.ContainsFunc(sections, func(s section) bool { return s.name == name }) {
			return fmt.Errorf("there is no section %q", name)
		}
	}
	fmt.Fprintf(o.out, "%s, %s/%s, %d CPUs, %d rounds: medians (least to most)\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), o.rounds)
	for _, s := range sections {
		if len(names) > 0 && !slices.Contains(names, s.name) {
			continue
		}
		fmt.Fprintf(o.out, "\n## %s\n\n", s.title)
		if err := s.run(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// row prints a row of a table.
func (o *options) row(cells ...string) {
	fmt.Fprintf(o.out, "| %s |\n", strings.Join(cells, " | "))
}

// head prints the head of a table.
func (o *options) head(cells ...string) {
	o.row(cells...)
	o.row(slices.Repeat([]string{"---"}, len(cells))...)
}
