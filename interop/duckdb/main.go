// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Command duckdb runs SQL in DuckDB, as "duckdb -csv -noheader -c SQL" of DuckDB's own
// command line does, so that the recipes in docs/recipes.md can be tested as they stand
// on machines where that is not installed. The engine is DuckDB itself, as its authors
// build it. It is a module of its own because of what that takes.
package main

import (
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	_ "github.com/duckdb/duckdb-go/v2"
)

func main() {
	flags := flag.NewFlagSet("duckdb", flag.ExitOnError)
	csv := flags.Bool("csv", false, "print rows as CSV: the only form that there is here")
	noheader := flags.Bool("noheader", false, "without column names")
	query := flags.String("c", "", "the `SQL` query to run")
	if err := flags.Parse(os.Args[1:]); err != nil {
		fail(err)
	}
	if !*csv || *query == "" || flags.NArg() > 0 {
		fail(errors.New("usage: duckdb -csv [-noheader] -c SQL"))
	}
	if err := run(*query, !*noheader); err != nil {
		fail(err)
	}
}

// run prints what a query finds, as DuckDB writes it: to a file, because it cuts off what
// stands in the file that it is to write to, as standard output may be.
func run(query string, header bool) (err error) {
	dir, err := os.MkdirTemp("", "duckdb-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	rows := filepath.Join(dir, "rows.csv")
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return fmt.Errorf("open a database in memory: %w", err)
	}
	_, err = db.Exec(fmt.Sprintf("COPY (%s) TO '%s' (FORMAT csv, HEADER %t)", strings.TrimRight(query, "; \n"), strings.ReplaceAll(rows, "'", "''"), header))
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	text, err := os.ReadFile(rows)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "duckdb:", err)
	os.Exit(1)
}
