// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package merkle_test

import (
	"fmt"

	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// A tree is continued from its frontier, without the leaves it has already.
func ExampleFrontier() {
	var tree merkle.Frontier
	for _, line := range []string{"one", "two", "three"} {
		tree.Append(merkle.LeafHash([]byte(line)))
	}

	resumed, err := merkle.NewFrontier(tree.Size(), tree.Hashes())
	if err != nil {
		fmt.Println(err)
		return
	}
	resumed.Append(merkle.LeafHash([]byte("four")))
	tree.Append(merkle.LeafHash([]byte("four")))

	fmt.Println(resumed.Size(), "leaves, the same root:", resumed.Root() == tree.Root())
	// Output: 4 leaves, the same root: true
}
