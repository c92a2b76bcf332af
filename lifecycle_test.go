// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import "os"

// removeTestDirectory removes what the generated lifecycle test of an earlier run
// left where metadata.yaml has it put its log.
func removeTestDirectory() {
	if err := os.RemoveAll("build/test"); err != nil {
		panic(err)
	}
}
