package sessions

import "time"

// Stage is a part of a recovery: sessions of one priority that one order may name.
type Stage struct {
	Priority Priority
	// After is how long after the first stage it may begin.
	After    time.Duration
	Sessions []Session
}

// Stages splits a recovery: critical sessions first, then high, normal and low ones, in parts of at most limit. Whoever recovers looks
// after each part whether it helped, and stops if it did not. Sessions keep their order within a priority.
func Stages(list []Session, limit int) []Stage {
	limit = min(max(limit, 1), MostSent)
	var stages []Stage
	for _, p := range Priorities() {
		var part []Session
		for _, s := range list {
			if s.Priority != p {
				continue
			}
			if part = append(part, s); len(part) == limit {
				stages, part = append(stages, Stage{p, after(p), part}), nil
			}
		}
		if len(part) > 0 {
			stages = append(stages, Stage{p, after(p), part})
		}
	}
	return stages
}

func after(p Priority) time.Duration {
	switch p {
	case Critical:
		return 0
	case High:
		return time.Second
	case Normal:
		return 5 * time.Second
	default:
		return 10 * time.Second
	}
}
