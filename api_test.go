// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter_test

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// parsedPackage is a package that others can import, and its tests.
type parsedPackage struct{ files, tests []*ast.File }

// publicPackages parses the packages of the root module that others can import, by their
// directories.
func publicPackages(t *testing.T) map[string]*parsedPackage {
	t.Helper()
	packages := map[string]*parsedPackage{}
	files := token.NewFileSet()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			_, err := os.Stat(filepath.Join(name, "go.mod"))
			skip := strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"build", "internal", "testdata"}, d.Name())
			if name != "." && (skip || err == nil) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		file, err := parser.ParseFile(files, name, nil, parser.ParseComments)
		if err != nil || file.Name.Name == "main" {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(name))
		if packages[dir] == nil {
			packages[dir] = new(parsedPackage)
		}
		if p := packages[dir]; strings.HasSuffix(name, "_test.go") {
			p.tests = append(p.tests, file)
		} else {
			p.files = append(p.files, file)
		}
		return nil
	})
	require.NoError(t, err)
	maps.DeleteFunc(packages, func(_ string, p *parsedPackage) bool { return len(p.files) == 0 })
	return packages
}

// saidElsewhere are methods that the standard library describes.
var saidElsewhere = []string{"Error", "String", "Unwrap"}

// exported returns the exported names that files declare, methods of exported types among
// them, and whether each has a comment of its own or of its group.
func exported(parsed []*ast.File) map[string]bool {
	names := map[string]bool{}
	for _, f := range parsed {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				name := d.Name.Name
				if d.Recv != nil {
					of := d.Recv.List[0].Type
					if pointer, ok := of.(*ast.StarExpr); ok {
						of = pointer.X
					}
					id, ok := of.(*ast.Ident)
					if !ok || !id.IsExported() {
						continue
					}
					name = id.Name + "." + name
				}
				if d.Name.IsExported() {
					names[name] = d.Doc != nil || d.Recv != nil && slices.Contains(saidElsewhere, d.Name.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						if s.Name.IsExported() {
							names[s.Name.Name] = d.Doc != nil || s.Doc != nil
						}
					case *ast.ValueSpec:
						for _, id := range s.Names {
							if id.IsExported() {
								names[id.Name] = d.Doc != nil || s.Doc != nil || s.Comment != nil
							}
						}
					}
				}
			}
		}
	}
	return names
}

// Each exported name is a promise, so there are few, and each says what it promises.
func TestTheAPIIsSmall(t *testing.T) {
	packages := publicPackages(t)
	require.Greater(t, len(packages), 10)
	total, counts := 0, []string(nil)
	for dir, p := range packages {
		names := exported(p.files)
		total += len(names)
		counts = append(counts, fmt.Sprintf("%s %d", dir, len(names)))
		for name, commented := range names {
			assert.True(t, commented, "%s: %s has no comment", dir, name)
		}
		assert.True(t, slices.ContainsFunc(p.files, func(f *ast.File) bool { return f.Doc != nil }), "%s has no package comment", dir)
	}
	slices.Sort(counts)
	assert.Less(t, total, 300, "exported names and methods of packages that others can import: %s", strings.Join(counts, ", "))
}

// A reader of a package's page sees it used, by code that runs.
func TestPackagesHaveExamples(t *testing.T) {
	packages := publicPackages(t)
	for _, dir := range []string{"event", "export", "logdir", "logevent", "merkle", "proof", "receipt", "segment", "signing", "verify", "verify/fleet"} {
		ran := slices.ContainsFunc(doc.Examples(packages[dir].tests...), func(e *doc.Example) bool { return e.Output != "" || e.EmptyOutput })
		assert.True(t, ran, "%s has no Example with an output", dir)
	}
}
