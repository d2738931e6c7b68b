package guard_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/guard"
)

func observer(t *testing.T, p policy.Observer) *guard.Observer {
	t.Helper()
	if p.Timeout == 0 {
		p.Timeout = policy.Duration(5 * time.Second)
	}
	o, err := guard.NewObserver(p)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// anchors are real places on the loopback interface, by how they behave.
type anchors struct{ tcp, closed, ok, notFound, moved, broken, hangs, https string }

func startAnchors(t *testing.T) anchors {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	forever := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(http.ResponseWriter, *http.Request) {})
	mux.Handle("/moved", http.RedirectHandler("/broken", http.StatusFound))
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	mux.HandleFunc("/hangs", func(http.ResponseWriter, *http.Request) { <-forever })
	s := httptest.NewServer(mux)
	stranger := httptest.NewTLSServer(mux)
	t.Cleanup(func() { close(forever); s.Close(); stranger.Close() })
	withSecret := strings.Replace(s.URL, "http://", "http://anna:hush@", 1)
	return anchors{tcp: l.Addr().String(), closed: gone.Addr().String(), ok: withSecret + "/ok?token=hush", notFound: s.URL + "/none",
		moved: s.URL + "/moved", broken: withSecret + "/broken?token=hush", hangs: withSecret + "/hangs?token=hush", https: stranger.URL + "/ok"}
}

// Enough anchors must be reached: more than half of them unless the policy says how many. Who is not reached is named, without
// secrets.
func TestAnchors(t *testing.T) {
	t.Parallel()
	a := startAnchors(t)
	no := remediations.ReasonObserver
	for _, c := range []struct {
		name    string
		anchors []string
		need    int
		want    remediations.Reason
		words   []string
	}{
		{"none", nil, 0, "", nil},
		{"all", []string{a.tcp, a.ok, a.notFound}, 3, "", nil},
		{"one", []string{a.tcp}, 0, "", nil},
		{"not the one", []string{a.closed}, 0, no, []string{"0 of 1", a.closed, "refused"}},
		{"two of three", []string{a.closed, a.tcp, a.ok}, 0, "", nil},
		{"one of three", []string{a.closed, a.tcp, a.broken}, 0, no, []string{"1 of 3 anchors and need 2", a.closed, "answered 503"}},
		{"half", []string{a.closed, a.tcp}, 0, no, []string{"need 2"}},
		{"one of three is enough", []string{a.closed, a.tcp, a.broken}, 1, "", nil},
		{"two of three are not", []string{a.tcp, a.broken, a.ok}, 3, no, []string{"2 of 3"}},
		{"any answer below 500", []string{a.notFound, a.moved}, 2, "", nil},
		{"one that hangs is not waited for", []string{a.hangs, a.tcp, a.ok}, 0, "", nil},
		{"a stranger's certificate", []string{a.https}, 0, no, []string{"certificate"}},
		{"an unknown host", []string{"anchor.invalid:1"}, 0, no, []string{"anchor.invalid:1"}},
		{"a URL that refuses", []string{"http://anna:hush@" + a.closed + "/?token=hush"}, 0, no, []string{"http://" + a.closed, "refused"}},
		{"many", []string{a.closed, a.broken, a.https, a.closed, a.closed}, 0, no, []string{"and 2 more"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := observer(t, policy.Observer{Anchors: c.anchors, Need: c.need}).Anchors(t.Context())
			wantNo(t, c.name, got, c.want, c.words...)
			if got != nil && (strings.Contains(got.Words, "hush") || strings.Contains(got.Words, "anna")) {
				t.Errorf("the words show a secret: %s", got.Words)
			}
		})
	}
}

// An anchor that hangs costs the timeout, and is named without its secrets; so is one whose question was called off.
func TestAnchorsTimeout(t *testing.T) {
	t.Parallel()
	a := startAnchors(t)
	o := observer(t, policy.Observer{Anchors: []string{a.hangs}, Timeout: policy.Duration(50 * time.Millisecond)})
	no := o.Anchors(t.Context())
	wantNo(t, "hangs", no, remediations.ReasonObserver, "http://127.0.0.1", "deadline exceeded")
	if strings.Contains(no.Words, "hush") {
		t.Errorf("the words show a secret: %s", no.Words)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o = observer(t, policy.Observer{Anchors: []string{a.tcp, a.tcp, a.tcp}, Need: 3})
	wantNo(t, "called off", o.Anchors(ctx), remediations.ReasonObserver, "canceled")
}

// An observer that cannot work is refused at once, without showing a password.
func TestObserverRefused(t *testing.T) {
	t.Parallel()
	second := policy.Duration(time.Second)
	for what, p := range map[string]policy.Observer{
		"need too many":   {Anchors: []string{"a:1"}, Need: 2, Timeout: second},
		"need less":       {Anchors: []string{"a:1"}, Need: -1, Timeout: second},
		"no timeout":      {Anchors: []string{"a:1"}},
		"negative skew":   {ClockSkew: -1},
		"empty":           {Anchors: []string{""}, Timeout: second},
		"no port":         {Anchors: []string{"host"}, Timeout: second},
		"no host":         {Anchors: []string{":80"}, Timeout: second},
		"port 0":          {Anchors: []string{"host:0"}, Timeout: second},
		"port name":       {Anchors: []string{"host:http"}, Timeout: second},
		"other scheme":    {Anchors: []string{"ftp://u:hush@host/"}, Timeout: second},
		"no URL":          {Anchors: []string{"http://u:hush@%zz/"}, Timeout: second},
		"URL, no host":    {Anchors: []string{"http:///hush"}, Timeout: second},
		"URL, port alone": {Anchors: []string{"http://:80/hush"}, Timeout: second},
	} {
		if _, err := guard.NewObserver(p); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: got %v, want an error without a password", what, err)
		}
	}
	var none *guard.Observer
	wantNo(t, "nil", none.Anchors(t.Context()), "")
	wantNo(t, "nil", none.Clock(remediations.Presence{Clock: noon()}, noon(), noon()), "")
}

// Our clock must be near that of a target which tells its time. What cannot be known speaks for it.
func TestClock(t *testing.T) {
	t.Parallel()
	o := observer(t, policy.Observer{ClockSkew: policy.Duration(2 * time.Second)})
	asked, answered := noon(), noon().Add(time.Second)
	at := func(seconds float64) time.Time { return noon().Add(time.Duration(seconds * float64(time.Second))) }
	no := remediations.ReasonObserver
	for _, c := range []struct {
		name            string
		told            time.Time
		within          time.Duration
		asked, answered time.Time
		want            remediations.Reason
		words           string
	}{
		{"not told", time.Time{}, 0, time.Time{}, time.Time{}, "", ""},
		{"between", at(0.5), 0, asked, answered, "", ""},
		{"just behind", at(-2), 0, asked, answered, "", ""},
		{"too far behind", at(-2.001), 0, asked, answered, no, "our clock is 2.001s ahead of the target's; 2s are allowed"},
		{"just ahead", at(3), 0, asked, answered, "", ""},
		{"too far ahead", at(3.001), 0, asked, answered, no, "our clock is 2.001s behind the target's"},
		{"a slow answer is no skew", at(10), 0, asked, at(20), "", ""},
		{"coarse", at(-2.9), time.Second, asked, answered, "", ""},
		{"coarse, and too far", at(-3.1), time.Second, asked, answered, no, "3s are allowed"},
		{"coarser than nothing", at(-2.5), -time.Second, asked, answered, no, "2s are allowed"},
		{"another zone", at(0.5).In(time.FixedZone("x", 3600)), 0, asked, answered, "", ""},
		{"a year off", at(365 * 86400), 0, asked, answered, no, "behind"},
		{"nobody noted when it was asked", at(0.5), 0, time.Time{}, answered, no, "nobody noted"},
		{"nobody noted when it answered", at(0.5), 0, asked, time.Time{}, no, "nobody noted"},
		{"our clock was put back", at(0.5), 0, answered, asked, no, "put back by 1s"},
	} {
		p := remediations.Presence{Clock: c.told, ClockWithin: policy.Duration(c.within)}
		wantNo(t, c.name, o.Clock(p, c.asked, c.answered), c.want, c.words)
	}
}
