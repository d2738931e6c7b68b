package fakeslack

import (
	"cmp"
	"net/http"
	"strconv"
	"time"
)

// FaultKind is a way in which Slack, or the way to it, breaks.
type FaultKind string

const (
	// TooMany answers 429. Without RetryAfter the header is missing, as it is at times.
	TooMany FaultKind = "too_many"
	// ServerError answers with Status, default 503, and a page of HTML.
	ServerError FaultKind = "server_error"
	// Refuse answers 200 with ok false and Code, default internal_error.
	Refuse FaultKind = "refuse"
	// CutBefore closes the connection before anything is done.
	CutBefore FaultKind = "cut_before"
	// HangBefore does nothing and never answers.
	HangBefore FaultKind = "hang_before"
	// AcceptThenCut does what was asked and closes the connection instead of answering.
	AcceptThenCut FaultKind = "accept_then_cut"
	// AcceptThenHang does what was asked and never answers.
	AcceptThenHang FaultKind = "accept_then_hang"
	// AcceptThenFail does what was asked and answers with Status, default 504, as a proxy does that ran out of patience.
	AcceptThenFail FaultKind = "accept_then_fail"
	// Slow does what was asked and answers after Delay.
	Slow FaultKind = "slow"
	// Malformed does what was asked and answers 200 with half a JSON document.
	Malformed FaultKind = "malformed"
)

// accepts says whether the request is carried out.
func (k FaultKind) accepts() bool {
	switch k {
	case "", AcceptThenCut, AcceptThenHang, AcceptThenFail, Slow, Malformed:
		return true
	}
	return false
}

// Fault is what happens to the next requests of a method.
type Fault struct {
	Kind FaultKind
	// Times is how many requests it hits. 0: all, until [Server.Heal].
	Times int
	// RetryAfter is for TooMany, in whole seconds; Status for ServerError and AcceptThenFail; Delay, in real time, for
	// Slow; Code for Refuse.
	RetryAfter time.Duration
	Status     int
	Delay      time.Duration
	Code       string
}

// ResponseURLs and SocketConnect are names for [Server.Break] that are no methods: posts to response URLs, and the
// websocket handshake, which nothing but a cut, a hang or a refusal can hit: any other fault is a 503 there.
const (
	ResponseURLs  = "response_url"
	SocketConnect = "socket_connect"
)

// faults are what is broken. Those of a method come before those of all methods, older before younger.
type faults struct {
	down   bool
	queued map[string][]Fault
}

// Break makes the next requests of a method fail; of every method, if it is empty. Several faults of one method come one
// after the other.
func (s *Server) Break(method string, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.faults.queued == nil {
		s.faults.queued = map[string][]Fault{}
	}
	s.faults.queued[method] = append(s.faults.queued[method], f)
}

// Down takes Slack away: every connection is cut, and every new one, until Heal.
func (s *Server) Down() {
	s.mu.Lock()
	s.faults.down = true
	s.mu.Unlock()
	s.cutSockets()
}

// Heal ends all faults.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = faults{}
}

// take is the fault that hits this request.
func (f *faults) take(method string) Fault {
	if f.down {
		return Fault{Kind: CutBefore}
	}
	for _, name := range []string{method, ""} {
		queue := f.queued[name]
		if len(queue) == 0 {
			continue
		}
		hit := queue[0]
		switch {
		case hit.Times == 1:
			f.queued[name] = queue[1:]
		case hit.Times > 1:
			queue[0].Times--
		}
		return hit
	}
	return Fault{}
}

// answer is what a request gets over HTTP.
type answer struct {
	status int
	header map[string]string
	body   []byte
}

// failInstead answers a request that is not carried out.
func (s *Server) failInstead(w http.ResponseWriter, r *http.Request, f Fault) {
	switch f.Kind {
	case TooMany:
		s.write(w, tooMany(f.RetryAfter))
	case Refuse:
		s.write(w, refusal{code: cmp.Or(f.Code, "internal_error")}.answer())
	case HangBefore:
		s.hang(r)
		cut()
	case CutBefore:
		cut()
	default:
		writePage(w, cmp.Or(f.Status, http.StatusServiceUnavailable))
	}
}

// failAfter answers a request that was carried out.
func (s *Server) failAfter(w http.ResponseWriter, r *http.Request, f Fault, a answer) {
	switch f.Kind {
	case AcceptThenCut:
		cut()
	case AcceptThenHang:
		s.hang(r)
		cut()
	case AcceptThenFail:
		writePage(w, cmp.Or(f.Status, http.StatusGatewayTimeout))
	case Malformed:
		a.body = a.body[:len(a.body)/2]
		s.write(w, a)
	case Slow:
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
			s.write(w, a)
		case <-r.Context().Done():
		case <-s.done:
		}
	default:
		s.write(w, a)
	}
}

// hang waits until the caller gives up or the workspace is closed.
func (s *Server) hang(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-s.done:
	}
}

// cut closes the connection without an answer; net/http knows this panic and does it silently.
func cut() { panic(http.ErrAbortHandler) }

func (s *Server) write(w http.ResponseWriter, a answer) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(a.status)
	// A caller that left gets nothing, and nobody is to be told.
	_, _ = w.Write(a.body)
}

// writePage answers as Slack's edge does when Slack is not there.
func writePage(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	_, _ = w.Write([]byte("<html><body>" + http.StatusText(status) + "</body></html>"))
}

// tooMany is a 429; without a time the header is left out.
func tooMany(after time.Duration) answer {
	a := refusal{code: "ratelimited"}.answer()
	a.status = http.StatusTooManyRequests
	if after > 0 {
		seconds := int64((after + time.Second - 1) / time.Second)
		a.header = map[string]string{"Retry-After": strconv.FormatInt(seconds, 10)}
	}
	return a
}
