// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Command structure counts what makes code hard to read, in the packages that it is given:
//
//   - the references between files of a package, and how few of them have to be taken out for
//     all others to run one way;
//   - fields and methods of the type that -type names, such as rotation.Log;
//   - the package's types that the code below -from names, such as rotation.(*Log).Append,
//     followed through static calls within the package.
//
// Tests are left out. From the root of the repository:
//
//	GOWORK=off go -C tools run ./structure -dir .. -type rotation.Log -from 'rotation.(*Log).Append' ./rotation ./verify .
package main

import (
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	"go/types"
	"log"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

func main() {
	log.SetFlags(0)
	dir := flag.String("dir", ".", "count in the module in this directory")
	typeName := flag.String("type", "", "count fields and methods of this `package.Type`")
	from := flag.String("from", "", "count the types below this `package.(*Type).Method`")
	flag.Parse()
	pkgs, err := packages.Load(&packages.Config{
		Dir:  *dir,
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo,
	}, flag.Args()...)
	if err != nil {
		log.Fatalf("load the packages in %s: %v", *dir, err)
	}
	if packages.PrintErrors(pkgs) > 0 {
		log.Fatalf("the packages in %s do not compile", *dir)
	}
	for _, p := range pkgs {
		u := usesIn(p)
		fmt.Printf("%s: %d files, %d references between them, %d run back up\n", p.PkgPath, len(u.files), len(u.arrows), u.back())
		for _, a := range u.backward() {
			fmt.Printf("\t%s -> %s (%s)\n", a.from, a.to, u.arrows[a])
		}
		countType(p, *typeName)
		countBelow(p, *from)
	}
}

// An arrow says that one file of a package refers to another.
type arrow struct{ from, to string }

type uses struct {
	files  []string
	arrows map[arrow]string // with one of the names referred to
}

// usesIn collects the references between the files of a package.
func usesIn(p *packages.Package) uses {
	u := uses{arrows: map[arrow]string{}}
	name := func(file string) string { return filepath.Base(file) }
	for _, f := range p.Syntax {
		u.files = append(u.files, name(p.Fset.Position(f.Pos()).Filename))
	}
	slices.Sort(u.files)
	for id, o := range p.TypesInfo.Uses {
		if o.Pkg() != p.Types || !o.Pos().IsValid() {
			continue
		}
		if v, ok := o.(*types.Var); ok && !v.IsField() && o.Parent() != p.Types.Scope() {
			continue // of a function
		}
		a := arrow{name(p.Fset.Position(id.Pos()).Filename), name(p.Fset.Position(o.Pos()).Filename)}
		if a.from != a.to && (u.arrows[a] == "" || o.Name() < u.arrows[a]) {
			u.arrows[a] = o.Name()
		}
	}
	return u
}

func (u uses) back() int { return len(u.backward()) }

// backward returns the arrows that run against an order of the files in which few do: the
// order that the heuristic of Eades, Lin and Smyth (1993) finds.
func (u uses) backward() []arrow {
	left := map[string]bool{}
	for _, f := range u.files {
		left[f] = true
	}
	degree := func(f string) (in, out int) {
		for a := range u.arrows {
			if a.from == f && left[a.to] {
				out++
			}
			if a.to == f && left[a.from] {
				in++
			}
		}
		return in, out
	}
	var head, tail []string
	for len(left) > 0 {
		var names []string
		for f := range left {
			names = append(names, f)
		}
		slices.Sort(names)
		best, bestBy, place := "", 0, 0
		for _, f := range names {
			in, out := degree(f)
			switch {
			case out == 0:
				best, place = f, -1
			case in == 0:
				best, place = f, 1
			case best == "" || place == 0 && out-in > bestBy:
				best, bestBy = f, out-in
			}
			if place != 0 {
				break
			}
		}
		if place < 0 {
			tail = append(tail, best)
		} else {
			head = append(head, best)
		}
		delete(left, best)
	}
	slices.Reverse(tail)
	position := map[string]int{}
	for i, f := range append(head, tail...) {
		position[f] = i
	}
	var back []arrow
	for a := range u.arrows {
		if position[a.from] > position[a.to] {
			back = append(back, a)
		}
	}
	slices.SortFunc(back, func(a, b arrow) int {
		return cmp.Or(strings.Compare(a.from, b.from), strings.Compare(a.to, b.to))
	})
	return back
}

// countType prints how many fields and methods a type has, if the package is its own.
func countType(p *packages.Package, name string) {
	pkg, typ, _ := strings.Cut(name, ".")
	if pkg != p.Name || typ == "" {
		return
	}
	o := p.Types.Scope().Lookup(typ)
	if o == nil {
		log.Fatalf("%s has no type %s", p.PkgPath, typ)
	}
	named, ok := o.Type().(*types.Named)
	if !ok {
		log.Fatalf("%s is no defined type", name)
	}
	fields := 0
	if s, ok := named.Underlying().(*types.Struct); ok {
		fields = s.NumFields()
	}
	fmt.Printf("%s: %d fields, %d methods\n", name, fields, named.NumMethods())
}

// countBelow prints the package's types that a function and those it calls name, if it is in
// the package.
func countBelow(p *packages.Package, name string) {
	pkg, function, _ := strings.Cut(name, ".")
	if pkg != p.Name || function == "" {
		return
	}
	bodies := map[*types.Func]*ast.FuncDecl{}
	var start *types.Func
	for _, f := range p.Syntax {
		for _, d := range f.Decls {
			d, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			fn, ok := p.TypesInfo.Defs[d.Name].(*types.Func)
			if !ok {
				continue
			}
			bodies[fn] = d
			short := strings.ReplaceAll(fn.FullName(), p.PkgPath+".", "")
			if short == function {
				start = fn
			}
		}
	}
	if start == nil {
		log.Fatalf("%s has no function %s", p.PkgPath, function)
	}
	named := map[string]bool{}
	files := map[string]bool{}
	seen := map[*types.Func]bool{start: true}
	for queue := []*types.Func{start}; len(queue) > 0; queue = queue[1:] {
		body, ok := bodies[queue[0]]
		if !ok {
			continue
		}
		files[filepath.Base(p.Fset.Position(body.Pos()).Filename)] = true
		if queue[0].Signature().Recv() != nil {
			noteType(p, queue[0].Signature().Recv().Type(), named)
		}
		ast.Inspect(body, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			if !ok {
				return true
			}
			switch o := p.TypesInfo.Uses[id].(type) {
			case *types.TypeName:
				noteType(p, o.Type(), named)
			case *types.Var:
				noteType(p, o.Type(), named)
			case *types.Func:
				if o.Pkg() == p.Types && !seen[o] {
					seen[o] = true
					queue = append(queue, o)
				}
			}
			return true
		})
	}
	var names []string
	for n := range named {
		names = append(names, n)
	}
	slices.Sort(names)
	fmt.Printf("%s: %d functions in %d files, %d types of the package: %s\n", name, len(seen), len(files), len(names), strings.Join(names, " "))
}

// noteType notes a type, or the one that it points to or is made of, if it is the package's.
func noteType(p *packages.Package, t types.Type, named map[string]bool) {
	switch t := types.Unalias(t).(type) {
	case *types.Named:
		if t.Obj().Pkg() == p.Types && t.Obj().Parent() == p.Types.Scope() {
			named[t.Obj().Name()] = true
		}
	case *types.Pointer:
		noteType(p, t.Elem(), named)
	case *types.Slice:
		noteType(p, t.Elem(), named)
	}
}
