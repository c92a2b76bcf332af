// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/otel-auditlog/auditlogexporter/internal/logstate"
	"github.com/otel-auditlog/auditlogexporter/internal/partition"
	"github.com/otel-auditlog/auditlogexporter/internal/realpath"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// Layout says where the logs lie and what they are called.
type Layout struct {
	// Directory holds the log, or those of all partitions, each in a directory of its own.
	Directory string
	// StateDirectory holds what says how far logs have come.
	StateDirectory string
	// Origin names the log; that of a partition is Origin, a slash and the partition's name.
	Origin string
	// PartitionBy is the name of a resource attribute, each of whose values has a partition;
	// empty, there are no partitions.
	PartitionBy string
	// MaxPartitions is how many values have a partition of their own.
	MaxPartitions int
}

func (l Layout) divided() bool { return l.PartitionBy != "" }

// Exists reports whether there is a log.
func (l Layout) Exists() (bool, error) {
	if !l.divided() {
		return holdsLog(l.Directory)
	}
	names, err := l.partitions()
	return len(names) > 0, err
}

// Existed reports whether the state directory knows a log: so none is begun with another key
// because the log is missing.
func (l Layout) Existed() (bool, error) {
	origins, err := l.knownOrigins()
	return slices.ContainsFunc(origins, func(origin string) bool {
		if l.divided() {
			return strings.HasPrefix(origin, l.Origin+"/")
		}
		return origin == l.Origin
	}), err
}

// partitions returns the names of the directories in which there are logs of partitions.
func (l Layout) partitions() (names []string, _ error) {
	if here, err := holdsLog(l.Directory); err != nil {
		return nil, err
	} else if here {
		return nil, fmt.Errorf("partition_by: %s holds a log that is not divided: name another directory for the partitions, and keep that log as it is", realpath.Absolute(l.Directory))
	}
	entries, err := os.ReadDir(l.Directory)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for the audit log's partitions: %w", err)
	}
	for _, entry := range entries {
		if !entry.IsDir() || !partition.Valid(entry.Name()) {
			continue
		}
		// One that cannot be looked into is opened, to say why it cannot.
		if there, err := holdsLog(filepath.Join(l.Directory, entry.Name())); there || err != nil {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// missing returns the names of partitions that the state directory knows, and that are not
// there: they are opened, to say so.
func (l Layout) missing(there []string) (names []string, _ error) {
	origins, err := l.knownOrigins()
	for _, origin := range origins {
		name, ours := strings.CutPrefix(origin, l.Origin+"/")
		if ours && partition.Valid(name) && !slices.Contains(there, name) {
			names = append(names, name)
		}
	}
	return names, err
}

func (l Layout) knownOrigins() ([]string, error) {
	origins, err := logstate.KnownOrigins(l.StateDirectory)
	if err != nil {
		return nil, fmt.Errorf("state_directory: %w", err)
	}
	return origins, nil
}

// holdsLog reports whether the directory holds a log: any segment, or a
// checkpoint of one.
func holdsLog(directory string) (bool, error) {
	_, err := os.Lstat(directory)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for an audit log: %w", err)
	}
	l, err := segment.List(os.DirFS(directory))
	if err != nil {
		return false, fmt.Errorf("look for an audit log in %s: %w", directory, err)
	}
	return len(l.Segments) > 0 || l.Checkpoint || len(l.Torn) > 0, nil
}
