package replicationlag_test

import (
	"slices"
	"strconv"
	"strings"

	"github.com/firebreak-sre/firebreak/handlers/replicationlag"
	"github.com/firebreak-sre/firebreak/handlers/think"
)

// planned are the params of any of the fixes.
type planned struct {
	MinReady         int    `json:"min_ready"`
	SystemIdentifier string `json:"system_identifier"`
	Sessions         []struct {
		PID  int    `json:"pid"`
		User string `json:"user"`
	} `json:"sessions"`
	Roles     []string         `json:"roles"`
	Max       int              `json:"max"`
	PID       int              `json:"pid"`
	Standby   string           `json:"standby"`
	ReplayLSN string           `json:"replay_lsn"`
	Settings  map[string]int64 `json:"settings"`
}

// subject is the standby that a step is for.
func (p planned) subject(node string) string {
	if p.Standby != "" {
		return p.Standby
	}
	return node
}

// drained says what is wrong with taking a reader out.
func (p planned) drained(s snapshot, o replicationlag.Observation, node string) string {
	if o.Pool == nil || o.Pool.Problem != "" {
		return "the pool is not known"
	}
	ready, in := 0, false
	for _, r := range o.Pool.Readers {
		if r.Node == node {
			in = r.Ready
		} else if r.Ready {
			ready++
		}
	}
	if need := max(1, s.Policy.MinReady); !in || ready < need || p.MinReady != need {
		return "too few readers would be left"
	}
	return ""
}

// ended says what is wrong with ending sessions.
func (p planned) ended(s snapshot, o replicationlag.Observation, node string) string {
	most := 3
	if s.Policy.MaxSessions > 0 {
		most = s.Policy.MaxSessions
	}
	if len(p.Sessions) == 0 || len(p.Sessions) > most || p.Max > most || len(p.Roles) == 0 {
		return "it ends nobody, too many, or anybody's"
	}
	for _, session := range p.Sessions {
		i := slices.IndexFunc(o.Nodes, func(n replicationlag.Node) bool { return n.Name == node })
		holders := o.Nodes[i].Standby.Holders
		k := slices.IndexFunc(holders, func(h replicationlag.Session) bool { return h.PID == session.PID && h.User == session.User })
		switch {
		case k < 0:
			return "it ends a session that holds nothing up: pid " + strconv.Itoa(session.PID)
		case holders[k].Superuser || holders[k].BackendType != "client backend" || !slices.Contains(p.Roles, session.User) || session.User != "report":
			return "it ends a session that is never ended"
		case strings.Contains(holders[k].ApplicationName, "pg_dump") || holders[k].BackendStart.IsZero() || holders[k].XactStart.IsZero() || session.PID <= 0:
			return "it ends a dump, or somebody unknown"
		}
	}
	return ""
}

// restarted says what is wrong with ending a walsender.
func (p planned) restarted(c think.Case[replicationlag.Observation]) string {
	for _, l := range c.Before[len(c.Before)-2:] {
		others, found := 0, false
		for _, n := range l.Seen.Nodes {
			if n.Primary == nil {
				continue
			}
			for _, w := range n.Primary.Senders {
				switch {
				case w.PID == p.PID && w.SyncState != "async":
					return "the walsender is " + w.SyncState
				case w.PID == p.PID:
					found = true
				case w.State == "streaming":
					others++
				}
			}
			if strings.Contains(n.Primary.SyncNames, "*") {
				return "any standby may be sync"
			}
		}
		if !found || others == 0 {
			return "the walsender is not there, or the last one"
		}
	}
	return ""
}

// resumed says what is wrong with resuming replay.
func (p planned) resumed(o replicationlag.Observation, node string) string {
	settings := map[string]map[string]int64{}
	for _, n := range o.Nodes {
		if n.Name != node && n.Primary == nil {
			continue
		}
		settings[n.Name] = n.Settings
		switch {
		case n.Name == node && (n.Version < 140000 || n.Standby.Pause != "paused"):
			return "it is not paused, or it is not known by whom"
		case n.Primary != nil && n.Primary.Backups > 0:
			return "a backup is under way"
		}
	}
	for name, want := range p.Settings {
		if here, ok := settings[node][name]; !ok || here < want {
			return name + " is too low, and the server would end"
		}
	}
	if len(p.Settings) != 5 || p.ReplayLSN == "" {
		return "what is resumed is not said"
	}
	return ""
}
