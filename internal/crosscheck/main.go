// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Command crosscheck type-checks packages, and all that they import, as the compiler would for
// other systems. It finds what a cross build would find in a fraction of its time, since
// nothing is compiled: names that a system lacks, and constants that are too large for it.
//
//	crosscheck PACKAGES SYSTEM…
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: crosscheck PACKAGES SYSTEM…, such as ./... linux/386 windows/amd64")
		os.Exit(2)
	}
	failed := false
	for _, system := range os.Args[2:] {
		if err := check(".", os.Args[1], system); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", system, err)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}

// listed is a package as go list tells of it.
type listed struct {
	Dir, ImportPath string
	GoFiles         []string
	ImportMap       map[string]string
	DepOnly         bool // it is imported, and matches no pattern
	Module          *struct{ GoVersion string }
}

// check type-checks the packages that match a pattern in a directory, for a system such as
// linux/386. Of what they import it looks at declarations alone.
func check(dir, pattern, system string) error {
	goos, goarch, _ := strings.Cut(system, "/")
	sizes := types.SizesFor("gc", goarch)
	if sizes == nil {
		return fmt.Errorf("unknown architecture %q", goarch)
	}
	list := exec.Command("go", "list", "-deps", "-json=Dir,ImportPath,GoFiles,ImportMap,DepOnly,Module", pattern)
	list.Dir = dir
	list.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
	list.Stderr = os.Stderr
	output, err := list.Output()
	if err != nil {
		return fmt.Errorf("list packages: %w", err)
	}
	fset, checked := token.NewFileSet(), map[string]*types.Package{"unsafe": types.Unsafe}
	var errs []error
	// Those that a package imports come before it.
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return errors.Join(errs...)
		} else if err != nil {
			return fmt.Errorf("list packages: %w", err)
		}
		if p.ImportPath == "unsafe" {
			continue
		}
		files, err := parse(fset, &p)
		if err != nil {
			return err
		}
		config := types.Config{
			Sizes:            sizes,
			IgnoreFuncBodies: p.DepOnly,
			Importer:         importer{checked, p.ImportMap},
			Error:            func(err error) { errs = append(errs, err) },
		}
		if p.Module != nil && p.Module.GoVersion != "" {
			config.GoVersion = "go" + p.Module.GoVersion
		}
		// All errors have been told to the function.
		checked[p.ImportPath], _ = config.Check(p.ImportPath, fset, files, nil)
	}
}

func parse(fset *token.FileSet, p *listed) (files []*ast.File, _ error) {
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// importer finds packages among those that have been checked.
type importer struct {
	checked map[string]*types.Package
	mapped  map[string]string // paths that stand for others, as of vendored packages
}

func (i importer) Import(path string) (*types.Package, error) {
	if to, ok := i.mapped[path]; ok {
		path = to
	}
	if p := i.checked[path]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("the package %s has not been listed", path)
}
