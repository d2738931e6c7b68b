package fakepagerduty

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// The paths of the Events API.
const (
	Enqueue       = "/v2/enqueue"
	ChangeEnqueue = "/v2/change/enqueue"
)

// Call is one request.
type Call struct {
	Path string
	At   time.Time
	// RoutingKey, Action and DedupKey are what it asked for, where it could be read.
	RoutingKey string
	Action     Action
	DedupKey   string
	// Accepted: it was carried out, whether or not the caller was told. Status is what the caller was told, 0 nothing.
	Accepted bool
	Status   int
	// Fault is what hit it, if anything did.
	Fault FaultKind
}

// Calls are all requests, oldest first.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Accepted counts the alert events with an action that were accepted.
func (s *Server) Accepted(a Action) int {
	n := 0
	for _, e := range s.Events() {
		if e.Action == a {
			n++
		}
	}
	return n
}

// answer is what a request gets.
type answer struct {
	status int
	body   map[string]any
}

func (a answer) accepted() bool { return a.status == http.StatusAccepted }

func invalid(p problems) answer {
	return answer{http.StatusBadRequest, map[string]any{"status": "invalid event", "message": "Event object is invalid", "errors": []string(p)}}
}

// unknownKey is what people have seen for a key that looks right and is none (robusta#571). Trying again is no use.
func unknownKey() answer {
	return answer{http.StatusBadRequest, map[string]any{"status": "invalid key", "message": "Invalid routing key"}}
}

func tooMany() answer {
	return answer{http.StatusTooManyRequests, map[string]any{"status": "throttle exceeded", "message": "Requests are arriving too quickly"}}
}

// enqueue takes an alert event. The caller holds mu.
func (s *Server) enqueue(body []byte, call *Call) answer {
	e, p := readEvent(body)
	call.RoutingKey, call.Action, call.DedupKey = e.RoutingKey, e.Action, e.DedupKey
	if len(p) > 0 {
		return invalid(p)
	}
	if !slices.Contains(s.config.RoutingKeys, e.RoutingKey) {
		return unknownKey()
	}
	if s.limited(e.RoutingKey) {
		return tooMany()
	}
	e = s.apply(e)
	call.DedupKey = e.DedupKey
	return answer{http.StatusAccepted, map[string]any{"status": "success", "message": "Event processed", "dedup_key": e.DedupKey}}
}

// enqueueChange takes a change event. The caller holds mu.
func (s *Server) enqueueChange(body []byte, call *Call) answer {
	c, p := readChange(body)
	call.RoutingKey = c.RoutingKey
	if len(p) > 0 {
		return invalid(p)
	}
	if !slices.Contains(s.config.RoutingKeys, c.RoutingKey) {
		return unknownKey()
	}
	if s.limited(c.RoutingKey) {
		return tooMany()
	}
	c.At = s.config.Now()
	s.changes = append(s.changes, c)
	return answer{http.StatusAccepted, map[string]any{"status": "success", "message": "Change event processed"}}
}

// serve answers the requests of one path.
func (s *Server) serve(path string, take func([]byte, *Call) answer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
		s.mu.Lock()
		fault := s.faults.take(path)
		call := Call{Path: path, At: s.config.Now(), Fault: fault.Kind}
		var a answer
		switch {
		case !fault.Kind.accepts():
			a.status = fault.status()
		case err != nil:
			a = invalid(problems{"body cannot be read"})
		case len(body) > maxBody:
			a = invalid(problems{"event is too large (maximum " + strconv.Itoa(maxBody) + " bytes)"})
			a.status = http.StatusRequestEntityTooLarge
		default:
			a = take(body, &call)
		}
		call.Accepted, call.Status = a.accepted(), a.status
		if !fault.Kind.answers() {
			call.Status = fault.status()
		}
		s.calls = append(s.calls, call)
		s.touch()
		s.mu.Unlock()
		s.reply(w, r, fault, a)
	}
}

// reply answers, or breaks.
func (s *Server) reply(w http.ResponseWriter, r *http.Request, f Fault, a answer) {
	switch f.Kind {
	case CutBefore, AcceptThenCut:
		cut()
	case HangBefore, AcceptThenHang:
		s.hang(r, 0)
		cut()
	case TooMany:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.FormatInt(int64((f.RetryAfter+time.Second-1)/time.Second), 10))
		}
		write(w, tooMany(), 1)
	case ServerError, AcceptThenFail:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(f.status())
		// A caller that left gets nothing, and nobody is to be told.
		_, _ = w.Write([]byte("<html><body>" + http.StatusText(f.status()) + "</body></html>"))
	case Malformed:
		write(w, a, 2)
	case Slow:
		if !s.hang(r, f.Delay) {
			return
		}
		write(w, a, 1)
	default:
		write(w, a, 1)
	}
}

// write answers with a part of the body: all of it, or half.
func write(w http.ResponseWriter, a answer, part int) {
	// Only strings are in it.
	body, err := json.Marshal(a.body)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_, _ = w.Write(body[:len(body)/part])
}
