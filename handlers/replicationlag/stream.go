package replicationlag

import (
	"strings"

	"github.com/firebreak-sre/firebreak/incidents"
)

type streamParams struct {
	SystemIdentifier string `json:"system_identifier"`
	PID              int    `json:"pid"`
	BackendStart     string `json:"backend_start"`
	ApplicationName  string `json:"application_name"`
	Standby          string `json:"standby"`
}

// restartStream ends the walsender of a standby whose receiver hangs, so that it connects again. Nothing that a commit may wait for is touched.
func (r deciding) restartStream(f finding) incidents.Decision {
	s := f.last()
	said := words("%s is %s: %s", f.name, s.lag.words(), r.stuckWords(f))
	if why := r.keepsStream(f); why != "" {
		return r.page(f.cause, said+". The walsender is left alone: "+why+". "+byHand(f.cause))
	}
	w := s.sender
	return r.act(f.cause, r.once(s.primary.Name, fixRestartStream, streamParams{SystemIdentifier: s.primary.SystemIdentifier, PID: w.PID,
		BackendStart: stamp(w.BackendStart), ApplicationName: w.ApplicationName, Standby: f.name}),
		words("%s. Ending its walsender (pid %d on %s) makes it connect again; it is async, and %s is well", said, w.PID, s.primary.Name, r.wellStandby(f.name)))
}

// keepsStream says why the walsender of a standby is not ended; "" if it may be.
func (r deciding) keepsStream(f finding) string {
	now := f.last().sender
	if now == nil {
		return "there is none any more: the primary has given up the line, and only the standby has not noticed"
	}
	for _, s := range f.states {
		w := s.sender
		switch {
		case w == nil:
			return "it was not there in all of the last looks"
		case w.PID <= 0 || w.BackendStart.IsZero():
			return "its pid or its start is not known"
		case w.SyncState != "async":
			return words("it is %s: commits may wait for it", w.SyncState)
		case syncNames(s.primary.Primary.SyncNames, w.ApplicationName):
			return "synchronous_standby_names names it: commits may wait for it"
		case !streams(w):
			return words("its state is %s", w.State)
		case w.PID != now.PID || !w.BackendStart.Equal(now.BackendStart):
			return "it is another one than in the look before"
		}
	}
	if r.wellStandby(f.name) == "" {
		return "no other standby is well, and the last one is not risked"
	}
	return ""
}

// syncNames says that synchronous_standby_names may mean a standby. It takes words for names too, which spares too many.
func syncNames(setting, name string) bool {
	for _, word := range strings.FieldsFunc(setting, func(c rune) bool { return strings.ContainsRune(` ,()"`, c) }) {
		if word == "*" || strings.EqualFold(word, name) {
			return true
		}
	}
	return false
}

// wellStandby is another standby that streams, answers and is under the SLO in all looks; "" if there is none.
func (r deciding) wellStandby(without string) string {
	for _, n := range r.cluster.topology.Nodes {
		if n.Node == without || n.Node == r.newest().primary.Name {
			continue
		}
		well := true
		for _, sight := range r.samples() {
			s := r.stateOf(sight, n)
			well = well && s.readable() && s.doubt == "" && s.sender != nil && s.attached() && !r.silent(s) && s.lag.known &&
				s.lag.kind != unmeasured && s.lag.seconds <= r.thresholds.SLO.D().Seconds()
		}
		if well {
			return n.Node
		}
	}
	return ""
}
