package guard_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/alerts/live"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/guard"
)

// said is what a served Alertmanager says of one alert: its state, and by what it is suppressed.
type said struct {
	state                     string
	silenced, inhibited, mute []string
	receivers                 []string
}

// am is a served Alertmanager: what it says by fingerprint, and how else it behaves.
type am struct {
	alerts   map[string]said
	settling bool
	down     bool // it does not listen
	broken   int  // the status of every answer
	hang     bool // it never answers
}

// serve speaks API v2 as far as it is read.
func (a am) serve(t *testing.T) string {
	t.Helper()
	forever := make(chan struct{})
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, r *http.Request, body any) {
		switch {
		case a.hang:
			select {
			case <-forever:
			case <-r.Context().Done():
			}
		case a.broken != 0:
			w.WriteHeader(a.broken)
		default:
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(body)
		}
	}
	type object map[string]any
	mux.HandleFunc("GET /api/v2/status", func(w http.ResponseWriter, r *http.Request) {
		status := "ready"
		if a.settling {
			status = "settling"
		}
		answer(w, r, object{"cluster": object{"status": status}})
	})
	mux.HandleFunc("GET /api/v2/alerts", func(w http.ResponseWriter, r *http.Request) {
		list := []object{}
		for fingerprint, s := range a.alerts {
			receivers := []object{}
			for _, name := range s.receivers {
				receivers = append(receivers, object{"name": name})
			}
			list = append(list, object{
				"fingerprint": fingerprint, "labels": object{"alertname": "Pool"}, "annotations": object{},
				"startsAt": noon(), "endsAt": noon(), "updatedAt": noon(), "receivers": receivers,
				"status": object{"state": s.state, "silencedBy": s.silenced, "inhibitedBy": s.inhibited, "mutedBy": []string{}},
			})
		}
		answer(w, r, list)
	})
	// Only the groups say what is muted, each on the route to one receiver.
	mux.HandleFunc("GET /api/v2/alerts/groups", func(w http.ResponseWriter, r *http.Request) {
		groups := []object{}
		for fingerprint, s := range a.alerts {
			for _, receiver := range []string{"firebreak", "people"} {
				mute := s.mute
				if receiver == "people" {
					mute = []string{"people-sleep"}
				}
				groups = append(groups, object{"labels": object{}, "receiver": object{"name": receiver}, "alerts": []object{{
					"fingerprint": fingerprint, "status": object{"state": s.state, "mutedBy": mute}}}})
			}
		}
		answer(w, r, groups)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(func() { close(forever); s.Close() })
	if a.down {
		s.Close()
	}
	return s.URL
}

func alertmanagers(t *testing.T, urls ...string) *guard.Alertmanagers {
	t.Helper()
	var peers []guard.Peer
	for i, url := range urls {
		c, err := live.New(live.Config{URL: url, Timeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		peers = append(peers, guard.Peer{Name: fmt.Sprintf("am%d", i+1), Source: c, Receiver: "firebreak"})
	}
	a, err := guard.NewAlertmanagers(peers)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// firing are alerts of an incident with these fingerprints.
func firing(fingerprints ...string) []alerts.Alert {
	var list []alerts.Alert
	for _, f := range fingerprints {
		list = append(list, alerts.Alert{Fingerprint: f, Status: alerts.Firing, Labels: map[string]string{"alertname": "Pool"}})
	}
	return list
}

// alertCases are what two Alertmanagers may say of an incident with the alerts f1 and f2.
func alertCases() []struct {
	name  string
	peers []am
	want  remediations.Reason
	words []string
} {
	active := said{state: "active", receivers: []string{"firebreak", "people"}}
	silenced := said{state: "suppressed", silenced: []string{"s-1"}, receivers: []string{"firebreak"}}
	inhibited := said{state: "suppressed", inhibited: []string{"i-1"}}
	muted := said{state: "active", mute: []string{"weekend"}}
	elsewhere := said{state: "active", receivers: []string{"people"}}
	fresh := said{state: "unprocessed"}
	says := func(f1 said) am { return am{alerts: map[string]said{"f1": f1, "x": active}} }
	says2 := func(f1, f2 said) am { return am{alerts: map[string]said{"f1": f1, "f2": f2}} }
	none := am{}
	const unconfirmed = remediations.ReasonUnconfirmed
	return []struct {
		name  string
		peers []am
		want  remediations.Reason
		words []string
	}{
		{"active", []am{says(active)}, "", nil},
		{"active, without receivers", []am{says(said{state: "active"})}, "", nil},
		{"active in both", []am{says(active), says(active)}, "", nil},
		{"active in one, unknown to the other", []am{none, says(active)}, "", nil},
		{"active in one, fresh in the other", []am{says(fresh), says(active)}, "", nil},
		{"silenced", []am{says(silenced)}, remediations.ReasonSilenced, []string{"Pool (f1)", "by s-1", "am1"}},
		{"inhibited", []am{says(inhibited)}, remediations.ReasonInhibited, []string{"by i-1"}},
		{"muted", []am{says(muted)}, remediations.ReasonMuted, []string{"by weekend"}},
		{"suppressed by nothing", []am{says(said{state: "suppressed"})}, remediations.ReasonMuted, []string{"without a word"}},
		{"many silences", []am{says(said{state: "suppressed", silenced: []string{"a", "b", "c", "d\n"}})}, remediations.ReasonSilenced,
			[]string{"a, b, c, and 1 more"}},
		{"active in one, silenced in the other", []am{says(active), says(silenced)}, remediations.ReasonSilenced, []string{"am2"}},
		{"silenced in one, active in the other", []am{says(silenced), says(active)}, remediations.ReasonSilenced, []string{"am1"}},
		{"inhibited in one, active in the other", []am{says(inhibited), says(active)}, remediations.ReasonInhibited, nil},
		{"one silenced, one active", []am{says2(silenced, active)}, "", nil},
		{"each silenced somewhere", []am{says2(silenced, active), says2(active, silenced)}, remediations.ReasonSilenced, []string{"f1", "f2"}},
		{"one silenced, one inhibited", []am{says2(inhibited, silenced)}, remediations.ReasonSilenced, nil},
		{"one silenced, one gone", []am{says(silenced)}, remediations.ReasonSilenced, nil},
		{"one gone, one fresh", []am{says(fresh)}, unconfirmed, []string{"just come in"}},
		{"unknown", []am{none, none}, remediations.ReasonResolved, []string{"not known any more"}},
		{"unknown to who answers", []am{none, {down: true}}, remediations.ReasonResolved, []string{"not asked: am2", "refused"}},
		{"not ours", []am{says(elsewhere)}, remediations.ReasonNotAllowed, []string{"routed to people", "receiver firebreak"}},
		{"not ours in one", []am{says(active), says(elsewhere)}, remediations.ReasonNotAllowed, nil},
		{"one not ours, one active", []am{says2(elsewhere, active)}, "", nil},
		{"one not ours, one silenced", []am{says2(elsewhere, silenced)}, remediations.ReasonSilenced, nil},
		{"in a state of the future", []am{says(said{state: "acknowledged"}), says(active)}, unconfirmed, []string{"acknowledged"}},
		{"one down, one active", []am{{down: true}, says(active)}, "", nil},
		{"one settling, one active", []am{{settling: true}, says(active)}, "", nil},
		{"one broken, one silenced", []am{{broken: 500}, says(silenced)}, remediations.ReasonSilenced, []string{"not asked: am1"}},
		{"all down", []am{{down: true}, {down: true}}, unconfirmed, []string{"am1: ", "am2: ", "refused"}},
		{"all settling", []am{{settling: true, alerts: says(active).alerts}}, unconfirmed, []string{"am1 is still settling"}},
		{"all forbid it", []am{{broken: 403}, {broken: 401}}, unconfirmed, []string{"am1: "}},
	}
}

// An incident is acted on only if one of its alerts is active everywhere where it is known.
func TestAlertmanagers(t *testing.T) {
	t.Parallel()
	for _, c := range alertCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var urls []string
			for _, peer := range c.peers {
				urls = append(urls, peer.serve(t))
			}
			no := alertmanagers(t, urls...).Check(t.Context(), firing("f1", "f2"))
			wantNo(t, c.name, no, c.want, c.words...)
			if no != nil && strings.ContainsAny(no.Words, "\n\x00") {
				t.Errorf("got words %q", no.Words)
			}
		})
	}
}

// One that hangs costs two seconds, and the other one's word counts.
func TestAlertmanagersHang(t *testing.T) {
	t.Parallel()
	hangs := am{hang: true}.serve(t)
	answers := am{alerts: map[string]said{"f1": {state: "active"}}}.serve(t)
	began := time.Now()
	wantNo(t, "one hangs", alertmanagers(t, hangs, answers).Check(t.Context(), firing("f1")), "")
	wantNo(t, "all hang", alertmanagers(t, hangs, hangs).Check(t.Context(), firing("f1")), remediations.ReasonUnconfirmed, "deadline exceeded")
	if took := time.Since(began); took < 4*time.Second || took > 20*time.Second {
		t.Errorf("it took %s, want 2s each", took)
	}
}

// Where nobody can be asked there is nothing to ask; where no alert fires any more nobody needs to be.
func TestAlertmanagersNothingToAsk(t *testing.T) {
	t.Parallel()
	var none *guard.Alertmanagers
	wantNo(t, "nil", none.Check(t.Context(), firing("f1")), "")
	wantNo(t, "none configured", alertmanagers(t).Check(t.Context(), firing("f1")), "")

	all := alertmanagers(t, am{alerts: map[string]said{"f1": {state: "active"}}}.serve(t))
	wantNo(t, "no alerts", all.Check(t.Context(), nil), remediations.ReasonResolved)
	over := firing("f1")
	over[0].Status = alerts.Resolved
	wantNo(t, "resolved", all.Check(t.Context(), over), remediations.ReasonResolved)
	if over[0].Fingerprint != "f1" {
		t.Error("the caller's list was changed")
	}
	if _, err := guard.NewAlertmanagers([]guard.Peer{{Name: "am"}}); err == nil {
		t.Error("a peer without a source was taken")
	}
}
