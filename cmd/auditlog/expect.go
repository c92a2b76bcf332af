// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/otel-auditlog/auditlogexporter/trust"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// originFlag says which log it must be.
type originFlag struct{ origin string }

func (f *originFlag) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.origin, "origin", "", "`NAME` (origin) of the log that it must be; another one is not checked")
}

// check says so if a log is another one.
func (f *originFlag) check(origin string) error {
	if f.origin != "" && origin != f.origin {
		return fmt.Errorf("%w: it is %q, not %q", verify.ErrWrongOrigin, origin, f.origin)
	}
	return nil
}

// asOfFlag says how old a copy is.
type asOfFlag struct{ size uint64 }

func (f *asOfFlag) addFlags(cmd *cobra.Command) {
	cmd.Flags().Uint64Var(&f.size, "as-of", 0, "the copy is of the time when the log had `SIZE` leaves: what is known of later ones is not held against it")
}

// value returns the size if it was given.
func (f *asOfFlag) value(cmd *cobra.Command) *uint64 {
	if !cmd.Flags().Changed("as-of") {
		return nil
	}
	return &f.size
}

// parsePoint reads a place in a log: a leaf index, or a time as parseWhen takes it.
func parsePoint(flag, s string, now time.Time) (*trust.Point, error) {
	if s == "" {
		return nil, nil
	}
	if index, err := strconv.ParseUint(s, 10, 64); err == nil {
		return &trust.Point{Index: index, ByIndex: true}, nil
	}
	t, err := parseWhen(flag, s, now)
	if err != nil {
		return nil, fmt.Errorf("%w, or a leaf index", err)
	}
	return &trust.Point{Time: t}, nil
}
