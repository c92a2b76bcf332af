// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recipe is a block of commands in docs/recipes.md that is marked as run, the programs
// it needs, and what it prints.
var recipe = regexp.MustCompile("(?s)<!-- run: ([^>]*) -->\n```sh\n(.*?)```\n```text\n(.*?)```\n")

// The recipes that are marked as run print what docs/recipes.md says.
func TestRecipes(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "recipes.md"))
	require.NoError(t, err)
	recipes := recipe.FindAllStringSubmatch(string(text), -1)
	require.Len(t, recipes, strings.Count(string(text), "<!-- run:"))

	program := shop(t)
	s := newSite(t, "")
	p := s.start(t)
	_, failure := emitAll(t, program, s.grpc)
	require.Empty(t, failure)
	p.stop(t)

	for _, r := range recipes {
		t.Run(strings.TrimSpace(strings.SplitN(r[2], "\n", 2)[0]), func(t *testing.T) {
			for _, name := range strings.Fields(r[1]) {
				if _, err := exec.LookPath(name); err != nil {
					t.Skipf("%s is not installed", name)
				}
			}
			cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", r[2])
			cmd.Dir = s.dir // where audit-log and audit-log-key.pub.pem are
			cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(auditlog)+string(os.PathListSeparator)+os.Getenv("PATH"), "LC_ALL=C")
			output, err := cmd.Output()
			require.NoError(t, err)
			assert.Equal(t, r[3], string(output))
		})
	}
}
