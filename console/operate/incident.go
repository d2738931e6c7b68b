package operate

import (
	"net/http"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/desk"
	"github.com/rs/zerolog"
)

// Acked is the answer to an acknowledgement.
type Acked struct {
	Incident incidents.ID `json:"incident"`
	// Lifted are the reasons that refuse no more because of it.
	Lifted []string `json:"lifted"`
}

// Taken is the answer to an order that needs no more words.
type Taken struct {
	Incident incidents.ID `json:"incident"`
	Order    string       `json:"order"`
}

// AnswerOrder is the body of approve and deny: what was shown, so that an answer to something else answers nothing.
type AnswerOrder struct {
	Asking string `json:"asking"`
	Plan   string `json:"plan"`
	// Reason is for deny alone.
	Reason string `json:"reason,omitempty"`
}

// Answered is what an answer came to.
type Answered struct {
	Incident incidents.ID `json:"incident"`
	Plan     string       `json:"plan"`
	Denied   bool         `json:"denied,omitempty"`
	// Have of Need different people have approved. The change is made when they all have, and only if it is still the same plan.
	Have int `json:"have"`
	Need int `json:"need"`
}

// ordered reads an order that is a reason.
func (c call) ordered() (incidents.ID, string, error) {
	id, err := incidents.ParseID(c.id)
	if err != nil {
		return "", "", err
	}
	var o ReasonOrder
	if err := c.read(&o); err != nil {
		return "", "", err
	}
	return id, o.Reason, nil
}

func (a *api) ack(c call) error {
	id, note, err := c.ordered()
	if err != nil {
		return err
	}
	lifted, err := a.Desk.Ack(c.r.Context(), id, c.person, note)
	if err != nil {
		return err
	}
	names := make([]string, len(lifted))
	for i, reason := range lifted {
		names[i] = string(reason)
	}
	a.took(c, "ack").Str("incident", id.String()).Strs("lifted", names).Msg("a person acknowledged an incident")
	c.write(http.StatusOK, Acked{Incident: id, Lifted: names})
	return nil
}

func (a *api) override(c call) error {
	id, reason, err := c.ordered()
	if err != nil {
		return err
	}
	if err := a.Desk.Override(c.r.Context(), id, c.person, reason); err != nil {
		return err
	}
	a.took(c, "override").Str("incident", id.String()).Str("reason", reason).Msg("a person lets a change pass the brakes")
	c.write(http.StatusOK, Taken{Incident: id, Order: "override"})
	return nil
}

func (a *api) recall(c call) error {
	id, reason, err := c.ordered()
	if err != nil {
		return err
	}
	if err := a.Desk.Recall(c.r.Context(), id, c.person, reason); err != nil {
		return err
	}
	a.took(c, "recall").Str("incident", id.String()).Str("reason", reason).Msg("a person has a change taken back")
	c.write(http.StatusOK, Taken{Incident: id, Order: "recall"})
	return nil
}

// answer reads an answer to an asking.
func (c call) answer() (desk.Ref, string, error) {
	id, err := incidents.ParseID(c.id)
	if err != nil {
		return desk.Ref{}, "", err
	}
	var o AnswerOrder
	if err := c.read(&o); err != nil {
		return desk.Ref{}, "", err
	}
	if o.Asking == "" || o.Plan == "" {
		return desk.Ref{}, "", unprocessed(codeNotAccepted, "say what is answered: asking and plan, as GET /api/v1/approvals shows them")
	}
	return desk.Ref{Incident: id, Asking: o.Asking, Plan: o.Plan}, o.Reason, nil
}

// may is whether this person may answer for a fix.
func (a *api) may(c call) desk.May {
	return func(handler, target, fix string) error { return a.MayApprove(c.person, handler, target, fix) }
}

func (a *api) approve(c call) error {
	ref, reason, err := c.answer()
	if err != nil {
		return err
	}
	if reason != "" {
		return unprocessed(codeNotAccepted, "a yes has no reason: take it out")
	}
	got, err := a.Desk.Approve(c.r.Context(), ref, c.person, a.may(c))
	if err != nil {
		return err
	}
	a.answered(c, "approve", ref).Int("have", got.Have).Int("need", got.Need).Msg("a person approved a plan")
	c.write(http.StatusOK, Answered{Incident: ref.Incident, Plan: ref.Plan, Have: got.Have, Need: got.Need})
	return nil
}

func (a *api) deny(c call) error {
	ref, reason, err := c.answer()
	if err != nil {
		return err
	}
	if err := a.Desk.Deny(c.r.Context(), ref, c.person, reason, a.may(c)); err != nil {
		return err
	}
	a.answered(c, "deny", ref).Str("reason", reason).Msg("a person denied a plan")
	c.write(http.StatusOK, Answered{Incident: ref.Incident, Plan: ref.Plan, Denied: true})
	return nil
}

func (a *api) answered(c call, what string, ref desk.Ref) *zerolog.Event {
	return a.took(c, what).Str("incident", ref.Incident.String()).Str("plan", ref.Plan)
}
