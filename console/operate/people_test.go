package operate_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/console/operate"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
)

// Who asks is proved by a token, or only claimed on this machine where there are no tokens at all; a claim never approves.
func TestIdentify(t *testing.T) {
	t.Parallel()
	open, guarded := operate.Identify(policy.APIAuth{}, false), operate.Identify(policy.APIAuth{Operators: operators(), BearerTokens: []policy.Secret{reader}}, false)
	onlyReaders := operate.Identify(policy.APIAuth{BearerTokens: []policy.Secret{reader}}, false)
	certified := operate.Identify(policy.APIAuth{}, true)
	const here, there = "127.0.0.1:4711", "192.0.2.7:4711"
	local := operate.Rights{Read: true, Operate: true}
	for _, c := range []struct {
		name       string
		who        func(*http.Request) (incidents.Person, operate.Rights, error)
		from, host string
		header     map[string]string
		cert       bool
		want       incidents.Person
		rights     operate.Rights
	}{
		{name: "local with a name", who: open, from: here, header: map[string]string{operate.UserHeader: "erin"}, want: incidents.Person{Name: "erin", Via: "local"}, rights: local},
		{name: "local by IPv6", who: open, from: "[::1]:4711", host: "[::1]:9095", want: incidents.Person{Name: "unknown", Via: "local"}, rights: local},
		{name: "local without a name", who: open, from: here, want: incidents.Person{Name: "unknown", Via: "local"}, rights: local},
		{name: "a name that steers a terminal", who: open, from: here, header: map[string]string{operate.UserHeader: " e\u202er\x01in\t x "}, want: incidents.Person{Name: "erin x", Via: "local"}, rights: local},
		{name: "a long name", who: open, from: here, header: map[string]string{operate.UserHeader: strings.Repeat("ä", 200)}, want: incidents.Person{Name: strings.Repeat("ä", 64), Via: "local"}, rights: local},
		{name: "from elsewhere", who: open, from: there},
		{name: "an address that cannot be read", who: open, from: "@"},
		{name: "under another name", who: open, from: here, host: "db.internal:9095"},
		{name: "under no name", who: open, from: here, host: " "},
		{name: "through a proxy here", who: open, from: here, header: map[string]string{"X-Forwarded-For": "192.0.2.7"}},
		{name: "through a proxy that says so otherwise", who: open, from: here, header: map[string]string{"Forwarded": "for=192.0.2.7"}},
		{name: "an operator", who: guarded, from: there, header: map[string]string{"Authorization": "bearer  " + alice, operate.UserHeader: "mallory"}, want: incidents.Person{Name: "alice", Via: "api", Operator: "alice"}, rights: operate.Rights{Read: true, Operate: true, Approve: true}},
		{name: "a reader", who: guarded, from: there, header: map[string]string{"Authorization": "Bearer " + reader}, want: incidents.Person{Name: "reader", Via: "api"}, rights: operate.Rights{Read: true}},
		{name: "local where there are tokens", who: guarded, from: here, header: map[string]string{operate.UserHeader: "alice"}},
		{name: "local where there are readers only", who: onlyReaders, from: here},
		{name: "an empty token", who: guarded, from: here, header: map[string]string{"Authorization": "Bearer "}},
		{name: "another scheme", who: guarded, from: here, header: map[string]string{"Authorization": "Basic " + alice}},
		{name: "a certificate from elsewhere", who: certified, from: there, cert: true, want: incidents.Person{Name: "holder of a certificate", Via: "api"}, rights: operate.Rights{Read: true}},
		{name: "no certificate from elsewhere", who: certified, from: there},
		{name: "a certificate where none is asked for", who: open, from: there, cert: true},
	} {
		r := httptest.NewRequest(http.MethodGet, "/api/v1/guard", nil)
		r.RemoteAddr, r.Host = c.from, "127.0.0.1:9095"
		if c.host != "" {
			r.Host = strings.TrimSpace(c.host)
		}
		for name, value := range c.header {
			r.Header.Set(name, value)
		}
		if c.cert {
			r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{}}}}
		}
		p, rights, err := c.who(r)
		if p != c.want || rights != c.rights || (err == nil) != (c.want.Name != "") {
			t.Errorf("%s: got %+v, %+v, %v, want %+v, %+v", c.name, p, rights, err, c.want, c.rights)
		}
	}
}

// A local person operates, under a name that they claim, and never approves.
func TestLocalNeverApproves(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *operate.Config) { c.Who = operate.Identify(policy.APIAuth{}, false) })
	st := w.open(t, "waits/one", asked("q1", "plan-1", "retry_budget", 1))
	for _, verb := range []string{"approve", "deny"} {
		a := w.do(t, request{http.MethodPost, "incidents/" + st.ID.String() + "/" + verb, "", `{"asking":"q1","plan":"plan-1"}`,
			map[string]string{operate.UserHeader: "alice"}})
		if a.status != http.StatusForbidden || a.Code != "right_missing" || !strings.Contains(a.Error, "server.api.operators") {
			t.Errorf("%s: got %d: %s, want 403 and what to do", verb, a.status, a.body)
		}
	}
	a := w.do(t, request{http.MethodPost, "incidents/" + st.ID.String() + "/override", "", `{"reason":"users first"}`, map[string]string{operate.UserHeader: "erin"}})
	got, err := w.store.Load(within(t), st.ID)
	if err != nil {
		t.Fatal(err)
	}
	if want := (incidents.Person{Name: "erin", Via: "local"}); a.status != http.StatusOK || got.Override == nil || got.Override.Person != want || len(got.Approvals) > 0 {
		t.Errorf("got %d and %+v, want an override by erin and no approval", a.status, got.Override)
	}
}
