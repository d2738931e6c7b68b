package live_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-openapi/strfmt"
	"github.com/prometheus/alertmanager/api/v2/client/alert"
	"github.com/prometheus/alertmanager/api/v2/client/silence"
	"github.com/prometheus/alertmanager/api/v2/models"
	"github.com/prometheus/common/model"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/alerts/live"
)

// post sends alerts that started at the given time to a real Alertmanager.
func post(t *testing.T, base string, at time.Time, labels ...models.LabelSet) {
	t.Helper()
	var list models.PostableAlerts
	for _, set := range labels {
		list = append(list, &models.PostableAlert{
			Alert:       models.Alert{Labels: set, GeneratorURL: "http://prom/graph?g0.expr=up"},
			Annotations: models.LabelSet{"summary": `a <b> "c" ü`},
			StartsAt:    strfmt.DateTime(at),
			EndsAt:      strfmt.DateTime(time.Now().Add(time.Hour)),
		})
	}
	if _, err := writer(base).Alert.PostAlerts(alert.NewPostAlertsParams().WithContext(t.Context()).WithAlerts(list)); err != nil {
		t.Fatalf("post alerts: %v", err)
	}
}

// silenceName silences every alert with this name for an hour and returns the silence's id.
func silenceName(t *testing.T, base, name string) string {
	t.Helper()
	label, by, yes, no := "alertname", "live_test", true, false
	starts, ends := strfmt.DateTime(time.Now()), strfmt.DateTime(time.Now().Add(time.Hour))
	ok, err := writer(base).Silence.PostSilences(silence.NewPostSilencesParams().WithContext(t.Context()).WithSilence(
		&models.PostableSilence{Silence: models.Silence{
			Matchers: models.Matchers{{Name: &label, Value: &name, IsRegex: &no, IsEqual: &yes}},
			StartsAt: &starts, EndsAt: &ends, CreatedBy: &by, Comment: &by,
		}}))
	if err != nil {
		t.Fatalf("post silence: %v", err)
	}
	return ok.Payload.SilenceID
}

// newClient returns a client for the address.
func newClient(t *testing.T, cfg live.Config) *live.Client {
	t.Helper()
	c, err := live.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What a real Alertmanager holds is read as it is: firing, silenced, inhibited, never with an estimated end.
func TestAlertsOfRealAlertmanager(t *testing.T) {
	t.Parallel()
	base := startAlertmanager(t)
	c := newClient(t, live.Config{URL: base + "/", Timeout: time.Minute})
	if err := c.Ready(t.Context()); err != nil {
		t.Fatalf("ready: %v", err)
	}
	if list, err := c.Alerts(t.Context(), nil); err != nil || len(list) != 0 {
		t.Fatalf("empty Alertmanager: got %v and %v", list, err)
	}

	at := time.Now().Add(-time.Minute).Truncate(time.Millisecond).UTC()
	post(t, base, at,
		models.LabelSet{"alertname": "PoolExhausted", "cluster": "a", "severity": "critical"},
		models.LabelSet{"alertname": "Slow", "cluster": "a", "severity": "warning"},
		models.LabelSet{"alertname": "Quiet", "cluster": "b"})
	id := silenceName(t, base, "Quiet")

	got := map[string]live.Alert{}
	eventually(t, "all alerts are processed", func() error {
		list, err := c.Alerts(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		clear(got)
		for _, a := range list {
			got[a.Name()] = a
		}
		if len(got) != 3 || got["PoolExhausted"].State != live.Active ||
			got["Quiet"].State != live.Suppressed || got["Slow"].State != live.Suppressed {
			return fmt.Errorf("got %+v", got)
		}
		return nil
	})

	want := live.Alert{
		Alert: alerts.Alert{
			Status:       alerts.Firing,
			Labels:       map[string]string{"alertname": "PoolExhausted", "cluster": "a", "severity": "critical"},
			Annotations:  map[string]string{"summary": `a <b> "c" ü`},
			StartsAt:     at,
			GeneratorURL: "http://prom/graph?g0.expr=up",
		},
		State:       live.Active,
		SilencedBy:  []string{},
		InhibitedBy: []string{},
		Receivers:   []string{"team.x"},
	}
	want.Fingerprint = fingerprint(want.Labels)
	active := got["PoolExhausted"]
	if d := active.Delivery; d.Source != alerts.SourceAPI || d.ExternalURL == "" || time.Since(d.At) > time.Hour {
		t.Errorf("got delivery %+v", d)
	}
	want.Delivery = active.Delivery
	if !reflect.DeepEqual(active, want) {
		t.Errorf("got  %+v\nwant %+v", active, want)
	}
	if a := got["Quiet"]; !reflect.DeepEqual(a.SilencedBy, []string{id}) {
		t.Errorf("silenced by: got %v, want %s", a.SilencedBy, id)
	}
	if a := got["Slow"]; !reflect.DeepEqual(a.InhibitedBy, []string{want.Fingerprint}) {
		t.Errorf("inhibited by: got %v, want %s", a.InhibitedBy, want.Fingerprint)
	}
}

func fingerprint(labels map[string]string) string {
	set := model.LabelSet{}
	for k, v := range labels {
		set[model.LabelName(k)] = model.LabelValue(v)
	}
	return set.Fingerprint().String()
}

// Matchers choose, an unreadable matcher is an error, and a resolved alert is gone.
func TestAlertsMatchers(t *testing.T) {
	t.Parallel()
	base := startAlertmanager(t)
	c := newClient(t, live.Config{URL: base, Timeout: time.Minute})
	post(t, base, time.Now(), models.LabelSet{"alertname": "A", "x": "1"}, models.LabelSet{"alertname": "A", "x": "2"})
	for _, m := range []struct {
		matchers []string
		want     int
	}{
		{[]string{`alertname="A"`}, 2},
		{[]string{`alertname="A"`, `x="2"`}, 1},
		{[]string{`x=~"[12]"`, `x!="1"`}, 1},
		{[]string{`alertname="B"`}, 0},
	} {
		list, err := c.Alerts(t.Context(), m.matchers)
		if err != nil || len(list) != m.want {
			t.Errorf("%q: got %d alerts and %v, want %d", m.matchers, len(list), err, m.want)
		}
	}
	if list, err := c.Alerts(t.Context(), []string{`alertname=~"("`}); err == nil {
		t.Errorf("broken matcher: got %v, want an error", list)
	}

	past := models.PostableAlerts{{
		Alert:    models.Alert{Labels: models.LabelSet{"alertname": "A", "x": "1"}},
		StartsAt: strfmt.DateTime(time.Now().Add(-time.Minute)),
		EndsAt:   strfmt.DateTime(time.Now().Add(-time.Second)),
	}}
	if _, err := writer(base).Alert.PostAlerts(alert.NewPostAlertsParams().WithContext(t.Context()).WithAlerts(past)); err != nil {
		t.Fatal(err)
	}
	list, err := c.Alerts(t.Context(), nil)
	if err != nil || len(list) != 1 || list[0].Labels["x"] != "2" {
		t.Errorf("after the resolve: got %+v and %v, want the other alert alone", list, err)
	}
}

// Credentials reach a guarded Alertmanager, and no error shows them.
func TestAuthentication(t *testing.T) {
	t.Parallel()
	target, err := url.Parse(startAlertmanager(t))
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: target.Host})
	guarded := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, pass, _ := r.BasicAuth()
		if r.Header.Get("Authorization") != "Bearer hush-token" && (user != "anna" || pass != "hush-pass") {
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(guarded.Close)
	base := guarded.URL + "/am"
	inURL := strings.Replace(base, "http://", "http://anna:hush-pass@", 1)

	for name, cfg := range map[string]live.Config{
		"bearer": {URL: base, BearerToken: "hush-token", Timeout: time.Minute},
		"basic":  {URL: base, Username: "anna", Password: "hush-pass", Timeout: time.Minute},
		"in URL": {URL: inURL, Timeout: time.Minute, HTTPClient: guarded.Client()},
	} {
		c := newClient(t, cfg)
		if err := c.Ready(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := c.Alerts(t.Context(), nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, cfg := range map[string]live.Config{
		"nobody":  {URL: base},
		"bearer":  {URL: base, BearerToken: "hush-wrong"},
		"in URL":  {URL: strings.Replace(inURL, "hush-pass", "hush-wrong", 1)},
		"refused": {URL: "http://anna:hush-pass@" + freeAddr(t)},
	} {
		c := newClient(t, cfg)
		_, err := c.Alerts(t.Context(), nil)
		for _, err := range []error{err, c.Ready(t.Context())} {
			if err == nil || strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "anna") {
				t.Errorf("%s: got %v, want an error without credentials", name, err)
			}
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if printed := fmt.Sprintf(verb, cfg); strings.Contains(printed, "hush") {
				t.Errorf("%s: %s prints %s", name, verb, printed)
			}
		}
	}
}

// A configuration that cannot work is refused at once, without showing a password.
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]live.Config{
		"empty":    {},
		"no host":  {URL: "http://"},
		"no URL":   {URL: "http://u:hush pass@%zz"},
		"bad port": {URL: "http://u:hush@am:port"},
		"scheme":   {URL: "am:9093"},
		"file":     {URL: "file:///etc/passwd"},
		"query":    {URL: "http://am:9093?x=hush"},
		"both":     {URL: "http://am:9093", BearerToken: "hush", Username: "u"},
		"both too": {URL: "http://u:hush@am:9093", BearerToken: "hush"},
		"timeout":  {URL: "http://am:9093", Timeout: -1},
	} {
		if _, err := live.New(cfg); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: got %v, want an error without the password", name, err)
		}
	}
}

// An answer that is not one is an error, never an empty list: nobody may conclude that nothing fires.
func TestStrangeAnswers(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"null":           `null`,
		"nothing":        ``,
		"object":         `{"status":"success","data":[]}`,
		"cut off":        `[{"fingerprint":"f"`,
		"null alert":     `[null]`,
		"no fingerprint": `[{"startsAt":"2026-11-22T19:38:35.577Z","status":{"state":"active"}}]`,
		"no status":      `[{"fingerprint":"f","startsAt":"2026-11-22T19:38:35.577Z"}]`,
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, answer)
		}))
		c := newClient(t, live.Config{URL: s.URL})
		if list, err := c.Alerts(t.Context(), nil); err == nil {
			t.Errorf("%s: got %v, want an error", name, list)
		}
		if err := c.Ready(t.Context()); err == nil {
			t.Errorf("%s: got ready, want an error", name)
		}
		s.Close()
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html>please sign in</html>")
	}))
	defer s.Close()
	if list, err := newClient(t, live.Config{URL: s.URL}).Alerts(t.Context(), nil); err == nil {
		t.Errorf("sign-in page: got %v, want an error", list)
	}
}

// An Alertmanager that has not heard from its peers is not ready, by name.
func TestReadySettling(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"cluster":{"status":"settling"}}`)
	}))
	defer s.Close()
	if err := newClient(t, live.Config{URL: s.URL}).Ready(t.Context()); !errors.Is(err, live.ErrSettling) {
		t.Errorf("got %v, want %v", err, live.ErrSettling)
	}
}

// A server that never answers costs no more than the timeout, or than the caller's patience.
func TestTimeout(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer s.Close()
	defer close(hang)
	_, err := newClient(t, live.Config{URL: s.URL, Timeout: 50 * time.Millisecond}).Alerts(t.Context(), nil)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("timeout: got %v, want %v", err, context.DeadlineExceeded)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newClient(t, live.Config{URL: s.URL}).Ready(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v, want %v", err, context.Canceled)
	}
}
