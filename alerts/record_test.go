package alerts_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
)

// read collects what a record yields, as "index status group".
func read(b string) (got []string, err error) {
	err = alerts.ReadRecord([]byte(b), func(i int, a alerts.Alert) error {
		got = append(got, fmt.Sprint(i, " ", a.Status, " ", a.Delivery.Group))
		return nil
	})
	return got, err
}

// Deliveries come back from the bus with their alerts, in order.
func TestRecordRoundTrip(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 19, 38, 36, 123456789, time.UTC)
	var record []byte
	var want []alerts.Alert
	for _, name := range payloadNames(t) {
		b, list := decoded(t, payload(t, name))
		d := b.Delivery(at)
		d.TraceParent = "00-d2bdc679d5209a8d0ad7fa0c59d08cd1-02150be07134a0f1-01"
		d.TraceState = "vendor=a1,other@x=b"
		record = alerts.AppendRecord(record, d, b.Alerts)
		for _, a := range list {
			a.Delivery = d
			want = append(want, a)
		}
	}
	record = alerts.AppendRecord(record, alerts.Delivery{}, nil)
	n := 0
	err := alerts.ReadRecord(record, func(i int, a alerts.Alert) error {
		if i != n {
			t.Errorf("got index %d, want %d", i, n)
		}
		equalAlert(t, a, want[i])
		n++
		return nil
	})
	if err != nil || n != len(want) {
		t.Errorf("got %d alerts and %v, want %d", n, err, len(want))
	}
}

// A damaged line is named and costs nothing but what depends on it.
func TestReadRecordDamaged(t *testing.T) {
	t.Parallel()
	const (
		h2 = `{"v":1,"n":2,"d":{"at":"2026-11-22T19:38:36Z","group":"g"}}` + "\n"
		h1 = `{"v":1,"n":1,"d":{"at":null,"group":"h"}}` + "\n"
		f  = `{"status":"firing","labels":null,"startsAt":"","endsAt":null,"fingerprint":""}` + "\n"
		r  = `{"status":"resolved"}` + "\n"
	)
	cases := map[string]struct {
		record string
		want   []string
		errs   []string
	}{
		"nothing":           {"", nil, nil},
		"whole":             {h2 + f + r + h1 + f, []string{"0 firing g", "1 resolved g", "2 firing h"}, nil},
		"no last newline":   {strings.TrimSpace(h1 + f), []string{"0 firing h"}, nil},
		"damaged alert":     {h2 + "{\n" + r + h1 + f, []string{"1 resolved g", "2 firing h"}, []string{"line 2: read alert"}},
		"not an object":     {h1 + "7\n", nil, []string{"line 2: read alert: a number"}},
		"no status":         {h1 + "{}\n", nil, []string{"line 2: read alert: status"}},
		"bad label":         {h1 + `{"status":"firing","labels":{"a":1}}`, nil, []string{`line 2: read alert: label "a"`}},
		"twice":             {h1 + `{"status":"firing","status":"firing"}`, nil, []string{"line 2: read alert: status appears"}},
		"empty line":        {h2 + "\n" + r, []string{"1 resolved g"}, []string{"line 2: read alert"}},
		"damaged header":    {`{"v":1,"n` + "\n" + f + h1 + r, []string{"1 resolved h"}, []string{"line 1: read header", "line 2: an alert without"}},
		"mangled header":    {h1 + r + `{"w":1}` + "\n" + f, []string{"0 resolved h"}, []string{"line 3: an alert without", "line 4: an alert without"}},
		"damaged delivery":  {`{"v":1,"n":1,"d":[]}` + "\n" + f, nil, []string{"line 1: read delivery", "line 2"}},
		"no delivery":       {`{"v":1,"n":0}`, nil, []string{"line 1: read delivery"}},
		"bad count":         {`{"v":1,"n":-1,"d":{}}`, nil, []string{"line 1: read header: version 1 with -1"}},
		"version zero":      {`{"v":0,"n":0,"d":{}}`, nil, []string{"line 1: read header: version 0"}},
		"alerts missing":    {h2 + f + h1 + r, []string{"0 firing g", "1 resolved h"}, []string{"line 1: 1 alerts of this delivery are missing"}},
		"missing at end":    {h2 + f, []string{"0 firing g"}, []string{"line 1: 1 alerts of this delivery are missing"}},
		"too many":          {h1 + f + r, []string{"0 firing h"}, []string{"line 3: an alert without"}},
		"newer version":     {`{"v":2,"n":1,"d":7}` + "\nx\n" + h1 + r, []string{"1 resolved h"}, []string{"line 1: record version 2"}},
		"garbage is capped": {strings.Repeat("\n", 100), nil, []string{"line 1:", "line 32:", "68 more damaged lines"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := read(c.record)
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if (err != nil) != (len(c.errs) > 0) {
				t.Fatalf("got error %v, want %q", err, c.errs)
			}
			for _, want := range c.errs {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got error %v, want %q in it", err, want)
				}
			}
			if err != nil && strings.Count(err.Error(), "\n") > 40 {
				t.Errorf("got %d lines of error", strings.Count(err.Error(), "\n"))
			}
		})
	}
}

// A caller can tell a newer release's record, and a damaged line, from each other and from its own error.
func TestReadRecordErrors(t *testing.T) {
	t.Parallel()
	_, err := read(`{"v":3,"n":0,"d":{}}`)
	var version *alerts.VersionError
	var line *alerts.LineError
	if !errors.As(err, &version) || version.Version != 3 || !errors.As(err, &line) || line.Line != 1 {
		t.Errorf("got %v, want version 3 at line 1", err)
	}

	stop := errors.New("stop")
	b, _ := decoded(t, payload(t, "am031-group10-01"))
	calls := 0
	record := append([]byte("x\n"), alerts.AppendRecord(nil, alerts.Delivery{}, b.Alerts)...)
	err = alerts.ReadRecord(record, func(int, alerts.Alert) error {
		calls++
		return stop
	})
	if !errors.Is(err, stop) || !errors.As(err, &line) || calls != 1 {
		t.Errorf("got %v after %d calls, want stop and the damaged line after 1", err, calls)
	}
}

// A clock far out of range does not damage a record.
func TestAppendRecordOddClock(t *testing.T) {
	t.Parallel()
	b, _ := decoded(t, payload(t, "am031-single-01"))
	record := alerts.AppendRecord(nil, alerts.Delivery{At: time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC), Group: "g"}, b.Alerts)
	got, err := read(string(record))
	if err != nil || fmt.Sprint(got) != "[0 firing g]" {
		t.Errorf("got %q and %v", got, err)
	}
}

// The key of an alert changes with its news and with nothing else.
func TestKey(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 19, 38, 35, 577145678, time.UTC)
	base := alerts.Alert{Fingerprint: "f9ff09bed3af400c", Status: alerts.Firing, StartsAt: at}
	same := base
	same.StartsAt = at.Truncate(time.Millisecond).In(time.FixedZone("x", 3600))
	same.Annotations = map[string]string{"value": "97.9"}
	same.EndsAt = at
	same.Delivery = alerts.Delivery{Receiver: "other", ExternalURL: "http://peer"}
	if base.Key() != same.Key() {
		t.Errorf("got %s and %s, want one key", base.Key(), same.Key())
	}
	if got, want := base.Key(), "f9ff09bed3af400c.firing.1795376315577"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	seen := map[string]bool{base.Key(): true}
	for name, change := range map[string]func(*alerts.Alert){
		"fingerprint": func(a *alerts.Alert) { a.Fingerprint = "0" },
		"start":       func(a *alerts.Alert) { a.StartsAt = at.Add(time.Millisecond) },
		"resolved":    func(a *alerts.Alert) { a.Status = alerts.Resolved },
		"end":         func(a *alerts.Alert) { a.Status, a.EndsAt = alerts.Resolved, at },
	} {
		a := base
		change(&a)
		if seen[a.Key()] {
			t.Errorf("%s: got the key %s again", name, a.Key())
		}
		seen[a.Key()] = true
	}
}

// An alert whose delivery has no time is stale by any measure.
func TestAge(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 19, 38, 36, 0, time.UTC)
	a := alerts.Alert{Delivery: alerts.Delivery{At: now.Add(-90 * time.Second)}}
	if got := a.Age(now); got != 90*time.Second {
		t.Errorf("got %s, want 1m30s", got)
	}
	if got := (alerts.Alert{}).Age(now); got < 100*365*24*time.Hour {
		t.Errorf("without a time: got %s, want centuries", got)
	}
}
