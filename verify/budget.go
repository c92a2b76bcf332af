// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"sync"
)

// budgetBytes bounds the lines that are being checked at a time. A single line may
// be larger; it is then alone.
const budgetBytes = 16 << 20

// byteBudget is a number of bytes that goroutines share.
type byteBudget struct {
	mu   sync.Mutex
	cond *sync.Cond
	left int
	all  int
}

func (b *byteBudget) init(n int) {
	b.left, b.all = n, n
	b.cond = sync.NewCond(&b.mu)
}

// acquire waits until there are n bytes, or all if n is more than that.
func (b *byteBudget) acquire(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.left < min(n, b.all) {
		b.cond.Wait()
	}
	b.left -= min(n, b.all)
}

func (b *byteBudget) release(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += min(n, b.all)
	b.cond.Broadcast()
}
