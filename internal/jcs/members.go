// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package jcs

// Members calls each with the name and the value of each member of an object in canonical
// form, in their order. What it passes are views: it takes no memory, however large the object.
func Members(object []byte, each func(name string, value []byte)) error {
	r := NewReader(object)
	err := r.Object(func(key []byte) error {
		start := r.At
		if err := r.Value(); err != nil {
			return err
		}
		each(string(key), r.Text[start:r.At])
		return nil
	})
	if err == nil && r.At != len(r.Text) {
		err = r.Fail("something follows it")
	}
	return err
}
