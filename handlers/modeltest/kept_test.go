package modeltest

import (
	"encoding/json"

	"github.com/firebreak-sre/firebreak/incidents"
)

// kept: what is kept until it is healed is not given back before, unless a person wants it back, its limit has come, or it does not help.
func (w *world) kept(id incidents.ID, f *file, e incidents.Event) {
	x := f.st.Fix()
	if x == nil || !x.Verify.UntilHealed || x.Order.Released > 0 {
		return // with a share given back it was healed, or it was let pass here
	}
	if e.Kind != incidents.Reverting && (e.Kind != incidents.Adjusting || e.Order.Released == 0) {
		return
	}
	why := x.Judgement
	switch {
	case f.st.Recall != nil, !e.At.Before(x.Times.Issued.Add(x.Order.Limit.D())), x.Regressed:
	case why != nil && (why.Effect == incidents.Worse || why.Effect == incidents.NoEffect):
	case w.healed(f.st, x):
		w.count.healed++
	default:
		w.fail("kept: %s gives %s back, and it is not healed", id, x.Order.Action)
	}
}

// healed says whether the last look since the change was issued saw that the fault is gone.
func (w *world) healed(st *incidents.State, x *incidents.Fix) bool {
	if len(st.Looks) <= x.LooksBefore {
		return false
	}
	var s sight
	if err := json.Unmarshal(st.Looks[len(st.Looks)-1].Seen, &s); err != nil {
		w.fail("a look cannot be read: %v", err)
	}
	return s.Readable && s.Healed
}
