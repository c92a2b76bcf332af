// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
)

// A child of the test is the test program.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == childArgument {
		exit(child(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// Every table is printed, so that the harness does not rot. What it says of speed is of
// no account.
func TestQuick(t *testing.T) {
	var out bytes.Buffer
	o := options{dir: t.TempDir(), out: &out, collector: os.Getenv("AUDITLOG_COLLECTOR")}
	o.quick()
	if err := run(context.Background(), &o, nil); err != nil {
		t.Fatal(err)
	}
	for _, s := range sections {
		if _, table, found := strings.Cut(out.String(), "## "+s.title+"\n"); !found || len(table) < 20 {
			t.Errorf("no table %q in:\n%s", s.title, out.String())
		}
	}
	if err := run(context.Background(), &o, []string{"nonsense"}); err == nil {
		t.Error("a section that does not exist was taken")
	}
}
