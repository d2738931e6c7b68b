package slack

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
)

// interaction is what we read of what Slack sends when somebody presses or submits something. The library's own type is not used for it:
// it refuses a whole payload because of one block of the message that it does not know.
type interaction struct {
	Type      string `json:"type"`
	TriggerID string `json:"trigger_id"`
	AppID     string `json:"api_app_id"`
	Team      *idOf  `json:"team"`
	User      idOf   `json:"user"`
	Channel   idOf   `json:"channel"`
	Container struct {
		ChannelID string `json:"channel_id"`
	} `json:"container"`
	Actions []struct {
		ActionID string `json:"action_id"`
		BlockID  string `json:"block_id"`
		Type     string `json:"type"`
		Value    string `json:"value"`
	} `json:"actions"`
	View struct {
		CallbackID      string `json:"callback_id"`
		PrivateMetadata string `json:"private_metadata"`
		AppID           string `json:"app_id"`
		State           struct {
			Values map[string]map[string]struct {
				Value *string `json:"value"`
			} `json:"values"`
		} `json:"state"`
	} `json:"view"`
}

type idOf struct {
	ID string `json:"id"`
}

// click is what somebody wants.
type click struct {
	// action is one of the actions of the buttons, or submitDeny.
	action  string
	ref     ref
	user    string
	channel string
	trigger string
	reason  string
}

// errNotOurs says that a payload is well, and not for us to answer: a link that was pressed, a modal that was closed.
var errNotOurs = errors.New("nothing to do")

// errForged wraps what no honest Slack sends to this app.
var errForged = errors.New("refused")

// read makes a click of a payload. Whose team and app it is from is checked here; who the user is, is asked of Slack later.
func read(payload []byte, team, app string) (click, error) {
	var in interaction
	if err := json.Unmarshal(payload, &in); err != nil {
		return click{}, fmt.Errorf("%w: not an interaction", errForged)
	}
	switch {
	case in.Team == nil || in.Team.ID != team:
		return click{}, fmt.Errorf("%w: another team", errForged)
	case app != "" && in.AppID != app, in.View.AppID != "" && in.AppID != "" && in.View.AppID != in.AppID:
		return click{}, fmt.Errorf("%w: another app", errForged)
	case !regexp.MustCompile(`^[UW][A-Z0-9]{2,40}$`).MatchString(in.User.ID):
		return click{}, fmt.Errorf("%w: no user", errForged)
	}
	c := click{user: in.User.ID, trigger: in.TriggerID, channel: in.Channel.ID}
	if c.channel == "" {
		c.channel = in.Container.ChannelID
	}
	var err error
	switch in.Type {
	case "block_actions":
		err = in.press(&c)
	case "view_submission":
		err = in.submission(&c)
	default:
		return c, errNotOurs
	}
	return c, err
}

func (in interaction) press(c *click) error {
	if len(in.Actions) != 1 {
		return fmt.Errorf("%w: not one action", errForged)
	}
	a := in.Actions[0]
	switch a.ActionID {
	case actionApprove, actionDeny, actionPlan:
	default:
		return errNotOurs
	}
	if a.Type != "button" || a.BlockID != blockAnswer {
		return fmt.Errorf("%w: not our button", errForged)
	}
	r, err := parseRef(a.Value)
	if err != nil {
		return fmt.Errorf("%w: %w", errForged, err)
	}
	c.action, c.ref = a.ActionID, r
	return nil
}

func (in interaction) submission(c *click) error {
	if in.View.CallbackID != submitDeny {
		return errNotOurs
	}
	r, err := parseRef(in.View.PrivateMetadata)
	if err != nil {
		return fmt.Errorf("%w: %w", errForged, err)
	}
	c.action, c.ref = submitDeny, r
	if v := in.View.State.Values[blockReason][actionReason].Value; v != nil {
		c.reason = *v
	}
	return nil
}
