// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Example|Benchmark)\w*)\(`)
	runFlag      = regexp.MustCompile(`-run '?\^?([A-Z][\w|]*)`)
	inBackticks  = regexp.MustCompile("`([^`\n]+)`")
	aTest        = regexp.MustCompile(`^(?:Test|Fuzz)[A-Z]\w*`)
)

// testFunctions returns the directories of the tests of all modules, by the tests' names.
func testFunctions(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "build" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(name)
		for _, m := range testFunction.FindAllSubmatch(source, -1) {
			found[string(m[1])] = append(found[string(m[1])], filepath.ToSlash(filepath.Dir(name)))
		}
		return err
	})
	require.NoError(t, err)
	return found
}

// A page that names a test promises what the test holds, so it must not outlive it. Where a
// package stands before a test in the same clause, the test is in that package.
func TestPagesNameTestsThatExist(t *testing.T) {
	found := testFunctions(t)
	isPackage := map[string]bool{}
	for _, dirs := range found {
		for _, dir := range dirs {
			isPackage[dir], isPackage[path.Base(dir)] = true, true
		}
	}
	pages, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	named := 0
	for _, page := range append(pages, "README.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		clauses := strings.FieldsFunc(string(text), func(r rune) bool { return r == ';' || r == '|' || r == '\n' })
		for _, clause := range clauses {
			pkg := ""
			for _, m := range inBackticks.FindAllStringSubmatch(clause, -1) {
				name := aTest.FindString(m[1])
				switch {
				case name != "":
					named++
					dirs := found[name]
					if assert.NotEmpty(t, dirs, "%s names the test %s, which does not exist", page, name) && pkg != "" {
						in := func(dir string) bool { return dir == pkg || path.Base(dir) == pkg }
						assert.True(t, slices.ContainsFunc(dirs, in), "%s says that %s is in %s; it is in %v", page, name, pkg, dirs)
					}
				case isPackage[m[1]]:
					pkg = m[1]
				}
			}
		}
	}
	assert.Greater(t, named, 200)
}

// A target of the Makefile that runs a test by its name would pass without running anything
// after the test got another name.
func TestMakefileRunsTestsThatExist(t *testing.T) {
	found := testFunctions(t)
	makefile, err := os.ReadFile("Makefile")
	require.NoError(t, err)
	flags := runFlag.FindAllSubmatch(makefile, -1)
	require.Greater(t, len(flags), 5)
	for _, m := range flags {
		for name := range strings.SplitSeq(string(m[1]), "|") {
			exists := false
			for function := range found {
				exists = exists || strings.HasPrefix(function, name)
			}
			assert.True(t, exists, "the Makefile runs %s, which does not exist", name)
		}
	}
}
