// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/otel-auditlog/auditlogexporter/internal/segline"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the command's version, and the format's",
		Long: `version prints which build this is, as the Go toolchain has recorded it, the
version of Go that made it, and the version of the format that it reads and writes.
So does --version.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), versionText())
			return err
		},
	}
}

// versionText is what version and --version print.
func versionText() string {
	b := build()
	return fmt.Sprintf("auditlog %s\ngo       %s\nformat   %s\n", b.version, b.goVersion, segline.Format)
}

// buildOf is what the toolchain has recorded of a build.
type buildOf struct{ version, goVersion string }

func build() buildOf {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return buildOf{"unknown", "unknown"}
	}
	return describe(info)
}

// describe names a build: the module's version, and the revision that it was made of unless
// the version holds that already.
func describe(info *debug.BuildInfo) buildOf {
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	version, revision := info.Main.Version, settings["vcs.revision"]
	if version == "" {
		version = "(devel)"
	}
	if len(revision) >= shortRevision && !strings.Contains(version, revision[:shortRevision]) {
		version += " revision " + revision
		if settings["vcs.modified"] == "true" {
			version += ", modified"
		}
	}
	return buildOf{version, info.GoVersion}
}

// shortRevision is how much of a revision pseudo-versions hold.
const shortRevision = 12
