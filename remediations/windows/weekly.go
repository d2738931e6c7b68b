package windows

import (
	"slices"
	"time"
)

// openUntil says whether the window is open, and until when. Of openings that overlap the one that ends last counts.
func (w *weekly) openUntil(now time.Time) (time.Time, bool) {
	local := now.In(w.place)
	year, month, day := local.Date()
	var until time.Time
	// The days from which the window may still be open, and one beyond at each end: clocks that are put forward or back move
	// an opening across midnight.
	back := int(w.length/(24*time.Hour)) + 2
	for d := -back; d <= 1; d++ {
		midnight := time.Date(year, month, day+d, 0, 0, 0, 0, time.UTC) // a date and not a moment
		if len(w.days) > 0 && !slices.Contains(w.days, midnight.Weekday()) {
			continue
		}
		for _, from := range openings(midnight.Add(w.at), w.place) {
			if end := from.Add(w.length); !now.Before(from) && now.Before(end) && end.After(until) {
				until = end
			}
		}
	}
	return until, !until.IsZero()
}

// openings are the moments at which the clock on the wall of a place shows a date and time of day, which is given as if it
// were UTC. That is one moment, but on two days of a year: where clocks are put back it is shown twice, and the window opens
// both times; where they are put forward it may never be shown, and the window opens when they are.
func openings(wall time.Time, place *time.Location) []time.Time {
	var found []time.Time
	var before time.Duration // the place's distance from UTC on the day before
	for i, sample := range []time.Duration{-26 * time.Hour, 26 * time.Hour} {
		distance := distanceAt(wall.Add(sample), place)
		if i == 0 {
			before = distance
		}
		moment := wall.Add(-distance)
		if distanceAt(moment, place) == distance && !slices.ContainsFunc(found, moment.Equal) {
			found = append(found, moment)
		}
	}
	if len(found) > 0 {
		return found
	}
	changed, _ := wall.Add(-before).In(place).ZoneBounds()
	return []time.Time{changed}
}

// distanceAt is how far the place's clocks are ahead of UTC.
func distanceAt(moment time.Time, place *time.Location) time.Duration {
	_, seconds := moment.In(place).Zone()
	return time.Duration(seconds) * time.Second
}
