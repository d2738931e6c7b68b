package fakepagerduty

import (
	"cmp"
	"net/http"
	"time"
)

// FaultKind is a way in which PagerDuty, or the way to it, breaks.
type FaultKind string

const (
	// TooMany answers 429. Without RetryAfter there is no such header, as PagerDuty does it.
	TooMany FaultKind = "too_many"
	// ServerError answers with Status, default 503, and a page of HTML.
	ServerError FaultKind = "server_error"
	// CutBefore closes the connection before anything is done.
	CutBefore FaultKind = "cut_before"
	// HangBefore does nothing and never answers.
	HangBefore FaultKind = "hang_before"
	// AcceptThenCut takes the event and closes the connection instead of answering.
	AcceptThenCut FaultKind = "accept_then_cut"
	// AcceptThenHang takes the event and never answers.
	AcceptThenHang FaultKind = "accept_then_hang"
	// AcceptThenFail takes the event and answers with Status, default 504, as a proxy does that ran out of patience.
	AcceptThenFail FaultKind = "accept_then_fail"
	// Slow takes the event and answers after Delay.
	Slow FaultKind = "slow"
	// Malformed takes the event and answers 202 with half a JSON document.
	Malformed FaultKind = "malformed"
)

// accepts says whether the event is taken.
func (k FaultKind) accepts() bool {
	switch k {
	case "", AcceptThenCut, AcceptThenHang, AcceptThenFail, Slow, Malformed:
		return true
	}
	return false
}

// answers says whether the caller gets the status that the event deserves.
func (k FaultKind) answers() bool { return k == "" || k == Slow || k == Malformed }

// Fault is what happens to the next requests.
type Fault struct {
	Kind FaultKind
	// Times is how many requests it hits. 0: all, until [Server.Heal].
	Times int
	// RetryAfter is for TooMany, in whole seconds; Status for ServerError and AcceptThenFail; Delay, in real time, for Slow.
	RetryAfter time.Duration
	Status     int
	Delay      time.Duration
}

// status is what the caller sees. 0: nothing.
func (f Fault) status() int {
	switch f.Kind {
	case TooMany:
		return http.StatusTooManyRequests
	case ServerError:
		return cmp.Or(f.Status, http.StatusServiceUnavailable)
	case AcceptThenFail:
		return cmp.Or(f.Status, http.StatusGatewayTimeout)
	}
	return 0
}

// faults are what is broken. Those of a path come before those of all paths, older before younger.
type faults struct {
	down   bool
	queued map[string][]Fault
}

// Break makes the next requests to a path fail, [Enqueue] or [ChangeEnqueue]; to both, if it is empty. Several faults of one
// path come one after the other.
func (s *Server) Break(path string, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.faults.queued == nil {
		s.faults.queued = map[string][]Fault{}
	}
	s.faults.queued[path] = append(s.faults.queued[path], f)
}

// Down takes PagerDuty away: every request is cut, until Heal.
func (s *Server) Down() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.down = true
}

// Heal ends all faults.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = faults{}
}

// take is the fault that hits this request.
func (f *faults) take(path string) Fault {
	if f.down {
		return Fault{Kind: CutBefore}
	}
	for _, name := range []string{path, ""} {
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

// hang waits for a time, for ever if it is 0, and says whether it was waited out: the caller may give up, the account close.
func (s *Server) hang(r *http.Request, d time.Duration) bool {
	var over <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
		return true
	case <-r.Context().Done():
	case <-s.done:
	}
	return false
}

// cut closes the connection without an answer; net/http knows this panic and does it silently.
func cut() { panic(http.ErrAbortHandler) }
