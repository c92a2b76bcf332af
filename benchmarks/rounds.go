// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
)

// sample is what one measurement gave in each round.
type sample []float64

// median returns the middle.
func (s sample) median() float64 { return s.quantile(0.5) }

func (s sample) quantile(q float64) float64 {
	sorted := slices.Sorted(slices.Values(s))
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// text gives the median, the least and the most.
func (s sample) text(format string) string {
	return fmt.Sprintf(format+" ("+format+" to "+format+")", s.median(), s.quantile(0), s.quantile(1))
}

// over returns the ratio to another sample, round by round.
func (s sample) over(other sample) (ratios sample) {
	for i := range s {
		ratios = append(ratios, s[i]/other[i])
	}
	return ratios
}

// measurement is something that is measured in turn with others.
type measurement struct {
	name string
	take func() (float64, error)
}

// alternate takes measurements in turn, so many rounds, and beginning with another one
// in each.
func alternate(rounds int, all []measurement) (map[string]sample, error) {
	samples := map[string]sample{}
	for round := range rounds {
		for i := range all {
			m := all[(i+round)%len(all)]
			v, err := m.take()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", m.name, err)
			}
			samples[m.name] = append(samples[m.name], v)
		}
	}
	return samples, nil
}

// count writes a number with a space between thousands.
func count(v float64) string {
	digits := fmt.Sprintf("%.0f", v)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
