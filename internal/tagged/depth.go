// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package tagged

import "math"

// MaxDepth is how deeply arrays and maps of one value are nested in JSON. What
// lies deeper is carried as text, because common JSON parsers give up at some
// depth (jq 1.6 at 256).
const MaxDepth = 100

// Unlimited is the depth that counting begins with within such a text, so that
// MaxDepth is never reached.
const Unlimited = math.MinInt / 2

// MaxNesting is how deeply arrays and maps of one value may be nested at all.
// Following them takes stack, and running out of it cannot be recovered from.
const MaxNesting = 200_000
