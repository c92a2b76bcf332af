// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package snapshot

import (
	"errors"
	"os"
)

func hardLink(_, _ *os.Root, _ string) error { return errors.ErrUnsupported }
