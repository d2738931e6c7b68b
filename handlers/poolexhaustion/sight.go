package poolexhaustion

import (
	"slices"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/think"
)

type look = think.Look[Observation]

// sight is one look, made ready to be judged.
type sight struct {
	at   time.Time
	seen Observation
	// queues are all places where clients can wait: the databases of the poolers, and the applications' pools.
	queues []queue
	// trouble is why the look cannot be judged, or must not be acted on; "" if it can. why says it in words, queue where it is.
	trouble Cause
	why     string
	queue   *queue
}

// pair is two looks in a row.
type pair struct{ first, last sight }

// sightOf finds what stands in the way of judging a look. The order of the troubles is that of the rules.
func (h *Handler) sightOf(c cluster, l look) sight {
	s := sight{at: l.At, seen: l.Seen, queues: queuesOf(l.Seen)}
	server := s.seen.Server
	switch {
	case len(server.Primaries) > 1:
		s.stop(CauseTwoPrimaries, words("%s take writes at the same time: rows written on the one that loses are lost", strings.Join(server.Primaries, " and ")))
	case server.Problem == "" && server.Node != "" && server.Hidden:
		s.stop(CauseProbeUnknown,
			words("the views of %s hide other sessions from us, which reads as \"nobody does anything\" and is not: grant pg_monitor to the probe's role", server.Node))
	case server.Problem == "" && c.topology.SystemIdentifier != "" && server.SystemIdentifier != c.topology.SystemIdentifier:
		s.stop(CauseProbeUnknown, words("%s has the system identifier %q, and the policy says %s: it may be another cluster's",
			server.Node, server.SystemIdentifier, c.topology.SystemIdentifier))
	case server.Problem != "" && len(server.Primaries) == 0 && len(server.Unread) == 0 && !server.Full:
		s.stop(CauseNoPrimary, "no node takes writes, and every one answers: "+server.Problem)
	case h.paused(&s):
	case server.Full:
		s.stop(CauseServerFull, words("PostgreSQL has no connection slot left, not even for us: %s", server.Problem))
	case server.Problem != "":
		s.unread()
	case server.Node == "":
		s.stop(CauseProbeUnknown, "nothing is known of the server")
	}
	return s
}

func (s *sight) stop(c Cause, why string) { s.trouble, s.why = c, why }

// paused stops at a database that somebody has paused; at one that is disabled only if nobody waits elsewhere: one that was retired long ago
// must not hide what is wrong today.
func (h *Handler) paused(s *sight) bool {
	var disabled *queue
	elsewhere := false
	for i := range s.queues {
		switch q := &s.queues[i]; {
		case q.db == nil || !q.db.Paused && !q.db.Disabled:
			elsewhere = elsewhere || h.waits(*q)
		case q.db.Disabled && !q.db.Paused:
			if disabled == nil {
				disabled = q
			}
		default:
			s.queue = q
			s.stop(CausePaused, words("somebody paused %s, and PgBouncer cannot say who: %s", q.name(), q.words()))
			return true
		}
	}
	if disabled == nil || elsewhere {
		return false
	}
	s.queue = disabled
	s.stop(CausePaused, words("somebody disabled %s: new clients are refused, and those that are connected go on", disabled.name()))
	return true
}

// unread is for a server that could not be read: what the poolers see of it tells whether it is down.
func (s *sight) unread() {
	problem := s.seen.Server.Problem
	for i := range s.queues {
		if q := &s.queues[i]; q.knocks() {
			s.queue = q
			s.stop(CauseServerDown, words("PostgreSQL could not be read (%s), and %s gets no session there either: %s", problem, q.pooler, q.words()))
			return
		}
	}
	refuses := slices.ContainsFunc([]string{"connection refused", "the database system is "}, func(text string) bool { return strings.Contains(problem, text) })
	if refuses && !slices.ContainsFunc(s.queues, func(q queue) bool { return q.busy > 0 }) {
		s.stop(CauseServerDown, words("PostgreSQL refuses everybody: %s", problem))
		return
	}
	s.stop(CauseProbeUnknown, words("PostgreSQL could not be read, so it is not known who holds its sessions: %s", problem))
}

// queue is one of the look's queues by its key; nil if it is not there.
func (s sight) find(key string) *queue {
	for i := range s.queues {
		if s.queues[i].key() == key {
			return &s.queues[i]
		}
	}
	return nil
}

// unreadWords names what could not be read, with why; "" if all was.
func unreadWords(o Observation) string {
	var all []string
	for _, p := range o.Poolers {
		if p.Problem != "" {
			all = append(all, p.Name+" ("+p.Problem+")")
		}
	}
	for _, a := range o.Apps {
		if a.Problem != "" {
			all = append(all, a.Name+" ("+a.Problem+")")
		}
	}
	return strings.Join(all, ", ")
}

// recent are the last looks without a long pause or a step back in time between them, oldest first.
func (h *Handler) recent(sights []sight) []sight {
	start := len(sights)
	for start > 0 {
		if start < len(sights) {
			if gap := sights[start].at.Sub(sights[start-1].at); gap < 0 || gap > h.maxGap() {
				break
			}
		}
		start--
	}
	return sights[start:]
}
