// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/otel-auditlog/auditlogexporter/internal/partition"
	"github.com/otel-auditlog/auditlogexporter/internal/realpath"
	"github.com/otel-auditlog/auditlogexporter/rotation"
)

func (c *Config) validateState(p *problems) {
	if c.StateDirectory != "" && c.Directory != "" && within(c.StateDirectory, c.Directory) {
		p.add("state_directory", "%s lies in the log's directory, %s: whatever empties that or puts back an older copy of it would do the same to the state: name a directory elsewhere, on another volume if the log has one of its own, such as /var/lib/otelcol/audit-state", c.StateDirectory, c.Directory)
	}
}

// stateDirectory returns the directory that the state is kept in.
func (c *Config) stateDirectory() string {
	if c.StateDirectory != "" {
		return absolute(c.StateDirectory)
	}
	return filepath.Dir(absolute(c.Signing.KeyFile))
}

// stateApart refuses a state directory in the log's directory, links followed.
func stateApart(c *Config) error {
	in, err := realpath.Within(c.stateDirectory(), absolute(c.Directory))
	if err != nil {
		return fmt.Errorf("state_directory: %w", err)
	}
	if in {
		return fmt.Errorf("state_directory: %s lies in the log's directory, links followed: name a directory elsewhere", c.stateDirectory())
	}
	return nil
}

// logExisted reports whether the state directory knows a log that the configuration
// describes: so none is begun with another key because the log is missing.
func logExisted(c *Config) (bool, error) {
	origins, err := rotation.KnownOrigins(c.stateDirectory())
	if err != nil {
		return false, fmt.Errorf("state_directory: %w", err)
	}
	return slices.ContainsFunc(origins, func(origin string) bool {
		return c.PartitionBy == "" && origin == c.Origin || c.PartitionBy != "" && strings.HasPrefix(origin, c.Origin+"/")
	}), nil
}

// missingPartitions returns the names of partitions that the state directory knows, and that
// are not there: they are opened, to say so.
func missingPartitions(c *Config, there []string) (names []string, _ error) {
	origins, err := rotation.KnownOrigins(c.stateDirectory())
	if err != nil {
		return nil, fmt.Errorf("state_directory: %w", err)
	}
	for _, origin := range origins {
		name, ours := strings.CutPrefix(origin, c.Origin+"/")
		if ours && partition.Valid(name) && !slices.Contains(there, name) {
			names = append(names, name)
		}
	}
	return names, nil
}
