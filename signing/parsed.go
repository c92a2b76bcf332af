// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package signing

import "sync"

// maxParsed bounds the keys that are kept: more than the logs of a process have at a time,
// and little memory if somebody makes up others.
const maxParsed = 256

// parsed has the keys that were parsed last. Each header of a log and each key change has the
// log's keys in it, and to find that a point is on its curve takes longer than all else there
// is to a header. A key is found by all of its bytes, and only those that were good are kept,
// so that it makes no difference but for the time.
var parsed = parsedKeys{keys: map[string]*PublicKey{}}

type parsedKeys struct {
	mu   sync.Mutex
	keys map[string]*PublicKey // by SubjectPublicKeyInfo
}

func (c *parsedKeys) get(spki []byte) *PublicKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.keys[string(spki)]
}

func (c *parsedKeys) keep(p *PublicKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.keys) >= maxParsed {
		clear(c.keys)
	}
	c.keys[string(p.spki)] = p
}
