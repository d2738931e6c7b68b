package probe

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/replicationlag"
	"github.com/firebreak-sre/firebreak/policy"
)

// What the members of a cluster answer: Patroni 3.0.2 as the lab had it, and 4.
const (
	patroni3 = `{"members": [{"name": "pg1", "role": "leader", "state": "running", "api_url": "http://127.0.0.1:8008/patroni", "host": "127.0.0.1",
"port": 5501, "timeline": 4}, {"name": "pg2", "role": "replica", "state": "running", "host": "127.0.0.1", "port": 5502, "timeline": 4, "lag": 0},
{"name": "pg3", "role": "sync_standby", "state": "start failed", "lag": "unknown"}], "pause": true}`
	patroni4 = `{"members": [{"name": "pg1", "role": "leader", "state": "running", "timeline": 4}, {"name": "pg2", "role": "quorum_standby",
"state": "streaming", "timeline": 4, "receive_lag": 0, "receive_lsn": "0/4000000", "replay_lag": "unknown", "lag": 0}],
"scheduled_switchover": {"at": "2026-11-24T03:00:00+00:00", "from": "pg1", "to": "pg2"}, "scope": "orders"}`
)

func member(name, role, state string, timeline int) replicationlag.Member {
	return replicationlag.Member{Name: name, Role: role, State: state, Timeline: timeline}
}

// TestPatroni holds what is read of a cluster's manager.
func TestPatroni(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		want   replicationlag.Patroni
	}{
		"3": {200, patroni3, replicationlag.Patroni{Paused: true, Members: []replicationlag.Member{member("pg1", "leader", "running", 4),
			member("pg2", "replica", "running", 4), member("pg3", "sync_standby", "start failed", 0)}}},
		"4": {200, patroni4, replicationlag.Patroni{Switchover: true, Members: []replicationlag.Member{member("pg1", "leader", "running", 4),
			member("pg2", "quorum_standby", "streaming", 4)}}},
		"nothing scheduled": {200, `{"members":[{"name":"pg1","role":"master"}],"scheduled_switchover":null,"pause":false}`,
			replicationlag.Patroni{Members: []replicationlag.Member{{Name: "pg1", Role: "master"}}}},
		"no members":          {200, `{"members":[]}`, replicationlag.Patroni{Problem: "it names no members"}},
		"pause is a word":     {200, `{"members":[{"name":"pg1"}],"pause":"true"}`, replicationlag.Patroni{Problem: "not that of Patroni's /cluster"}},
		"no JSON":             {200, `<html>`, replicationlag.Patroni{Problem: "not that of Patroni's /cluster"}},
		"too large":           {200, `{"members":[{"name":"` + strings.Repeat("x", maxAnswer) + `"}]}`, replicationlag.Patroni{Problem: "larger than 1 MiB"}},
		"no cluster":          {503, patroni4, replicationlag.Patroni{Problem: "answered 503"}},
		"redirected":          {302, "", replicationlag.Patroni{Problem: "answered 302"}},
		"nothing in a second": {0, "", replicationlag.Patroni{Problem: "no answer within 1s"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet || r.URL.Path != "/base/cluster" {
					t.Errorf("asked %s %s", r.Method, r.URL)
				}
				if c.status == 0 {
					<-r.Context().Done()
					return
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			t.Cleanup(server.Close)
			timeout := time.Minute
			if c.status == 0 {
				timeout = time.Second
			}
			p := &Prober{client: refuseRedirects(server.Client())}
			got := p.readPatroni(t.Context(), policy.Patroni{URLs: []string{server.URL + "/base/"}, Timeout: policy.Duration(timeout)})
			if c.want.Problem != "" {
				if want := "get " + server.URL + "/base/cluster: "; !strings.HasPrefix(got.Problem, want) || !strings.Contains(got.Problem, c.want.Problem) {
					t.Errorf("got %+v, want %s… %s", got, want, c.want.Problem)
				}
				got.Problem, c.want.Problem = "", ""
			}
			if !reflect.DeepEqual(*got, c.want) {
				t.Errorf("got %+v, want %+v", *got, c.want)
			}
		})
	}
}

// TestPatroniFirst holds that one member that answers is enough, whatever becomes of the others, and that otherwise all are told.
func TestPatroniFirst(t *testing.T) {
	t.Parallel()
	answering := func(answer http.HandlerFunc) string {
		server := httptest.NewServer(answer)
		t.Cleanup(server.Close)
		return server.URL
	}
	hung := answering(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	broken := answering(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	well := answering(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(patroni4)) })
	gone := httptest.NewServer(nil)
	gone.Close()
	p := &Prober{client: refuseRedirects(&http.Client{})}
	got := p.readPatroni(t.Context(), policy.Patroni{URLs: []string{hung, broken, gone.URL, well}, Timeout: policy.Duration(time.Minute)})
	if got.Problem != "" || len(got.Members) != 2 {
		t.Errorf("got %+v", got)
	}
	got = p.readPatroni(t.Context(), policy.Patroni{URLs: []string{broken, gone.URL}, Timeout: policy.Duration(time.Minute)})
	if got.Members != nil || !strings.Contains(got.Problem, broken+"/cluster: answered 500; get "+gone.URL+"/cluster: dial tcp") {
		t.Errorf("got %+v", got)
	}
	if got := p.readPatroni(t.Context(), policy.Patroni{}); got.Problem == "" {
		t.Error("without a URL, nothing is said")
	}
}
