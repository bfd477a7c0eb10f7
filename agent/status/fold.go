// SPDX-License-Identifier: Apache-2.0

package status

import (
	"cmp"
	"slices"
)

// fold is a list as it is shown: what is ill first, and how many of each were
// left out.
type fold[T any] struct {
	shown     []T
	ill, well int
}

// folded sorts a copy of the list, worst first, otherwise in its own order, and
// keeps at most that many of the ill and of the well.
func folded[T any](list []T, of func(T) tone, ill, well int) fold[T] {
	rank := map[tone]int{bad: 0, note: 1, warn: 2, good: 3}
	sorted := slices.Clone(list)
	slices.SortStableFunc(sorted, func(a, b T) int { return cmp.Compare(rank[of(a)], rank[of(b)]) })
	var f fold[T]
	for _, item := range sorted {
		left, counter := &ill, &f.ill
		if of(item) == good {
			left, counter = &well, &f.well
		}
		if *left == 0 {
			*counter++
			continue
		}
		*left--
		f.shown = append(f.shown, item)
	}
	return f
}
