package operate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/guard"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
)

// What says where a block comes from.
type What string

// The origins of blocks, in the order in which they are listed: what stops most comes first.
const (
	WhatSwitch   What = "switch"   // a means of the kill switch is off, or cannot be read
	WhatWatchdog What = "watchdog" // we are deaf
	WhatPause    What = "pause"    // a person paused
	WhatWindow   What = "window"   // a maintenance window is open
	WhatLimit    What = "limit"    // the ledger refuses: locks, budgets, cooldowns, storms
	WhatIncident What = "incident" // the last word in an open incident is a no
)

// Block is one thing that refuses changes now.
type Block struct {
	What What `json:"what"`
	// ID is the pause's or the incident's, empty for all others.
	ID string `json:"id,omitempty"`
	// Where is how far it reaches, in words.
	Where string `json:"where"`
	// Target is the incident's.
	Target string              `json:"target,omitempty"`
	Reason remediations.Reason `json:"reason"`
	Words  string              `json:"words"`
	By     string              `json:"by,omitempty"`
	Since  time.Time           `json:"since,omitzero"`
	// Until is when time lifts it, or when it is worth asking again; zero if only a person or a change of the world does.
	Until time.Time `json:"until,omitzero"`
	// Lifts says what lifts it.
	Lifts string `json:"lifts"`
}

// everywhere is the reach of what stops all.
const everywhere = "everything"

func (a *api) blocked(c call) error {
	list, err := a.blocks(c.r.Context())
	if err != nil {
		return err
	}
	return lines(c, list)
}

// blocks is all that refuses changes now. What can only be known when a change is asked for is not in it: whether Alertmanager still has
// the alert, whether the anchors answer, how many targets are sick. The last no of an incident tells of those.
func (a *api) blocks(ctx context.Context) ([]Block, error) {
	now := a.Now()
	list := braked(a.Brake.Read(ctx, now))
	list = append(list, a.deaf(now)...)
	list = append(list, a.maintained(now)...)
	view, err := a.Ledger.View(ctx, now)
	if err != nil {
		// A ledger that cannot be read is a no to everything, so it is a block, not an error.
		list = append(list, told(Block{What: WhatLimit, Where: everywhere, Reason: remediations.ReasonLedger,
			Words: "the limits cannot be read, so the answer is no: " + err.Error()}))
	}
	for _, b := range view.Blocks {
		list = append(list, limited(b))
	}
	open, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	for _, st := range open {
		if st.Refusal != nil {
			list = append(list, refused(st))
		}
	}
	return list, nil
}

// told adds what lifts it.
func told(b Block) Block {
	_, b.Lifts = b.Reason.Help()
	return b
}

// braked are the switches that are off, and the pauses.
func braked(s guard.Setting) []Block {
	var list []Block
	for _, w := range s.Switches {
		if !w.Off {
			continue
		}
		one := guard.Setting{Switches: []guard.Switch{w}}
		b := told(Block{What: WhatSwitch, ID: string(w.Means), Where: everywhere, Reason: remediations.ReasonKillSwitch, By: w.By, Since: w.Since})
		if no := one.Check("", ""); no != nil {
			b.Words = no.Words
		}
		switch w.Means {
		case guard.MeansProcess:
			b.Where, b.Lifts = "this replica", "tell the process to go on (SIGUSR2), or start it again"
		case guard.MeansFile:
			b.Where, b.Lifts = "this replica", "remove the file "+w.Path+" on the machine that answers here"
		case guard.MeansDocument:
			if w.Unread == "" {
				b.Lifts = "firebreak kill-switch off --reason …"
			}
		}
		list = append(list, b)
	}
	for _, p := range s.Pauses {
		one := guard.Setting{Switches: []guard.Switch{{Means: guard.MeansDocument}}, Pauses: []guard.Pause{p}}
		b := Block{What: WhatPause, ID: p.ID, Where: place(p.Handler, p.Domain), Reason: remediations.ReasonPaused, By: p.By, Since: p.Since,
			Until: p.Until, Lifts: "firebreak resume " + p.ID}
		if no := one.Check(p.Handler, p.Domain); no != nil {
			b.Words = no.Words
		}
		list = append(list, b)
	}
	return list
}

// place says how far something reaches that names a handler, a domain, both or nothing.
func place(handler, domain string) string {
	switch {
	case handler != "" && domain != "":
		return fmt.Sprintf("handler %s in failure domain %s", handler, domain)
	case handler != "":
		return "handler " + handler
	case domain != "":
		return "failure domain " + domain
	}
	return everywhere
}

func (a *api) deaf(now time.Time) []Block {
	if a.Watchdog == nil {
		return nil
	}
	no := a.Watchdog.Check(now)
	if no == nil {
		return nil
	}
	return []Block{told(Block{What: WhatWatchdog, Where: "this replica", Reason: no.Reason, Words: no.Words, By: no.By, Until: no.Until})}
}

// maintained are the open maintenance windows, asked for each place of the policy; one that covers several is listed for each.
func (a *api) maintained(now time.Time) []Block {
	if a.Windows == nil {
		return nil
	}
	type spot struct{ handler, domain string }
	var spots []spot
	for _, t := range a.Targets {
		spots = append(spots, spot{t.Handler, t.Domain})
	}
	slices.SortFunc(spots, func(x, y spot) int {
		return cmp.Or(cmp.Compare(x.handler, y.handler), cmp.Compare(x.domain, y.domain))
	})
	var list []Block
	for _, s := range slices.Compact(spots) {
		if no := a.Windows.Check(s.handler, s.domain, now); no != nil {
			list = append(list, told(Block{What: WhatWindow, Where: place(s.handler, s.domain), Reason: no.Reason, Words: no.Words, By: no.By, Until: no.Until}))
		}
	}
	return list
}

func limited(b ledger.Block) Block {
	out := told(Block{What: WhatLimit, Where: reach(b), Target: b.Target, Reason: b.Reason, Words: b.Words, By: b.By, Since: b.Since, Until: b.Until})
	if b.By != "" && (b.Reason == remediations.ReasonUnacknowledged || b.Reason == remediations.ReasonFrozen) {
		out.Lifts = "firebreak ack " + b.By + ", by a person who has looked at what it left"
	}
	return out
}

// reach is how far a block of the ledger reaches.
func reach(b ledger.Block) string {
	switch {
	case b.Reason == remediations.ReasonChain:
		return b.Action + " on " + b.Target
	case b.Scope == ledger.ScopeDomain:
		return "failure domain " + b.Domain
	case b.Scope == ledger.ScopeAction:
		return "action " + b.Action
	case b.Zone != "":
		return "zone " + b.Zone
	}
	return everywhere
}

func refused(st *incidents.State) Block {
	r := st.Refusal
	b := told(Block{What: WhatIncident, ID: st.ID.String(), Where: st.Target, Target: st.Target, Reason: r.Reason, Words: r.Words, By: r.By,
		Since: st.RefusedSince, Until: r.Until})
	return b
}
