// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package receipt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// parseMembers parses the members of a JSON object that have a place in into, each spelled
// as there, and passes over others. One that is there twice is an error: readers that take the
// first and readers that take the last would see two objects.
func parseMembers(line []byte, into map[string]any) error {
	dec := json.NewDecoder(bytes.NewReader(line))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return errors.Join(errors.New("it is no JSON object"), err)
	}
	seen := map[string]bool{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string)
		if seen[name] {
			return fmt.Errorf("it has the member %.40q twice", name)
		}
		seen[name] = true
		place, ok := into[name]
		if !ok {
			place = new(json.RawMessage)
		}
		if err := dec.Decode(place); err != nil {
			return fmt.Errorf("its member %.40q: %w", name, err)
		}
	}
	if _, err := dec.Token(); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("something follows the JSON object")
	}
	return nil
}
