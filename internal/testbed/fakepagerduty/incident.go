package fakepagerduty

import (
	"slices"
	"strconv"
	"time"
)

// Status is where an incident is in its life.
type Status string

const (
	Triggered    Status = "triggered"
	Acknowledged Status = "acknowledged"
	Resolved     Status = "resolved"
)

// Incident is what people are paged for.
type Incident struct {
	// Number counts the account's incidents from 1.
	Number     int
	RoutingKey string
	DedupKey   string
	Status     Status
	OpenedAt   time.Time
	ResolvedAt time.Time
	// Events are all that touched it, the one that opened it first.
	Events []Event
}

// Summary is what people read: that of the event which opened it.
func (i Incident) Summary() string { return i.Events[0].Payload.Summary }

// Triggers counts the triggers, with the one that opened it.
func (i Incident) Triggers() int {
	n := 0
	for _, e := range i.Events {
		if e.Action == Trigger {
			n++
		}
	}
	return n
}

// open is the incident of a key that is not resolved. The caller holds mu.
func (s *Server) open(routingKey, dedupKey string) *Incident {
	for _, i := range s.incidents {
		if i.RoutingKey == routingKey && i.DedupKey == dedupKey && i.Status != Resolved {
			return i
		}
	}
	return nil
}

// apply does what an event says, and gives it a dedup key if it has none. The caller holds mu.
func (s *Server) apply(e Event) Event {
	e.At = s.config.Now()
	if e.DedupKey == "" {
		s.made++
		e.DedupKey = "generated-" + strconv.Itoa(s.made)
	}
	s.events = append(s.events, e)
	i := s.open(e.RoutingKey, e.DedupKey)
	switch {
	case i != nil:
		i.Events = append(i.Events, e)
		i.move(e)
	case e.Action == Trigger:
		s.incidents = append(s.incidents, &Incident{
			Number: len(s.incidents) + 1, RoutingKey: e.RoutingKey, DedupKey: e.DedupKey, Status: Triggered, OpenedAt: e.At, Events: []Event{e},
		})
	}
	return e
}

func (i *Incident) move(e Event) {
	switch e.Action {
	case Acknowledge:
		i.Status = Acknowledged
	case Resolve:
		i.Status, i.ResolvedAt = Resolved, e.At
	}
}

// Incidents are all of them, oldest first; of one dedup key if it is not empty.
func (s *Server) Incidents(dedupKey string) []Incident {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Incident
	for _, i := range s.incidents {
		if dedupKey == "" || i.DedupKey == dedupKey {
			c := *i
			c.Events = slices.Clone(i.Events)
			all = append(all, c)
		}
	}
	return all
}

// Open are the incidents that are not resolved, oldest first.
func (s *Server) Open() []Incident {
	return slices.DeleteFunc(s.Incidents(""), func(i Incident) bool { return i.Status == Resolved })
}

// Events are all that were accepted, oldest first, also those that changed nothing.
func (s *Server) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// Changes are the change events that were accepted, oldest first.
func (s *Server) Changes() []Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.changes)
}

// ResolveByHand resolves an open incident as somebody at PagerDuty would. It says whether there was one.
func (s *Server) ResolveByHand(dedupKey string) bool { return s.byHand(dedupKey, Resolve) }

// AcknowledgeByHand acknowledges an open incident as somebody at PagerDuty would. It says whether there was one.
func (s *Server) AcknowledgeByHand(dedupKey string) bool { return s.byHand(dedupKey, Acknowledge) }

func (s *Server) byHand(dedupKey string, a Action) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range s.config.RoutingKeys {
		if i := s.open(key, dedupKey); i != nil {
			i.move(Event{Action: a, At: s.config.Now()})
			s.touch()
			return true
		}
	}
	return false
}
