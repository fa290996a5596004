package order

import (
	"cmp"
	"slices"
	"testing"
)

func TestByKeepsTheOrderOfEquals(t *testing.T) {
	type pair struct{ key, place int }
	var list []pair
	for i := range 500 {
		list = append(list, pair{i * 7 % 10, i})
	}
	want := slices.Clone(list)
	slices.SortStableFunc(want, func(a, b pair) int { return cmp.Compare(a.key, b.key) })
	By(list, func(a, b pair) int { return cmp.Compare(a.key, b.key) })
	if !slices.Equal(list, want) {
		t.Errorf("%v", list)
	}
	By(list[:0], func(pair, pair) int { panic("nothing to compare") })
}
