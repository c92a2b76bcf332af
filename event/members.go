// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import "fmt"

// Members calls each with the name and the value, in canonical JSON, of each member of an
// event that [Scan] has found good, in their order. What it passes are views: unlike
// [Parse], it takes no memory, however large the event.
func Members(canonical []byte, each func(name string, value []byte)) error {
	s := scanner{b: canonical, room: maxScanDepth}
	err := s.object(func(key []byte) error {
		start := s.i
		if err := s.value(); err != nil {
			return err
		}
		each(string(key), s.b[start:s.i])
		return nil
	})
	if err == nil && s.i != len(s.b) {
		err = s.fail("something follows it")
	}
	if err != nil {
		return fmt.Errorf("malformed event: %w", err)
	}
	return nil
}
