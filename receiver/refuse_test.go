package receiver_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/receiver"
)

// one is a body with one alert, with more fields in it.
func one(fields string) string {
	return `{"version":"4","alerts":[{"status":"firing","labels":{"alertname":"A"},"startsAt":"2026-11-22T12:00:00Z"` + fields + `}]}`
}

// grafana is what Grafana's own Alertmanager posts: the same with more.
const grafana = `{"receiver":"","status":"firing","orgId":1,"version":"1","title":"[FIRING:1]","state":"alerting","message":"**Firing**",
"alerts":[{"status":"firing","labels":{"alertname":"TestAlert"},"annotations":{},"startsAt":"2026-11-22T12:00:00.123456789+01:00","endsAt":"0001-01-01T00:00:00Z",
"generatorURL":"","fingerprint":"57c6d9296de2ad39","silenceURL":"http://g/silence","dashboardURL":"","panelURL":"","values":{"B":22.5},"valueString":"[ ... ]","imageURL":null}],
"groupLabels":{},"commonLabels":{},"commonAnnotations":{},"externalURL":"http://g/","groupKey":"{}:{}","truncatedAlerts":0}`

// Every kind of body has its stated answer, and what was not answered with 200 is not in the journal.
func TestBodies(t *testing.T) {
	t.Parallel()
	be := newBench(t, bus.Config{}, func(_ *bench, cfg *receiver.Config) { cfg.MaxBody = 64 << 10 })
	stored := 0
	for _, c := range []struct {
		name, body string
		status     int
		code       string
		stored     int
	}{
		{"of Grafana", grafana, 200, "", 1},
		{"of one alert", one(""), 200, "", 1},
		{"with fields of tomorrow", one(`,"novel":{"a":[1,2]}`), 200, "", 1},
		{"with escaped NUL bytes", one(`,"annotations":{"a":"\u0000"}`), 200, "", 1},
		{"over several lines", strings.ReplaceAll(one(""), ",", ",\n\t"), 200, "", 1},
		{"of a group without alerts", `{"alerts":[]}`, 200, "", 0},
		{"as large as it may be", one(`,"annotations":{"a":"` + strings.Repeat("x", 64<<10-len(one(`,"annotations":{"a":""}`))) + `"}`), 200, "", 1},
		{"one byte larger", one(`,"annotations":{"a":"` + strings.Repeat("x", 64<<10+1-len(one(`,"annotations":{"a":""}`))) + `"}`), 413, "body_too_large", 0},
		{"empty", "", 400, alerts.CodeNotJSON, 0},
		{"not JSON", "alerts=1", 400, alerts.CodeNotJSON, 0},
		{"with NUL bytes", strings.Replace(one(""), "A", "\x00", 1), 400, alerts.CodeNotJSON, 0},
		{"of NUL bytes", strings.Repeat("\x00", 100), 400, alerts.CodeNotJSON, 0},
		{"cut off", one("")[:60], 400, alerts.CodeNotJSON, 0},
		{"an array", "[]", 400, alerts.CodeNotAnObject, 0},
		{"a custom payload", `{"text":"RetryStorm fires"}`, 400, alerts.CodeNoAlertsArray, 0},
		{"one bad alert among good ones", strings.Replace(one(""), "]", `,{"status":"maybe"}]`, 1), 400, alerts.CodeAlertInvalid, 0},
		{"very deep", strings.Repeat("[", 1000), 400, alerts.CodeTooDeep, 0},
	} {
		got := be.post(t, "/webhook", strings.NewReader(c.body))
		if got.status != c.status || got.code != c.code || got.stored != c.stored {
			t.Errorf("%s: got %d %s with %d stored, want %d %s with %d", c.name, got.status, got.code, got.stored, c.status, c.code, c.stored)
		}
		stored += c.stored
		if kept := len(be.stored(t)); kept != stored {
			t.Errorf("%s: got %d alerts in the journal, want %d", c.name, kept, stored)
		}
	}
}

// A body without a stated length is taken as any other.
func TestChunked(t *testing.T) {
	t.Parallel()
	be := newBench(t, bus.Config{}, nil)
	body := payload(t, "am031-group200-01")
	got := be.post(t, "/webhook", io.MultiReader(strings.NewReader(body[:5000]), strings.NewReader(body[5000:])))
	if got.status != http.StatusOK || got.stored != 200 || len(be.stored(t)) != 200 {
		t.Errorf("got %+v with %d in the journal, want 200 with 200", got, len(be.stored(t)))
	}
	be = newBench(t, bus.Config{}, func(_ *bench, cfg *receiver.Config) { cfg.MaxBody = 5000 })
	if got := be.post(t, "/webhook", io.MultiReader(strings.NewReader(body))); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("got %+v for a body that turns out too large, want 413", got)
	}
}

// A peer that goes away in the middle of its body leaves nothing in the journal, and the next one is served.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	be := newBench(t, bus.Config{}, nil)
	body := one("")
	for name, request := range map[string]string{
		"stated length": fmt.Sprintf("POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body)+1, body),
		"chunked":       fmt.Sprintf("POST /webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(body), body),
		"half a body":   fmt.Sprintf("POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:40]),
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(be.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		// Only the sending half is closed, so that the answer can be seen: it must be one that is retried.
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		said, err := io.ReadAll(conn)
		_ = conn.Close()
		if err != nil || !bytes.HasPrefix(said, []byte("HTTP/1.1 503")) || !bytes.Contains(said, []byte("body_unreadable")) {
			t.Errorf("%s: got %q, %v, want 503", name, said, err)
		}
	}
	slow, err := net.Dial("tcp", strings.TrimPrefix(be.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(slow, "POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	_ = slow.Close()
	eventually(t, "the slow one is counted", func() bool {
		families, err := be.reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "firebreak_webhook_request_duration_seconds" {
				return f.GetMetric()[0].GetHistogram().GetSampleCount() >= 4
			}
		}
		return false
	})
	if got := be.post(t, "/webhook", strings.NewReader(body)); got.status != http.StatusOK || len(be.stored(t)) != 1 {
		t.Errorf("got %+v with %d in the journal, want only the whole body", got, len(be.stored(t)))
	}
}

// What cannot be stored is answered with 503 within the limit, and never with a code that Alertmanager does not retry.
func TestNotStored(t *testing.T) {
	t.Parallel()
	const limit = 100 * time.Millisecond
	be := newBench(t, bus.Config{}, func(_ *bench, cfg *receiver.Config) { cfg.StoreTimeout = limit })
	be.stopJournal()
	begun := time.Now()
	got := be.post(t, "/webhook", strings.NewReader(one("")))
	if took := time.Since(begun); got.status != http.StatusServiceUnavailable || got.code != "not_stored" || took < limit || took > limit+10*time.Second {
		t.Errorf("got %+v after %s, want 503 after %s", got, took, limit)
	}
	be.wantMetric(t, "firebreak_webhook_requests_total", "503", 1)
	be.wantMetric(t, "firebreak_alerts_received_total", "firing", 0)

	full := newBench(t, bus.Config{MaxBytes: 4 << 10}, nil)
	if got := full.post(t, "/webhook", strings.NewReader(payload(t, "am031-group200-01"))); got.status != http.StatusServiceUnavailable || got.code != "not_stored" {
		t.Errorf("got %+v with a full journal, want 503", got)
	}
	if got := full.post(t, "/webhook", strings.NewReader(one(""))); got.status != http.StatusOK || len(full.stored(t)) != 1 {
		t.Errorf("got %+v and %d in the journal for one that fits, want 200 and one", got, len(full.stored(t)))
	}
}

// A body that is larger than one message of the bus is stored in several; a delivery that fits into none is refused for good.
func TestLargeBodies(t *testing.T) {
	t.Parallel()
	be := newBench(t, bus.Config{}, nil)
	var many strings.Builder
	for i := range 60 {
		fmt.Fprintf(&many, `,{"status":"firing","labels":{"alertname":"A","n":"%d"},"startsAt":"2026-11-22T12:00:00Z","annotations":{"a":"%s"}}`, i, strings.Repeat("x", 200<<10))
	}
	for _, name := range []string{"short", strings.Repeat("long", 100<<10)} { // the delivery is repeated in each message
		before := len(be.stored(t))
		body := `{"receiver":"` + name + `","alerts":[` + many.String()[1:] + `]}`
		if got := be.post(t, "/webhook", strings.NewReader(body)); got.status != http.StatusOK || got.stored != 60 || len(be.stored(t)) != before+60 {
			t.Errorf("got %+v with %d in the journal, want 60 more than %d", got, len(be.stored(t)), before)
		}
	}
	body := `{"receiver":"` + strings.Repeat("x", 9<<20) + `",` + one("")[1:]
	if got := be.post(t, "/webhook", strings.NewReader(body)); got.status != http.StatusRequestEntityTooLarge || got.code != "body_too_large" {
		t.Errorf("got %d %s, want 413", got.status, got.code)
	}
}

// A retry is stored again, since nobody may forget, and says the same: that is how incidents know it.
func TestRetry(t *testing.T) {
	t.Parallel()
	be := newBench(t, bus.Config{}, nil)
	for range 2 {
		if got := be.post(t, "/webhook", strings.NewReader(payload(t, "am031-retry503-01"))); got.status != http.StatusOK {
			t.Errorf("got %+v, want 200", got)
		}
	}
	all := be.stored(t)
	if len(all) != 2 {
		t.Fatalf("got %d alerts in the journal, want both copies", len(all))
	}
	if all[0].Key() != all[1].Key() {
		t.Errorf("got keys %s and %s, want one", all[0].Key(), all[1].Key())
	}
}

// What others keep beside the trace is kept with it, if it is valid and short; it never takes the trace with it.
func TestTraceState(t *testing.T) {
	t.Parallel()
	be := newBench(t, bus.Config{}, nil)
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
	want := []string{"vendor=a1,other@x=b", "", ""}
	for _, given := range []string{want[0], "=no", "vendor=" + strings.Repeat("a", 250) + ",other=" + strings.Repeat("b", 255)} {
		be.post(t, "/webhook", strings.NewReader(one("")), "Traceparent", trace, "Tracestate", given)
	}
	all := be.stored(t)
	if len(all) != len(want) {
		t.Fatalf("got %d alerts, want %d", len(all), len(want))
	}
	for i, a := range all {
		if a.Delivery.TraceParent != trace || a.Delivery.TraceState != want[i] {
			t.Errorf("delivery %d: got %q and %q, want %q and %q", i, a.Delivery.TraceParent, a.Delivery.TraceState, trace, want[i])
		}
	}
}

// The trace of a delivery is kept, if it is one.
func TestTraceParent(t *testing.T) {
	t.Parallel()
	be := newBench(t, bus.Config{}, nil)
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for _, given := range []string{trace, " " + trace + " ", "", trace + "-more", strings.ToUpper(trace), strings.Replace(trace, "4", "\"", 1)} {
		be.post(t, "/webhook", strings.NewReader(one("")), "Traceparent", given)
	}
	for i, a := range be.stored(t) {
		want := ""
		if i < 2 {
			want = trace
		}
		if a.Delivery.TraceParent != want {
			t.Errorf("delivery %d: got trace %q, want %q", i, a.Delivery.TraceParent, want)
		}
	}
}
