// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package realpath says where paths lead, links followed, whether or not what they name is
// there yet.
package realpath

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Absolute makes a path good for a reader who does not know the working directory.
func Absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// Of returns a path without links, and absolute, of which the end need not be there yet.
func Of(path string) (string, error) {
	for end := ""; ; {
		there, err := filepath.EvalSymlinks(path)
		if err == nil {
			there, err = filepath.Abs(there)
			return filepath.Join(there, end), err
		}
		parent, name := filepath.Split(strings.TrimRight(path, string(filepath.Separator)))
		if !errors.Is(err, fs.ErrNotExist) || name == "" || name == ".." {
			return "", err
		}
		end = filepath.Join(name, end)
		if path = parent; path == "" {
			path = "."
		}
	}
}

// Within reports whether a path is a directory or lies in it, where neither need be there
// yet.
func Within(path, directory string) (bool, error) {
	path, err := Of(path)
	if err != nil {
		return false, err
	}
	is, err := os.Stat(directory)
	if errors.Is(err, fs.ErrNotExist) {
		if directory, err = Of(directory); err != nil {
			return false, err
		}
	} else if err != nil {
		return false, err
	}
	for {
		// Two names of one directory need not be alike.
		above, err := os.Stat(path)
		if path == directory || is != nil && err == nil && os.SameFile(is, above) {
			return true, nil
		}
		if filepath.Dir(path) == path {
			return false, nil
		}
		path = filepath.Dir(path)
	}
}
