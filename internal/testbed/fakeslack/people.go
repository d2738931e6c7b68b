package fakeslack

// userObject is a user as users.info shows it.
func (s *Server) userObject(u User) object {
	profile := object{"real_name": u.Name, "display_name": u.Name, "team": s.teamOf(u)}
	if u.Email != "" && s.config.may("users:read.email") {
		profile["email"] = u.Email
	}
	return object{
		"id": u.ID, "team_id": s.teamOf(u), "name": u.Name, "real_name": u.Name, "profile": profile,
		"deleted": u.Deleted, "is_bot": u.Bot, "is_restricted": u.Restricted || u.UltraRestricted,
		"is_ultra_restricted": u.UltraRestricted, "is_stranger": u.Stranger, "is_app_user": false,
		"is_email_confirmed": u.Email != "", "updated": s.config.Now().Unix(),
	}
}

func (s *Server) teamOf(u User) string {
	if u.TeamID == "" {
		return s.config.App.TeamID
	}
	return u.TeamID
}

func (s *Server) userInfo(a args) (object, error) {
	u, ok := s.workspace.user(a.str("user"))
	if !ok {
		return nil, refusal{code: "user_not_found"}
	}
	return object{"user": s.userObject(u)}, nil
}

// userByEmail does not find people who left.
func (s *Server) userByEmail(a args) (object, error) {
	u, ok := s.workspace.byEmail(a.str("email"))
	if !ok {
		return nil, refusal{code: "users_not_found"}
	}
	return object{"user": s.userObject(u)}, nil
}

func (s *Server) groupMembers(a args) (object, error) {
	if s.workspace.FreePlan {
		return nil, refusal{code: "plan_upgrade_required"}
	}
	g, ok := s.workspace.group(a.str("usergroup"))
	if !ok || g.Disabled && !a.flag("include_disabled") {
		return nil, refusal{code: "no_such_subteam"}
	}
	members := g.Members
	if members == nil {
		members = []string{}
	}
	return object{"users": members}, nil
}
