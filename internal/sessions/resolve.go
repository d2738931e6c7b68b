package sessions

import "slices"

// Resolve says what is to become of the copies of one session: which stay, which another one dominates. If two are concurrent it is a
// conflict, and all are. Copies with equal versions both stay. It is the rule of [Reconcile]; whoever acts on it makes sure that the
// copies are still these.
func Resolve(copies []Session) map[Key]Outcome {
	result := map[Key]Outcome{}
	for i, a := range copies {
		for _, b := range copies[i+1:] {
			if Concurrent(a.Version, b.Version) {
				for _, c := range copies {
					result[c.Key] = Conflict
				}
				return result
			}
		}
	}
	for _, c := range copies {
		result[c.Key] = Kept
		if slices.ContainsFunc(copies, func(other Session) bool { return Dominates(other.Version, c.Version) }) {
			result[c.Key] = Done
		}
	}
	return result
}

// ByID groups copies by their session, in the order in which sessions first appear.
func ByID(list []Session) [][]Session {
	index := map[string]int{}
	var groups [][]Session
	for _, s := range list {
		i, ok := index[s.ID]
		if !ok {
			i = len(groups)
			index[s.ID] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], s)
	}
	return groups
}
