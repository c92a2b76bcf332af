// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/otel-auditlog/auditlogexporter/verify"
)

// reportJSON is a report with what it was made by, for programs.
type reportJSON struct {
	*verify.Report
	Verifier verifier `json:"verifier"`
}

// verifier says what a report was made by, and of what: so that it can be made again.
type verifier struct {
	Version string `json:"version"`
	// Time is when the check began, by the clock here.
	Time      time.Time `json:"time"`
	Directory string    `json:"directory"`
	// Inputs are the files that were handed over, as they were read.
	Inputs []handedFile `json:"inputs"`
	// Options are the flags that were given, by name, with their values.
	Options map[string][]string `json:"options"`
}

func verifierOf(cmd *cobra.Command, dir string, at time.Time, inputs *handed) verifier {
	v := verifier{Version: build().version, Time: at.UTC(), Directory: dir, Inputs: inputs.files, Options: map[string][]string{}}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if several, ok := f.Value.(pflag.SliceValue); ok {
			v.Options[f.Name] = several.GetSlice()
			return
		}
		v.Options[f.Name] = []string{f.Value.String()}
	})
	return v
}
