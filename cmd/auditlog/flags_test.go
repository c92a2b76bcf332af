// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
)

// Every flag of every command that takes a duration takes days, and no number without a
// unit, which would be nanoseconds.
func TestDurationFlags(t *testing.T) {
	checked := 0
	each(rootCommand(), func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			kind := f.Value.Type()
			if !strings.Contains(strings.ToLower(kind), "duration") {
				assert.NotContains(t, f.Usage, "DURATION", "%s --%s: it is a %s", c.CommandPath(), f.Name, kind)
				return
			}
			checked++
			name := c.CommandPath() + " --" + f.Name
			for text, want := range map[string]string{"90d": "2160h0m0s", "1.5h": "1h30m0s", "0": "0s"} {
				assert.NoError(t, c.Flags().Set(f.Name, text), "%s %s", name, text)
				assert.Equal(t, want, f.Value.String(), "%s %s", name, text)
			}
			assert.ErrorContains(t, c.Flags().Set(f.Name, "90"), "write a duration such as 90s, 90m, 90h or 90d (days)", name)
			assert.Contains(t, f.Usage, "DURATION", name)
		})
	})
	assert.Positive(t, checked)
}

// each calls f with a command and all below it.
func each(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, below := range c.Commands() {
		each(below, f)
	}
}
