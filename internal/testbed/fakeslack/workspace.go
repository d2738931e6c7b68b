package fakeslack

import (
	"slices"
	"strings"
	"time"
)

// Workspace is who and what is in it.
type Workspace struct {
	Users    []User
	Channels []Channel
	Groups   []Group
	// FreePlan has no user groups: asking for their members is refused with plan_upgrade_required.
	FreePlan bool
	// EditWindow is how long a message may be edited. 0: for ever.
	EditWindow time.Duration
}

// User is a person or a bot.
type User struct {
	ID   string
	Name string
	// Email is in the profile, if the app may see it. Empty: it has none.
	Email string
	// TeamID is where the user belongs. Empty: this workspace. Another one is an external user of a shared channel.
	TeamID string

	Bot             bool
	Deleted         bool
	Restricted      bool // a guest of several channels
	UltraRestricted bool // a guest of one channel
	Stranger        bool // an external user with whom no channel is shared
}

// Channel is where messages are.
type Channel struct {
	ID   string
	Name string
	// Member says whether the app's bot is in it.
	Member   bool
	Private  bool
	Archived bool
	// Shared with another organisation.
	Shared bool
}

// Group is a user group.
type Group struct {
	ID       string
	Handle   string
	Members  []string
	Disabled bool
}

func (w Workspace) ids() []string {
	var ids []string
	for _, u := range w.Users {
		ids = append(ids, u.ID)
	}
	for _, c := range w.Channels {
		ids = append(ids, c.ID)
	}
	for _, g := range w.Groups {
		ids = append(ids, g.ID)
	}
	return ids
}

func (w Workspace) user(id string) (User, bool) {
	i := slices.IndexFunc(w.Users, func(u User) bool { return u.ID == id })
	if i < 0 {
		return User{}, false
	}
	return w.Users[i], true
}

func (w Workspace) byEmail(email string) (User, bool) {
	i := slices.IndexFunc(w.Users, func(u User) bool { return u.Email != "" && strings.EqualFold(u.Email, email) && !u.Deleted })
	if i < 0 {
		return User{}, false
	}
	return w.Users[i], true
}

// channel finds a channel by its id; the clone of the slice is made by those who change it.
func (w Workspace) channel(id string) (Channel, bool) {
	i := slices.IndexFunc(w.Channels, func(c Channel) bool { return c.ID == id })
	if i < 0 {
		return Channel{}, false
	}
	return w.Channels[i], true
}

func (w Workspace) channelNamed(name string) (Channel, bool) {
	i := slices.IndexFunc(w.Channels, func(c Channel) bool { return c.Name == strings.TrimPrefix(name, "#") })
	if i < 0 {
		return Channel{}, false
	}
	return w.Channels[i], true
}

func (w Workspace) group(id string) (Group, bool) {
	i := slices.IndexFunc(w.Groups, func(g Group) bool { return g.ID == id })
	if i < 0 {
		return Group{}, false
	}
	return w.Groups[i], true
}

// PutUser adds a user, or replaces the one with the same id: somebody left, or became a guest.
func (s *Server) PutUser(u User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	others := slices.DeleteFunc(slices.Clone(s.workspace.Users), func(o User) bool { return o.ID == u.ID })
	s.workspace.Users = append(others, u)
}

// PutChannel adds a channel, or replaces the one with the same id: it was archived, or the bot was invited or removed.
func (s *Server) PutChannel(c Channel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	others := slices.DeleteFunc(slices.Clone(s.workspace.Channels), func(o Channel) bool { return o.ID == c.ID })
	s.workspace.Channels = append(others, c)
}

// PutGroup adds a group, or replaces the one with the same id.
func (s *Server) PutGroup(g Group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	others := slices.DeleteFunc(slices.Clone(s.workspace.Groups), func(o Group) bool { return o.ID == g.ID })
	s.workspace.Groups = append(others, g)
}
