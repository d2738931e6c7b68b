package operate

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations/guard"
)

// Guarded is what the brake says now. The process and the file are those of the replica that answers; the document and the
// pauses are everybody's.
type Guarded struct {
	// Acting says that none of the switches is off. Pauses can still stand in the way.
	Acting bool `json:"acting"`
	guard.Setting
}

// PauseOrder is the body of POST pauses.
type PauseOrder struct {
	Reason string `json:"reason"`
	// For is how long, e.g. "2h"; empty is until somebody resumes.
	For string `json:"for,omitempty"`
	// Handler and Domain are for whom; empty is for all.
	Handler string `json:"handler,omitempty"`
	Domain  string `json:"domain,omitempty"`
}

// ReasonOrder is the body of orders that need nothing but a reason.
type ReasonOrder struct {
	Reason string `json:"reason,omitempty"`
}

// Resumed is the answer to DELETE pauses.
type Resumed struct {
	Resumed []guard.Pause `json:"resumed"`
}

func (a *api) setting(c call) Guarded {
	s := a.Brake.Read(c.r.Context(), a.Now())
	if s.Pauses == nil {
		s.Pauses = []guard.Pause{}
	}
	return Guarded{Acting: !s.Off(), Setting: s}
}

func (a *api) guard(c call) error {
	c.write(http.StatusOK, a.setting(c))
	return nil
}

func (a *api) pause(c call) error {
	var o PauseOrder
	if err := c.read(&o); err != nil {
		return err
	}
	if strings.TrimSpace(o.Reason) == "" {
		return unprocessed(codeReason, "say why: others will read it while nothing is fixed")
	}
	now := a.Now().UTC()
	p := guard.Pause{By: c.person.Name, Via: c.person.Via, Reason: o.Reason, Handler: o.Handler, Domain: o.Domain}
	if o.For != "" {
		d, err := time.ParseDuration(o.For)
		if err != nil || d <= 0 {
			return unprocessed(codeNotAccepted, "for %q: write how long, such as 30m or 2h", o.For)
		}
		p.Until = now.Add(d)
	}
	if err := a.known(o); err != nil {
		return err
	}
	paused, err := a.Brake.Pause(c.r.Context(), p, now)
	if err != nil {
		return err
	}
	a.took(c, "pause").Str("pause", paused.ID).Str("handler", paused.Handler).Str("domain", paused.Domain).
		Str("for", o.For).Str("reason", paused.Reason).Msg("a person paused acting")
	c.write(http.StatusCreated, paused)
	return nil
}

// known refuses a place that the policy does not have.
func (a *api) known(o PauseOrder) error {
	for _, place := range []struct {
		what, name string
		of         func(policy.TargetName) string
	}{
		{"handler", o.Handler, func(t policy.TargetName) string { return t.Handler }},
		{"failure domain", o.Domain, func(t policy.TargetName) string { return t.Domain }},
	} {
		if place.name == "" {
			continue
		}
		var names []string
		for _, t := range a.Targets {
			names = append(names, place.of(t))
		}
		slices.Sort(names)
		names = slices.Compact(names)
		if !slices.Contains(names, place.name) {
			return unprocessed(codeNotAccepted, "the policy has no %s %q, so this would pause nothing; it has %s", place.what, place.name, listed(names))
		}
	}
	return nil
}

// listed names the first of many.
func listed(names []string) string {
	const most = 12
	switch {
	case len(names) == 0:
		return "none"
	case len(names) > most:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

func (a *api) resume(c call) error {
	var o ReasonOrder
	if err := c.read(&o); err != nil {
		return err
	}
	query := c.r.URL.Query()
	id := query.Get("id")
	if query.Has("id") && id == "" {
		// An empty variable in somebody's script must not end the pauses of others.
		return &refusal{http.StatusBadRequest, codeBad, "id= is empty: leave it out to resume all pauses"}
	}
	resumed, err := a.Brake.Resume(c.r.Context(), id, c.person.Name, a.Now())
	if err != nil {
		return err
	}
	for _, p := range resumed {
		a.took(c, "resume").Str("pause", p.ID).Str("paused_by", p.By).Str("reason", o.Reason).Msg("a person ended a pause")
	}
	if resumed == nil {
		resumed = []guard.Pause{}
	}
	c.write(http.StatusOK, Resumed{Resumed: resumed})
	return nil
}

// switchOff engages the kill switch: acting is off.
func (a *api) switchOff(c call) error { return a.switchTo(c, true) }

// switchOn lets go of it. Another means can still be off: the answer says so.
func (a *api) switchOn(c call) error { return a.switchTo(c, false) }

func (a *api) switchTo(c call, off bool) error {
	var o ReasonOrder
	if err := c.read(&o); err != nil {
		return err
	}
	if strings.TrimSpace(o.Reason) == "" {
		return unprocessed(codeReason, "say why: whoever finds the switch like this must know")
	}
	order := guard.Order{By: c.person.Name, Via: c.person.Via, Reason: o.Reason}
	change, what := a.Brake.SwitchOn, "a person switched acting on"
	if off {
		change, what = a.Brake.SwitchOff, "a person switched acting off"
	}
	if err := change(c.r.Context(), order, a.Now().UTC()); err != nil {
		return err
	}
	a.took(c, "kill_switch").Bool("engaged", off).Str("reason", o.Reason).Msg(what)
	c.write(http.StatusOK, a.setting(c))
	return nil
}
