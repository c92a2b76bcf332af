// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package cosigning is how a log has its checkpoints cosigned: what it asks of a [Witness],
// the bytes of requests and answers (the call add-checkpoint of c2sp.org/tlog-witness), and
// what became of asking.
//
// An answer comes over a network, from somebody who may be hostile: it is parsed strictly,
// and a cosignature counts once it has been verified. What a witness says without a
// signature, that it has seen another history, is a reason to look, and no proof.
//
// The package speaks to nobody: package client does. Its functions are safe for
// concurrent use.
package cosigning
