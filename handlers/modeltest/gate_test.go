package modeltest

import (
	"context"
	"time"

	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/guard"
)

// gate is the real guard, with an Alertmanager that can be silenced. What people could see at the moment when it was asked is kept, so that
// each change can be held against it.
type gate struct {
	w     *world
	rep   *replica
	guard *guard.Guard
}

// ticket is an answer of the last gate.
type ticket struct {
	at     time.Time // by the replica's clock
	domain string
	// stop is what stood in the way, as the world knows it; ok is what the guard said.
	stop string
	ok   bool
}

func (g *gate) Admit(ctx context.Context, a guard.Ask) *remediations.NoError {
	g.w.at("gate:admit")
	stop := g.w.stopped(g.rep, a)
	no := g.guard.Admit(ctx, a)
	if no == nil && stop != "" && !a.Override {
		g.w.fail("the guard admitted a change in %s although %s", a.Domain, stop)
	}
	if no == nil && !a.Override {
		for _, al := range a.Alerts {
			if g.w.silenced[al.Labels["target"]] {
				return &remediations.NoError{Reason: remediations.ReasonSilenced, Words: "silenced"}
			}
		}
	}
	g.w.at("gate:admitted")
	return no
}

func (g *gate) LastGate(ctx context.Context, a guard.Ask) *remediations.NoError {
	g.w.at("gate:last")
	stop := g.w.stopped(g.rep, a)
	no := g.guard.LastGate(ctx, a)
	if no == nil && stop != "" && !a.Override {
		g.w.fail("the last gate passed a change in %s although %s", a.Domain, stop)
	}
	if a.Override {
		stop = ""
	}
	g.w.current.passed = &ticket{at: a.Now, domain: a.Domain, stop: stop, ok: no == nil}
	g.w.at("gate:passed")
	return no
}

// stopped is what people have said, by the world's own book-keeping.
func (w *world) stopped(r *replica, a guard.Ask) string {
	for _, p := range w.pauses {
		if (p.Domain == "" || p.Domain == a.Domain) && (p.Handler == "" || p.Handler == a.Handler) && p.Stands(a.Now) {
			return "it is paused by " + p.ID
		}
	}
	switch {
	case w.brakeOff:
		return "the kill switch is off"
	case w.brakeDoc.down:
		return "the kill switch cannot be read"
	case w.fileStands:
		return "the stop file is there"
	case w.told[r]:
		return "the process was told to stop"
	case !a.Now.Before(w.maintenance[0]) && a.Now.Before(w.maintenance[1]):
		return "maintenance is on"
	}
	return ""
}
