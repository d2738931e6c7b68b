package fakeslack

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// The lifetimes that Slack documents.
const (
	triggerLives  = 3 * time.Second
	responseLives = 30 * time.Minute
	responseUses  = 5
)

// exchange is what presses leave behind: triggers, response URLs, open modals, and the deliveries themselves.
type exchange struct {
	made       int
	triggers   map[string]*trigger
	responses  map[string]*responseURL
	views      []*View
	deliveries []*Delivery
}

// trigger lets the app open one modal, soon.
type trigger struct {
	user string
	at   time.Time
	used bool
}

// responseURL lets whoever knows it answer a press.
type responseURL struct {
	channel string
	message string
	user    string
	at      time.Time
	uses    int
}

// number is one that nothing else has.
func (e *exchange) number() string {
	e.made++
	return strconv.Itoa(e.made)
}

// Delivery is one interaction on its way to the app.
type Delivery struct {
	// ID names it in this workspace.
	ID int
	// Kind is block_actions or view_submission, Payload the JSON that went out, TriggerID and ResponseURL are from it.
	Kind        string
	Payload     []byte
	TriggerID   string
	ResponseURL string
	// At is when the person pressed, by the workspace's clock.
	At time.Time
	// Via is "http" or "socket", Envelopes the envelopes it went in, one for each try.
	Via       string
	Envelopes []string
	// Acked: an answer came, After that real time since it was sent. InTime: within the time that Slack gives.
	Acked  bool
	InTime bool
	After  time.Duration
	// Status is the HTTP status, Answer the body, or the payload of the ack.
	Status int
	Answer []byte
	// Lost says why nobody has it: no connection, or what the request failed with.
	Lost string
}

// Deliveries are all of them, oldest first.
func (s *Server) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Delivery, 0, len(s.exchange.deliveries))
	for _, d := range s.exchange.deliveries {
		all = append(all, d.clone())
	}
	return all
}

// Unanswered are the presses behind which the person saw a warning: not answered in time, or not with success.
func (s *Server) Unanswered() []Delivery {
	return slices.DeleteFunc(s.Deliveries(), func(d Delivery) bool { return d.InTime })
}

// String is what became of it.
func (d Delivery) String() string {
	became := "lost: " + d.Lost
	if d.Acked {
		became = fmt.Sprintf("acked after %s, in time: %t, status %d", d.After, d.InTime, d.Status)
	}
	return fmt.Sprintf("delivery %d, %s over %s in %d envelopes, %s", d.ID, d.Kind, d.Via, len(d.Envelopes), became)
}

func (d *Delivery) clone() Delivery {
	c := *d
	c.Envelopes = slices.Clone(d.Envelopes)
	return c
}

// begin writes down that a delivery starts. The caller holds mu.
func (s *Server) begin(kind string, payload []byte, via string) *Delivery {
	d := &Delivery{ID: len(s.exchange.deliveries) + 1, Kind: kind, Payload: payload, Via: via, At: s.config.Now()}
	d.TriggerID, d.ResponseURL = pointers(payload)
	s.exchange.deliveries = append(s.exchange.deliveries, d)
	s.touch()
	return d
}

// newTrigger and newResponse make what a payload carries. The caller holds mu.
func (s *Server) newTrigger(user string) string {
	if s.exchange.triggers == nil {
		s.exchange.triggers = map[string]*trigger{}
	}
	id := s.exchange.number() + ".74000." + strconv.FormatInt(s.config.Now().UnixNano(), 36)
	s.exchange.triggers[id] = &trigger{user: user, at: s.config.Now()}
	return id
}

func (s *Server) newResponse(channel, message, user string) string {
	if s.exchange.responses == nil {
		s.exchange.responses = map[string]*responseURL{}
	}
	path := "/actions/" + s.config.App.TeamID + "/" + s.exchange.number() + "/" + strconv.FormatInt(s.config.Now().UnixNano(), 36)
	s.exchange.responses[path] = &responseURL{channel: channel, message: message, user: user, at: s.config.Now()}
	return "http://" + s.base + path
}
