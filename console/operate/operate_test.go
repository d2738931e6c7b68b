package operate_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/console/operate"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations/guard"
)

// Every path with every method is for exactly those who have the right, and nobody is told more than that they have not.
func TestRights(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *operate.Config) {
		c.Next = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	})
	id := incidents.NewID("retrystorm", "nobody/knows", 1).String()
	const get, post, del = http.MethodGet, http.MethodPost, http.MethodDelete
	paths := []struct {
		method, path, need string
	}{
		{get, "guard", "read"}, {get, "blocked", "read"}, {get, "budget", "read"}, {get, "approvals", "read"},
		{get, "incidents", "read"}, {get, "incidents/" + id, "read"}, {get, "anything", "read"},
		{post, "pauses", "operate"}, {del, "pauses", "operate"}, {post, "kill-switch", "operate"}, {del, "kill-switch", "operate"},
		{post, "incidents/" + id + "/ack", "operate"}, {post, "incidents/" + id + "/override", "operate"},
		{post, "incidents/" + id + "/recall", "operate"},
		{post, "incidents/" + id + "/approve", "approve"}, {post, "incidents/" + id + "/deny", "approve"},
	}
	people := []struct {
		token string
		may   string
	}{{alice, "read operate approve"}, {bob, "read approve"}, {carol, "read operate"}, {dave, "read"}, {reader, "read"}}
	for _, p := range paths {
		for _, who := range people {
			a := w.do(t, request{method: p.method, path: p.path, token: who.token, body: map[bool]string{true: "[]"}[p.method != get]})
			switch may := strings.Contains(who.may, p.need); {
			case may && (a.status == http.StatusForbidden || a.status == http.StatusUnauthorized):
				t.Errorf("%s %s by who may %s: got %d: %s", p.method, p.path, who.may, a.status, a.body)
			case !may && (a.status != http.StatusForbidden || a.Code != "right_missing" || !strings.Contains(a.Error, p.need)):
				t.Errorf("%s %s by who may %s: got %d: %s, want 403 and the right that is missing", p.method, p.path, who.may, a.status, a.body)
			}
		}
		for _, token := range []string{"", "token-of-nobody-at-all", alice[:len(alice)-1], alice + "x"} {
			a := w.do(t, request{method: p.method, path: p.path, token: token, body: map[bool]string{true: "{}"}[p.method != get]})
			if a.status != http.StatusUnauthorized || a.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s %s with the token %q: got %d, want 401", p.method, p.path, token, a.status)
			}
		}
	}
	if s := w.brake.Read(within(t), now()); s.Off() || len(s.Pauses) > 0 {
		t.Errorf("a refused order did something: %+v", s)
	}
}

// An order that is not taken says why, by status, code and words.
func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	plain := w.open(t, "plain/one").ID.String()
	under := w.open(t, "under/way", stands()...).ID.String()
	over := w.open(t, "over/done", closed()...).ID.String()
	waits := w.open(t, "waits/one", asked("q1", "plan-1", "retry_budget", 2)).ID.String()
	shed := w.open(t, "waits/shed", asked("q2", "plan-2", "shed", 1)).ID.String()
	none := incidents.NewID("retrystorm", "none/such", 1).String()
	answer := func(asking, plan string) string { return fmt.Sprintf(`{"asking":%q,"plan":%q}`, asking, plan) }
	const why, post, del = `{"reason":"why"}`, http.MethodPost, http.MethodDelete
	for _, c := range []struct {
		name string
		request
		status int
		code   string
	}{
		{"pause without a reason", request{post, "pauses", carol, `{}`, nil}, 422, "reason_missing"},
		{"pause for no time", request{post, "pauses", carol, `{"reason":"r","for":"0s"}`, nil}, 422, "not_accepted"},
		{"pause for back then", request{post, "pauses", carol, `{"reason":"r","for":"-1h"}`, nil}, 422, "not_accepted"},
		{"pause for a while", request{post, "pauses", carol, `{"reason":"r","for":"a while"}`, nil}, 422, "not_accepted"},
		{"pause of an unknown domain", request{post, "pauses", carol, `{"reason":"r","domain":"chekout"}`, nil}, 422, "not_accepted"},
		{"pause of an unknown handler", request{post, "pauses", carol, `{"reason":"r","handler":"retry"}`, nil}, 422, "not_accepted"},
		{"resume of no pause", request{del, "pauses?id=p99", carol, `{}`, nil}, 404, "not_found"},
		{"resume of an empty id", request{del, "pauses?id=", carol, `{}`, nil}, 400, "bad_request"},
		{"switch without a reason", request{post, "kill-switch", carol, `{"reason":" "}`, nil}, 422, "reason_missing"},
		{"switch back without a reason", request{del, "kill-switch", carol, `{}`, nil}, 422, "reason_missing"},
		{"override without a reason", request{post, "incidents/" + plain + "/override", carol, `{}`, nil}, 422, "reason_missing"},
		{"override of what is over", request{post, "incidents/" + over + "/override", carol, why, nil}, 409, "over"},
		{"override of what stands", request{post, "incidents/" + under + "/override", carol, why, nil}, 409, "standing"},
		{"override with a file", request{post, "incidents/" + plain + "/override", carol, `{"reason":"` + strings.Repeat("x", 3000) + `"}`, nil}, 422, "reason_too_long"},
		{"recall of nothing", request{post, "incidents/" + plain + "/recall", carol, why, nil}, 409, "nothing_stands"},
		{"recall without a reason", request{post, "incidents/" + under + "/recall", carol, `{}`, nil}, 422, "reason_missing"},
		{"ack of nothing", request{post, "incidents/" + plain + "/ack", carol, `{}`, nil}, 409, "nothing_to_ack"},
		{"ack of what stands", request{post, "incidents/" + under + "/ack", carol, `{}`, nil}, 409, "standing"},
		{"ack of nobody's", request{post, "incidents/" + none + "/ack", carol, `{}`, nil}, 404, "no_such_incident"},
		{"ack of no id", request{post, "incidents/nonsense/ack", carol, `{}`, nil}, 400, "bad_request"},
		{"yes to nothing", request{post, "incidents/" + plain + "/approve", alice, answer("q1", "plan-1"), nil}, 409, "nothing_asked"},
		{"yes to another plan", request{post, "incidents/" + waits + "/approve", alice, answer("q1", "plan-2"), nil}, 409, "other_asking"},
		{"yes to an older asking", request{post, "incidents/" + waits + "/approve", alice, answer("q0", "plan-1"), nil}, 409, "other_asking"},
		{"yes without a plan", request{post, "incidents/" + waits + "/approve", alice, answer("q1", ""), nil}, 422, "not_accepted"},
		{"yes with a reason", request{post, "incidents/" + waits + "/approve", alice, `{"asking":"q1","plan":"plan-1","reason":"r"}`, nil}, 422, "not_accepted"},
		{"yes by who is not named", request{post, "incidents/" + shed + "/approve", bob, answer("q2", "plan-2"), nil}, 403, "not_approver"},
		{"no by who is not named", request{post, "incidents/" + shed + "/deny", bob, answer("q2", "plan-2"), nil}, 403, "not_approver"},
		{"yes in what is over", request{post, "incidents/" + over + "/approve", alice, answer("q1", "plan-1"), nil}, 409, "over"},
		{"an unknown field", request{post, "kill-switch", carol, `{"reason":"r","force":true}`, nil}, 400, "bad_request"},
		{"no order", request{post, "kill-switch", carol, "", nil}, 400, "bad_request"},
		{"two orders", request{post, "kill-switch", carol, why + why, nil}, 400, "bad_request"},
		{"too large", request{post, "kill-switch", carol, `{"reason":"` + strings.Repeat("x", 64<<10) + `"}`, nil}, 413, "too_large"},
		{"not by this method", request{http.MethodPut, "kill-switch", carol, why, nil}, 405, "method"},
		{"not by reading", request{http.MethodGet, "incidents/" + plain + "/ack", carol, "", nil}, 405, "method"},
		{"nowhere", request{post, "nowhere", carol, why, nil}, 404, "not_found"},
		{"nothing of an incident", request{post, "incidents/" + plain + "/delete", carol, why, nil}, 404, "not_found"},
	} {
		if a := w.do(t, c.request); a.status != c.status || a.Code != c.code {
			t.Errorf("%s: got %d %s (%s), want %d %s", c.name, a.status, a.Code, a.Error, c.status, c.code)
		}
	}
	if s := w.brake.Read(within(t), now()); s.Off() || len(s.Pauses) > 0 {
		t.Errorf("a refused order did something: %+v", s)
	}
}

// No page that somebody's browser opens gives an order: not as a form, not as a script of another origin, not under a name of
// somebody else's DNS.
func TestCrossSite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *operate.Config) { c.Who = operate.Identify(policy.APIAuth{}, false) })
	for _, c := range []struct {
		name   string
		header map[string]string
		want   int
	}{
		{"a form", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, 415},
		{"a form with files", map[string]string{"Content-Type": "multipart/form-data; boundary=x"}, 415},
		{"plain text", map[string]string{"Content-Type": "text/plain"}, 415},
		{"text that looks like it", map[string]string{"Content-Type": "text/plain; application/json"}, 415},
		{"nothing said", map[string]string{"Content-Type": ""}, 415},
		{"another origin", map[string]string{"Origin": "https://evil.example"}, 403},
		{"no origin", map[string]string{"Origin": "null"}, 403},
		{"another site, as the browser says", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"another port of this machine", map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		{"a name that points here", map[string]string{"Host": "evil.example:9095", "Origin": "http://evil.example:9095"}, 401},
		{"through a proxy", map[string]string{"X-Forwarded-For": "192.0.2.7"}, 401},
		{"json with a character set", map[string]string{"Content-Type": "application/json; charset=utf-8"}, 201},
		{"localhost", map[string]string{"Host": "localhost:9095"}, 201},
	} {
		a := w.do(t, request{http.MethodPost, "pauses", "", `{"reason":"r"}`, c.header})
		if a.status != c.want {
			t.Errorf("%s: got %d: %s, want %d", c.name, a.status, a.body, c.want)
		}
	}
	if got := len(w.brake.Read(within(t), now()).Pauses); got != 2 {
		t.Errorf("got %d pauses, want the two that were taken", got)
	}
}

// A pause is written down with who, until when and where, is seen by the brake at once, and ends by its id or with all others.
func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	a := w.do(t, request{http.MethodPost, "pauses", carol, `{"reason":"deploy","for":"2h","handler":"retrystorm","domain":"checkout"}`, nil})
	p := read[guard.Pause](t, a)
	if a.status != http.StatusCreated || p.By != "carol" || p.Via != "api" || p.Reason != "deploy" || p.Until.Sub(p.Since).Hours() != 2 {
		t.Fatalf("got %d, %+v", a.status, p)
	}
	if no := w.brake.Check(within(t), "retrystorm", "checkout", now()); no == nil || no.By != "carol" {
		t.Errorf("the brake says %v, want that carol paused", no)
	}
	w.do(t, request{http.MethodPost, "pauses", alice, `{"reason":"all"}`, nil})
	if g := read[operate.Guarded](t, w.do(t, request{method: http.MethodGet, path: "guard", token: reader})); !g.Acting || len(g.Pauses) != 2 || len(g.Switches) != 3 {
		t.Errorf("got %+v, want three switches that let act, and two pauses", g)
	}
	one := read[operate.Resumed](t, w.do(t, request{http.MethodDelete, "pauses?id=" + p.ID, carol, `{"reason":"done"}`, nil}))
	if len(one.Resumed) != 1 || one.Resumed[0].ID != p.ID {
		t.Errorf("got %+v, want %s", one, p.ID)
	}
	for _, want := range []int{1, 0} {
		a := w.do(t, request{http.MethodDelete, "pauses", carol, `{}`, nil})
		if got := read[operate.Resumed](t, a); a.status != http.StatusOK || len(got.Resumed) != want || got.Resumed == nil {
			t.Errorf("resume all: got %d %s, want %d", a.status, a.body, want)
		}
	}
	if log := w.log.String(); !strings.Contains(log, `"order":"resume","by":"carol","via":"api","pause":"p1","paused_by":"carol","reason":"done"`) {
		t.Errorf("the log does not say who resumed and why:\n%s", log)
	}
}

// The kill switch stops and lets go with who and why; what another means says is in the answer.
func TestKillSwitch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	off := read[operate.Guarded](t, w.do(t, request{http.MethodPost, "kill-switch", carol, `{"reason":"it fights us"}`, nil}))
	if off.Acting || w.brake.Check(within(t), "retrystorm", "checkout", now()) == nil {
		t.Errorf("got %+v, want that nothing is started", off)
	}
	w.brake.Stop("signal USR1")
	on := read[operate.Guarded](t, w.do(t, request{http.MethodDelete, "kill-switch", alice, `{"reason":"over"}`, nil}))
	if on.Acting || !on.Switches[0].Off || on.Switches[2].Off || on.Switches[2].By != "alice" || on.Switches[2].Reason != "over" {
		t.Errorf("got %+v, want that only the process still says no", on)
	}
}
