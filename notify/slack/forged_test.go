package slack

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/testbed/fakeslack"
	slackgo "github.com/slack-go/slack"
)

// altered is a payload with one thing in it changed.
func altered(t *testing.T, payload []byte, change func(map[string]any)) []byte {
	t.Helper()
	var p map[string]any
	if err := json.Unmarshal(payload, &p); err != nil {
		t.Fatal(err)
	}
	change(p)
	out, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func action(p map[string]any) map[string]any { return p["actions"].([]any)[0].(map[string]any) }

// lies are payloads that are rightly signed, and not what our buttons send.
func lies() map[string]func(map[string]any) {
	set := func(name string, v any) func(map[string]any) { return func(p map[string]any) { p[name] = v } }
	value := func(v string) func(map[string]any) { return func(p map[string]any) { action(p)["value"] = v } }
	return map[string]func(map[string]any){
		"another team":             set("team", map[string]any{"id": "T0ANOTHER"}),
		"no team":                  set("team", nil),
		"another app":              set("api_app_id", "A0ANOTHER"),
		"no app":                   set("api_app_id", ""),
		"no user":                  set("user", map[string]any{"id": ""}),
		"a user that is none":      set("user", map[string]any{"id": "../../api/chat.delete"}),
		"no action":                set("actions", []any{}),
		"actions of another app":   func(p map[string]any) { action(p)["block_id"] = "other" },
		"a menu, not a button":     func(p map[string]any) { action(p)["type"] = "static_select" },
		"two actions":              func(p map[string]any) { p["actions"] = []any{action(p), action(p)} },
		"no value":                 value(""),
		"a value of words":         value("approve everything"),
		"a plan cut short":         value("retrystorm-c4f5c828b342-1/asking-1/abc"),
		"an incident that is none": value("../../etc-c4f5c828b342-1/asking-1/" + strings.Repeat("a", 64)),
		"a long value":             value(strings.Repeat("a/", 900)),
	}
}

// What is not from Slack, not now, not for us or not one of our buttons decides nothing. The table says what was tried, and how it ended.
func TestForgeries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica()
	w.start(s)
	id := w.ask(1, 1)
	w.show(s, id)
	payload, err := w.slack.PressPayload(w.root(id).TS, actionApprove, alice)
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	tried, refused := 0, 0
	check := func(name string, status int, err error) {
		t.Helper()
		tried++
		if err != nil || status/100 != 4 {
			t.Errorf("%s: got %d, %v, want that it is refused", name, status, err)
			return
		}
		if st := w.state(id); len(st.Approvals) != 0 || st.Stage != incidents.Waiting {
			t.Fatalf("%s decided something", name)
		}
		refused++
		fmt.Fprintf(&table, "\n%-34s %d %s", name, status, http.StatusText(status))
	}
	for _, f := range fakeslack.Forgeries() {
		status, err := w.slack.Forge(w.ctx(), f, payload)
		check(string(f), status, err)
	}
	for name, lie := range lies() {
		status, err := w.slack.SendForm(w.ctx(), url.Values{"payload": {string(altered(t, payload, lie))}})
		check(name, status, err)
	}
	form := url.Values{"payload": {string(payload)}}.Encode()
	for name, body := range map[string]string{
		"no payload": "text=hello", "two payloads": form + "&" + form, "an empty body": "", "no form": "%zz", "no JSON": "payload=hello",
		"another JSON": "payload=%5B1%5D", "a JSON of numbers": `payload={"type":1,"team":2}`, "deep JSON": "payload=" + strings.Repeat("%5B", 20_000),
	} {
		status, err := w.slack.SendBody(w.ctx(), body)
		check(name, status, err)
	}
	status, err := w.slack.SendBody(w.ctx(), form+"&x="+strings.Repeat("x", maxBody))
	check("larger than is read", status, err)
	status, err = post(w.ctx(), w.url, "application/json", string(payload), w.slack.App().SigningSecret, w.clock.now())
	check("signed JSON, not a form", status, err)
	r := httptest.NewRecorder()
	s.Interactions().ServeHTTP(r, httptest.NewRequest(http.MethodGet, Path+"?"+form, nil))
	check("GET", r.Code, nil)
	t.Logf("%d bad requests tried, %d refused:%s", tried, refused, table.String())
	w.press(id, actionApprove, alice) // and an honest one is taken
	if w.count(id, incidents.Approved) != 1 {
		t.Error("an honest press is not taken")
	}
}

// The very same request, sent again within the five minutes in which it is rightly signed, changes nothing.
func TestReplay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica()
	w.start(s)
	id := w.ask(1, 2)
	w.show(s, id)
	payload, err := w.slack.PressPayload(w.root(id).TS, actionApprove, alice)
	if err != nil {
		t.Fatal(err)
	}
	statuses, err := w.slack.Replay(w.ctx(), payload, 20)
	if err != nil {
		t.Fatal(err)
	}
	if n := w.count(id, incidents.Approved); n != 1 {
		t.Errorf("%d approvals of %d equal requests (%v), want 1", n, len(statuses), statuses)
	}
}

// A button value of another incident's plan, or of an asking that never was, is an answer to nothing.
func TestValuesOfNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica()
	w.start(s)
	id, other := w.ask(1, 1), w.ask(2, 1)
	w.show(s, id)
	payload, err := w.slack.PressPayload(w.root(id).TS, actionApprove, alice)
	if err != nil {
		t.Fatal(err)
	}
	real := ref{Incident: id, Asking: "asking-1", Plan: planOf(id)}
	for name, r := range map[string]ref{
		"another incident's plan": {Incident: id, Asking: real.Asking, Plan: planOf(other)},
		"another asking":          {Incident: id, Asking: "asking-0", Plan: real.Plan},
		"no such incident":        {Incident: "retrystorm-000000000000-9", Asking: real.Asking, Plan: real.Plan},
		"a plan of one letter":    {Incident: id, Asking: real.Asking, Plan: strings.Repeat("a", 64)},
	} {
		told := len(w.whispers(alice))
		if status := w.signed(w.url, altered(t, payload, func(p map[string]any) { action(p)["value"] = r.String() })); status != http.StatusOK {
			t.Errorf("%s: got %d", name, status)
		}
		w.await(name+" is answered", func() bool { return len(w.whispers(alice)) > told })
	}
	if w.count(id, incidents.Approved)+w.count(other, incidents.Approved) != 0 {
		t.Errorf("something was approved; alice was told %q", w.whispers(alice))
	}
}

// What Slack sends besides, such as a press on a link, is acknowledged and means nothing.
func TestNotForUs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica()
	w.start(s)
	id := w.ask(1, 1)
	w.show(s, id)
	payload, err := w.slack.PressPayload(w.root(id).TS, actionApprove, alice)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(map[string]any){
		"a link":        func(p map[string]any) { action(p)["action_id"] = "other" },
		"a shortcut":    func(p map[string]any) { p["type"] = "shortcut" },
		"a closed view": func(p map[string]any) { p["type"] = "view_closed" },
		"another view": func(p map[string]any) {
			p["type"], p["view"] = "view_submission", map[string]any{"callback_id": "other", "private_metadata": "x"}
		},
	} {
		if status := w.signed(w.url, altered(t, payload, change)); status != http.StatusOK {
			t.Errorf("%s: got %d, want 200", name, status)
		}
	}
	if w.count(id, incidents.Approved) != 0 {
		t.Error("something was approved")
	}
}

// Blocks in the message that nobody here knows do not keep a press from being taken.
func TestUnknownBlocksInThePayload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica()
	w.start(s)
	id := w.ask(1, 1)
	w.show(s, id)
	payload, err := w.slack.PressPayload(w.root(id).TS, actionApprove, alice)
	if err != nil {
		t.Fatal(err)
	}
	status := w.signed(w.url, altered(t, payload, func(p map[string]any) {
		p["message"].(map[string]any)["blocks"] = []any{map[string]any{"type": "hologram", "elements": 7}}
		p["state"] = []any{1}
	}))
	if status != http.StatusOK || w.count(id, incidents.Approved) != 1 {
		t.Errorf("got %d and %d approvals, want 200 and one", status, w.count(id, incidents.Approved))
	}
}

// A replica that does not run, or has no room, does not say that it took a press.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica()
	stop := w.start(s)
	id := w.ask(1, 1)
	w.show(s, id)
	payload, err := w.slack.PressPayload(w.root(id).TS, actionApprove, alice)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if status := w.signed(w.url, payload); status != http.StatusServiceUnavailable || w.count(id, incidents.Approved) != 0 {
		t.Errorf("a stopped replica answers %d, want 503", status)
	}
}

// Slack has its answer in time although everything behind it hangs, and what was in hand is finished before the end.
func TestAckInTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica()
	stop := w.start(s)
	id := w.ask(1, 1)
	w.show(s, id)
	w.slack.Break("users.info", fakeslack.Fault{Kind: fakeslack.Slow, Delay: 4 * time.Second})
	w.press(id, actionApprove, alice) // fails the test if it is answered too late
	stop()
	if w.count(id, incidents.Approved) != 1 {
		t.Error("an answer in hand was lost when the replica stopped")
	}
}

// Whatever the headers and the body are, it is signed for us exactly if it is signed for Slack's own library.
func FuzzVerify(f *testing.F) {
	const secret = "a signing secret"
	at := time.Unix(1_700_000_000, 0)
	h := http.Header{}
	sign(h, []byte("payload=x"), secret, at)
	f.Add(h.Get("X-Slack-Request-Timestamp"), h.Get("X-Slack-Signature"), []byte("payload=x"))
	f.Add("1700000000", "v0=00", []byte(""))
	f.Add("-9223372036854775808", "v1=", []byte("x"))
	f.Fuzz(func(t *testing.T, stamp, signature string, body []byte) {
		now := time.Now()
		h := http.Header{}
		h.Set("X-Slack-Request-Timestamp", stamp)
		h.Set("X-Slack-Signature", signature)
		ours := verify(h, body, secret, now) == nil
		theirs := false
		if v, err := slackgo.NewSecretsVerifier(h, secret); err == nil {
			_, _ = v.Write(body)
			theirs = v.Ensure() == nil
		}
		if ours != theirs {
			t.Errorf("ours %t, the library's %t for %q %q %q", ours, theirs, stamp, signature, body)
		}
		sign(h, body, secret, now)
		if err := verify(h, body, secret, now); err != nil {
			t.Errorf("rightly signed, and refused: %v", err)
		}
		if err := verify(h, append(body, 'x'), secret, now); err == nil {
			t.Error("changed, and accepted")
		}
		for _, off := range []time.Duration{tolerance + 2*time.Second, -tolerance - 2*time.Second} {
			if err := verify(h, body, secret, now.Add(off)); err == nil {
				t.Errorf("accepted %s off", off)
			}
		}
	})
}

// Whatever stands in a form, it is a click of ours only with everything that our buttons carry.
func FuzzForm(f *testing.F) {
	id := incidents.NewID("retrystorm", "checkout→payments", 1)
	good := fmt.Sprintf(`{"type":"block_actions","team":{"id":"T0WORKSPACE"},"api_app_id":"A0","user":{"id":"U0ALICE"},`+
		`"actions":[{"type":"button","action_id":%q,"block_id":%q,"value":%q}]}`,
		actionApprove, blockAnswer, ref{Incident: id, Asking: "asking-1", Plan: planOf(id)}.String())
	f.Add("payload=" + url.QueryEscape(good))
	f.Add("payload=" + url.QueryEscape(strings.Replace(good, "block_actions", "view_submission", 1)))
	f.Add("payload={}&payload={}")
	f.Add("%zz=1;2&payload=%5B%5B")
	f.Fuzz(func(t *testing.T, body string) {
		payload, ok := payloadOf("application/x-www-form-urlencoded", []byte(body))
		if !ok {
			return
		}
		k, err := read(payload, "T0WORKSPACE", "")
		if err != nil {
			return
		}
		if again, err := parseRef(k.ref.String()); err != nil || again != k.ref || k.user == "" || k.action == "" {
			t.Errorf("%q became the click %+v", body, k)
		}
		if _, err := incidents.ParseID(k.ref.Incident.String()); err != nil || len(k.ref.Plan) != 64 {
			t.Errorf("%q became the click %+v", body, k)
		}
	})
}
