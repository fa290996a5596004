package config

import (
	"slices"
	"strings"
)

// nearest returns the candidate that a misspelt name probably means, or "".
func nearest(name string, candidates []string) string {
	best, bestDistance := "", 1+max(1, len(name)/3)
	lower := strings.ToLower(name)
	for _, c := range candidates {
		if d := editDistance(lower, c); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// editDistance counts the insertions, deletions, replacements and swaps of
// neighbours that lead from a to b.
func editDistance(a, b string) int {
	const most = 64
	if len(a) > most || len(b) > most {
		return most
	}
	var before, last, row []int
	last = make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row = make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// elsewhere finds an option of that last name in the whole configuration.
func elsewhere(name string, all []string) string {
	i := slices.IndexFunc(all, func(full string) bool {
		return full == name || strings.HasSuffix(full, "."+name)
	})
	if i < 0 {
		return ""
	}
	return strings.ReplaceAll(all[i], "*.", "")
}
