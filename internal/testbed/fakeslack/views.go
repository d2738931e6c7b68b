package fakeslack

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// The limits of a modal, in characters.
const (
	maxTitle           = 24
	maxPrivateMetadata = 3000
)

// View is a modal that somebody sees, or saw.
type View struct {
	ID string
	// User sees it.
	User string
	// CallbackID and PrivateMetadata are the app's own.
	CallbackID      string
	PrivateMetadata string
	Title           string
	Blocks          json.RawMessage
	// Open: it is still on the screen. Errors are what the app found wrong with the last submission, by block_id.
	Open   bool
	Errors map[string]string

	raw object
}

// Views are all modals that were opened, oldest first.
func (s *Server) Views() []View {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]View, 0, len(s.exchange.views))
	for _, v := range s.exchange.views {
		all = append(all, *v)
	}
	return all
}

// openView takes the trigger, if it is fresh, and opens the modal.
func (s *Server) openView(a args) (object, error) {
	t, ok := s.exchange.triggers[a.str("trigger_id")]
	switch {
	case !ok:
		return nil, refusal{code: "invalid_trigger_id"}
	case s.config.Now().Sub(t.at) > triggerLives:
		return nil, refusal{code: "expired_trigger_id"}
	case t.used:
		return nil, refusal{code: "exchanged_trigger_id"}
	}
	v, err := s.readView(a.str("view"))
	if err != nil {
		return nil, err
	}
	t.used = true
	v.User = t.user
	s.exchange.views = append(s.exchange.views, v)
	return object{"view": v.raw}, nil
}

// readView checks a modal and makes what the app leaves out.
func (s *Server) readView(text string) (*View, error) {
	var raw map[string]json.RawMessage
	var modal struct {
		Type            string          `json:"type"`
		CallbackID      string          `json:"callback_id"`
		PrivateMetadata string          `json:"private_metadata"`
		Blocks          json.RawMessage `json:"blocks"`
		Title           map[string]any  `json:"title"`
		Submit          map[string]any  `json:"submit"`
		Close           map[string]any  `json:"close"`
	}
	if json.Unmarshal([]byte(text), &raw) != nil || json.Unmarshal([]byte(text), &modal) != nil {
		return nil, refusal{code: "invalid_arguments"}
	}
	c := checker{}
	if modal.Type != "modal" {
		c.wrong("/view/type", "must be modal")
	}
	c.text("/view/title", modal.Title, maxTitle, "plain_text")
	if modal.Submit != nil {
		c.text("/view/submit", modal.Submit, maxTitle, "plain_text")
	}
	if modal.Close != nil {
		c.text("/view/close", modal.Close, maxTitle, "plain_text")
	}
	c.most("/view/callback_id", modal.CallbackID, maxID)
	c.most("/view/private_metadata", modal.PrivateMetadata, maxPrivateMetadata)
	id := "V0" + s.exchange.number()
	blocks, err := checkBlocks(string(modal.Blocks), modalSurface, id)
	if err != nil {
		return nil, err
	}
	if hasInput(blocks) && modal.Submit == nil {
		c.wrong("/view/submit", "missing required field: submit")
	}
	if len(c.messages) > 0 {
		return nil, refusal{code: "invalid_arguments", messages: c.messages}
	}
	v := &View{ID: id, CallbackID: modal.CallbackID, PrivateMetadata: modal.PrivateMetadata, Blocks: blocks, Open: true}
	v.Title = str(modal.Title, "text")
	v.raw = object{}
	for name, value := range raw {
		v.raw[name] = value
	}
	v.raw["id"], v.raw["root_view_id"], v.raw["team_id"], v.raw["app_id"] = id, id, s.config.App.TeamID, s.config.App.ID
	v.raw["bot_id"], v.raw["app_installed_team_id"], v.raw["previous_view_id"] = s.config.App.BotID, s.config.App.TeamID, nil
	v.raw["hash"], v.raw["state"], v.raw["blocks"] = s.board.nextTS(s.config.Now()), object{"values": object{}}, blocks
	return v, nil
}

func hasInput(blocks json.RawMessage) bool {
	return slices.ContainsFunc(parseBlocks(blocks), func(b map[string]any) bool { return str(b, "type") == "input" })
}

// Submit fills in a modal and submits it. Values are by action_id. An input that is not optional and has no value keeps
// the modal from being submitted, as on the screen.
func (s *Server) Submit(ctx context.Context, viewID string, values map[string]string) (Delivery, error) {
	payload, err := s.SubmitPayload(viewID, values)
	if err != nil {
		return Delivery{}, err
	}
	return s.Deliver(ctx, payload)
}

// SubmitPayload is the view_submission payload, without sending it.
func (s *Server) SubmitPayload(viewID string, values map[string]string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.exchange.views, func(v *View) bool { return v.ID == viewID && v.Open })
	if i < 0 {
		return nil, fmt.Errorf("submit view: no open view %s", viewID)
	}
	v := s.exchange.views[i]
	user, ok := s.workspace.user(v.User)
	if !ok {
		return nil, fmt.Errorf("submit view: no user %s", v.User)
	}
	state := object{}
	for _, b := range parseBlocks(v.Blocks) {
		element := dict(b, "element")
		if str(b, "type") != "input" || element == nil {
			continue
		}
		action, value := str(element, "action_id"), any(nil)
		if text, given := values[action]; given && text != "" {
			value = text
		} else if optional, _ := b["optional"].(bool); !optional {
			return nil, fmt.Errorf("submit view: %s is required", action)
		}
		if text, ok := value.(string); ok && utf8.RuneCountInString(text) > maxSectionText {
			return nil, fmt.Errorf("submit view: %s is too long to be typed", action)
		}
		state[str(b, "block_id")] = object{action: object{"type": str(element, "type"), "value": value}}
	}
	payload := s.frame("view_submission", user)
	view := object{}
	for name, value := range v.raw {
		view[name] = value
	}
	view["state"] = object{"values": state}
	payload["view"], payload["response_urls"] = view, []any{}
	return json.Marshal(payload)
}

// applySubmission does what the app answered to a submission. The caller holds mu.
func (s *Server) applySubmission(payload, answer []byte) {
	var p struct {
		View struct {
			ID string `json:"id"`
		} `json:"view"`
	}
	var said struct {
		Action string            `json:"response_action"`
		Errors map[string]string `json:"errors"`
	}
	if json.Unmarshal(payload, &p) != nil {
		return
	}
	if strings.TrimSpace(string(answer)) != "" && json.Unmarshal(answer, &said) != nil {
		return
	}
	for _, v := range s.exchange.views {
		if v.ID != p.View.ID {
			continue
		}
		v.Errors = said.Errors
		v.Open = said.Action == "errors" || said.Action == "update" || said.Action == "push"
	}
}
