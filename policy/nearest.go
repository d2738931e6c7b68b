package policy

import "strings"

// nearest is the word of a list that was probably meant, or "" if none is near.
func nearest(word string, list []string) string {
	if len(word) > 64 {
		return ""
	}
	best, least := "", 4
	for _, known := range list {
		if plain(word) == plain(known) {
			return known
		}
		limit := max(1, len(known)/3)
		if d := edits(plain(word), plain(known)); d <= limit && d < least {
			best, least = known, d
		}
	}
	return best
}

// plain is a key without what people vary: case, "_" and "-".
func plain(s string) string {
	return strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(s))
}

// edits counts the insertions, deletions, replacements and swaps of neighbours that lead from a to b.
func edits(a, b string) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}

// oneOf is what to say about a word that is not in a closed list.
func oneOf(word string, list []string) string {
	if len(list) == 0 {
		return "nothing is, take it out"
	}
	if n := nearest(word, list); n != "" {
		return "did you mean " + n + "?"
	}
	return "known are " + strings.Join(list, ", ")
}

// alternatives is a list of which any will do: "off, observe or approve".
func alternatives(list []string) string {
	last := len(list) - 1
	if last < 1 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:last], ", ") + " or " + list[last]
}
