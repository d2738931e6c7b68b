package slack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	slackgo "github.com/slack-go/slack"
)

const (
	// groupsFor is how long the members of a user group are remembered: who was removed from it can approve for so long.
	groupsFor = 5 * time.Minute
	// groupsKept bounds how many are.
	groupsKept = 100
)

// people says who may approve. Who somebody is, is asked anew each time; whatever cannot be found out means no.
type people struct {
	config Config
	client *client

	mu sync.Mutex
	// groups is guarded by mu.
	groups map[string]group
}

type group struct {
	members []string
	at      time.Time
}

// someone is a person, as Slack has them now.
type someone struct {
	incidents.Person
	email string
}

// identify asks Slack who a user is. The error is for that user to read.
func (p *people) identify(ctx context.Context, user string) (someone, error) {
	self, err := p.client.who(ctx)
	if err != nil {
		return someone{}, unknownPerson(err)
	}
	var u slackgo.User
	err = p.client.call(ctx, "users.info", false, func(ctx context.Context) error {
		info, err := p.client.api.GetUserInfoContext(ctx, user)
		if err == nil {
			u = *info
		}
		return err
	})
	if err != nil {
		return someone{}, unknownPerson(err)
	}
	if why := unfit(u, user, self.Team); why != "" {
		return someone{}, errors.New(why)
	}
	who := someone{Person: incidents.Person{Name: u.RealName, Via: "slack", ID: u.ID, Operator: p.config.Operator(u.ID)}}
	if who.Name == "" {
		who.Name = u.Name
	}
	if u.Profile.Email != "" {
		who.Name = u.Profile.Email
		if u.IsEmailConfirmed {
			who.email = u.Profile.Email
		}
	}
	who.Name = clean(who.Name)
	return who, nil
}

func unknownPerson(err error) error {
	return fmt.Errorf("Slack could not say who you are (%s), so nothing was decided. Try again, or answer with the command line", codeOf(err))
}

// unfit is why a user can never approve anything, "" if they can.
func unfit(u slackgo.User, asked, team string) string {
	switch {
	case u.ID != asked:
		return "Slack named another user than the one who pressed"
	case u.Deleted:
		return "this account is deactivated"
	case u.IsBot || u.IsAppUser || u.IsWorkflowBot || u.IsConnectorBot || u.ID == "USLACKBOT":
		return "bots do not approve"
	case u.IsStranger:
		return "people of other organisations do not approve"
	case u.TeamID != team && !slices.Contains(u.Enterprise.Teams, team):
		return "people of other workspaces do not approve"
	case u.IsRestricted || u.IsUltraRestricted:
		return "guests do not approve"
	case u.IsInvitedUser:
		return "this account was invited and has not joined yet"
	}
	return ""
}

// may says whether somebody may approve a fix of a target: nil if so. The error is for them to read.
func (p *people) may(ctx context.Context, who someone, handler, target, fix string) error {
	named := p.config.Approvers(handler, target, fix)
	if len(named) == 0 {
		return errors.New("the policy names nobody who may approve this")
	}
	for _, a := range named { // first what needs no question
		if a.UserID != "" && a.UserID == who.ID || a.Email != "" && who.email != "" && strings.EqualFold(a.Email, who.email) {
			return nil
		}
	}
	var unread []string
	for _, a := range named {
		if a.GroupID == "" {
			continue
		}
		members, err := p.members(ctx, a.GroupID)
		if err != nil {
			words := "group " + a.GroupID + " could not be read: " + codeOf(err)
			if hint := hints(codeOf(err)); hint != "" {
				words += " (" + hint + ")"
			}
			unread = append(unread, words)
			continue
		}
		if slices.Contains(members, who.ID) {
			return nil
		}
	}
	words := "the policy does not name you for " + fix + " on " + target
	if len(unread) > 0 {
		words += "; " + strings.Join(unread, "; ")
	}
	return errors.New(words)
}

// members are the ids of a user group's members.
func (p *people) members(ctx context.Context, id string) ([]string, error) {
	now := p.config.Now()
	p.mu.Lock()
	known, ok := p.groups[id]
	p.mu.Unlock()
	if age := now.Sub(known.at); ok && age >= 0 && age < groupsFor {
		return known.members, nil
	}
	var members []string
	err := p.client.call(ctx, "usergroups.users.list", false, func(ctx context.Context) error {
		var err error
		members, err = p.client.api.GetUserGroupMembersContext(ctx, id)
		return err
	})
	if err != nil {
		return nil, err // what was known before is too old to be trusted
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.groups == nil || len(p.groups) >= groupsKept {
		p.groups = map[string]group{}
	}
	p.groups[id] = group{members: members, at: now}
	return members, nil
}
