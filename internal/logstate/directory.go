// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logstate

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
)

// ReadFile reads a file of the state directory that is a regular one, and no more of it than a state may have: the directory is the
// key's, in which others' files may have such names.
func ReadFile(dir fs.FS, name string) ([]byte, error) {
	f, err := rootfs.OpenRegular(dir, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxBytes))
}

// KnownOrigins returns the origins of the logs of which a directory holds the state. What it
// holds else does not matter.
func KnownOrigins(stateDirectory string) (origins []string, err error) {
	entries, err := os.ReadDir(stateDirectory)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for states of audit logs: %w", err)
	}
	dir := os.DirFS(stateDirectory)
	for _, e := range entries {
		if !IsName(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		content, err := ReadFile(dir, e.Name())
		if err != nil {
			return nil, fmt.Errorf("look for states of audit logs: %w", err)
		}
		// One that is malformed is told of when its log is opened.
		if s, err := Parse(content); err == nil && Name(s.Origin) == e.Name() {
			origins = append(origins, s.Origin)
		}
	}
	return origins, nil
}

// PermitAnew permits that a log whose state is in a file, and which is missing, is begun
// anew, once. It returns what the new log will say that it succeeds.
func PermitAnew(stateFile string) (_ *segline.Predecessor, err error) {
	directory, name := filepath.Split(stateFile)
	content, err := ReadFile(os.DirFS(filepath.Join(directory, ".")), name)
	if err != nil {
		return nil, fmt.Errorf("permit to begin a log anew: in %s: %w", filepath.Join(directory, "."), err)
	}
	s, err := Parse(content)
	if err != nil {
		return nil, fmt.Errorf("permit to begin a log anew: %s: %w", stateFile, err)
	}
	if name != Name(s.Origin) {
		return nil, fmt.Errorf("permit to begin a log anew: %s is the state of %q, which would be named %s: give the file in the state directory itself", stateFile, s.Origin, Name(s.Origin))
	}
	if s.Begins() {
		return nil, fmt.Errorf("permit to begin a log anew: %s is of a log that is about to begin: there is nothing to permit", stateFile)
	}
	dir, err := durable.OpenShared(filepath.Join(directory, "."))
	if err != nil {
		return nil, fmt.Errorf("permit to begin a log anew: %w", err)
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	// The collector may run as another user: what it permits is no secret.
	if err := durable.Replace(dir, AnewName(s.Origin), durable.Public, durable.Bytes(content)); err != nil {
		return nil, fmt.Errorf("permit to begin a log anew: %w", err)
	}
	return &segline.Predecessor{Log: s.Log, Size: s.Size, Root: s.Root}, nil
}
