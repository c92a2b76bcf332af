// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

// joined is what the segments are together.
type joined struct {
	report Report
	found  []findings // for each segment
	most   int
	// missing says that leaves are missing.
	missing bool
	// witnessedThen is the size of the largest tree that a quorum of the witnesses given had
	// cosigned by Options.CompleteFrom, if that is a time.
	witnessedThen uint64
}

func (j *joined) add(i int, r *result, one Finding) {
	one.Segment = r.file.Name
	if one.Kind == SegmentMissing {
		j.missing = true
	}
	j.found[i].add(j.most, one)
}
