package alerts_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/alertmanager/notify/webhook"

	"github.com/firebreak-sre/firebreak/alerts"
)

// payload reads one recorded webhook body.
func payload(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "payloads", name+".json"))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// payloadNames lists every recorded body.
func payloadNames(tb testing.TB) []string {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "payloads", "*.json"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("list recorded bodies: %v, %d found", err, len(files))
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".json"))
	}
	return names
}

// decoded parses a body and decodes its alerts.
func decoded(tb testing.TB, body []byte) (alerts.Body, []alerts.Alert) {
	tb.Helper()
	b, err := alerts.Parse(body)
	if err != nil {
		tb.Fatalf("parse: %v", err)
	}
	list := []alerts.Alert{}
	for _, raw := range b.Alerts {
		a, err := raw.Decode()
		if err != nil {
			tb.Fatalf("decode %s: %v", raw, err)
		}
		list = append(list, a)
	}
	return b, list
}

// What a recorded body must be read as.
type outcome struct {
	receiver         string
	firing, resolved int
	truncated        uint64
	version          string
	reason           string
}

// outcomes states every recorded body. A body without a line here fails the test.
func outcomes() map[string]outcome {
	one := func(receiver string) outcome { return outcome{receiver, 1, 0, 0, "4", ""} }
	return map[string]outcome{
		"am025-group10-01":     {"group10", 10, 0, 0, "4", ""},
		"am025-single-01":      one("single"),
		"am025-single-02":      {"single", 0, 1, 0, "4", ""},
		"am025-trunclie-02":    {"trunclie", 0, 1, 2, "4", ""},
		"am031-basic-01":       one("basic"),
		"am031-bearer-01":      one("bearer"),
		"am031-emptyann-01":    {"emptyann", 2, 0, 0, "4", ""},
		"am031-flap-01":        one("flap"),
		"am031-group10-01":     {"group10", 10, 0, 0, "4", ""},
		"am031-group10-02":     {"group10", 0, 10, 0, "4", ""},
		"am031-group200-01":    {"group200", 200, 0, 0, "4", ""},
		"am031-hdrs-01":        one("hdrs"),
		"am031-metaname-01":    one("team-x.y/(a+b)"),
		"am031-mixed-01":       {"mixed", 4, 0, 0, "4", ""},
		"am031-mixed-02":       {"mixed", 3, 2, 0, "4", ""},
		"am031-multiA0-01":     one("multiA"),
		"am031-multiA1-01":     one("multiA"),
		"am031-noresolve-01":   one("noresolve"),
		"am031-repeat-01":      one("repeat"),
		"am031-repeat-02":      one("repeat"),
		"am031-repeat-03":      one("repeat"),
		"am031-retry503-01":    one("retry503"),
		"am031-retry503-02":    one("retry503"),
		"am031-retry503-03":    one("retry503"),
		"am031-silenced-01":    {"silenced", 2, 0, 0, "4", ""},
		"am031-single-01":      one("single"),
		"am031-single-02":      {"single", 0, 1, 0, "4", ""},
		"am031-trunc-01":       {"trunc", 5, 0, 15, "4", ""},
		"am031-trunclie-01":    {"trunclie", 1, 0, 2, "4", ""},
		"am031-trunclie-02":    {"trunclie", 0, 1, 2, "4", ""},
		"am031-unicode-01":     one("unicode"),
		"am031-unicode-02":     {"unicode", 1, 0, 0, "4", ""},
		"am034-routelabels-01": {"routelabels", 1, 0, 0, "4", "first notification"},
		"am034-single-01":      {"single", 1, 0, 0, "4", "first notification"},
		"ha031-haok-01":        one("ok"),
		"ha031-haok-02":        {"ok", 0, 1, 0, "4", ""},
	}
}

// Every recorded body is read as what was really delivered.
func TestParseRecorded(t *testing.T) {
	t.Parallel()
	all := outcomes()
	for _, name := range payloadNames(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, ok := all[name]
			if !ok {
				t.Fatal("no outcome is stated for this body")
			}
			b, list := decoded(t, payload(t, name))
			got := outcome{receiver: b.Receiver, truncated: b.Truncated, version: b.Version, reason: b.Reason}
			for _, a := range list {
				switch a.Status {
				case alerts.Firing:
					got.firing++
				case alerts.Resolved:
					got.resolved++
				}
			}
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// Alertmanager's own type, which wrote the bodies, reads the same values out of them as we do.
func TestContractWithAlertmanager(t *testing.T) {
	t.Parallel()
	for _, name := range payloadNames(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := payload(t, name)
			var theirs webhook.Message
			if err := json.Unmarshal(body, &theirs); err != nil {
				t.Fatal(err)
			}
			b, list := decoded(t, body)
			if b.GroupKey != theirs.GroupKey || b.ExternalURL != theirs.ExternalURL || b.Version != theirs.Version ||
				b.Truncated != theirs.TruncatedAlerts || b.Reason != theirs.NotificationReason {
				t.Errorf("got body %+v, want %+v", b, theirs)
			}
			if len(list) != len(theirs.Alerts) {
				t.Fatalf("got %d alerts, want %d", len(list), len(theirs.Alerts))
			}
			for i, want := range theirs.Alerts {
				equalAlert(t, list[i], alerts.Alert{
					Fingerprint:  want.Fingerprint,
					Status:       alerts.Status(want.Status),
					Labels:       want.Labels,
					Annotations:  want.Annotations,
					StartsAt:     want.StartsAt,
					EndsAt:       want.EndsAt,
					GeneratorURL: want.GeneratorURL,
				})
			}
		})
	}
}

// The recorded bodies hold what each situation was recorded for.
func TestRecordedSpecials(t *testing.T) {
	t.Parallel()

	// The fingerprint we compute for an alert without one is Alertmanager's own.
	for _, name := range payloadNames(t) {
		body := payload(t, name)
		_, given := decoded(t, body)
		without := strings.ReplaceAll(string(body), `"fingerprint":`, `"other":`)
		_, computed := decoded(t, []byte(without))
		for i := range given {
			if got, want := computed[i].Fingerprint, given[i].Fingerprint; got != want {
				t.Errorf("%s: got fingerprint %s of %v, want %s", name, got, given[i].Labels, want)
			}
		}
	}

	_, unicode := decoded(t, payload(t, "am031-unicode-01"))
	if got, want := unicode[0].Name(), "磁盘满了"; got != want {
		t.Errorf("unicode: got name %q, want %q", got, want)
	}
	if got, want := unicode[0].Annotations["nul"], "a\ab"; got != want {
		t.Errorf("unicode: got control character %q, want %q", got, want)
	}

	_, empty := decoded(t, payload(t, "am031-emptyann-01"))
	blank := 0
	for _, a := range empty {
		if summary, ok := a.Annotations["summary"]; ok && summary == "" {
			blank++
		}
	}
	if blank == 0 {
		t.Errorf("emptyann: got %+v, want an annotation with an empty value", empty)
	}

	// A body that is sent again is the same news; firing and resolved are not.
	same := [][2]string{
		{"am031-repeat-01", "am031-repeat-03"},
		{"am031-retry503-01", "am031-retry503-02"},
		{"am031-multiA0-01", "am031-multiA1-01"},
	}
	for _, pair := range same {
		_, x := decoded(t, payload(t, pair[0]))
		_, y := decoded(t, payload(t, pair[1]))
		if x[0].Key() != y[0].Key() {
			t.Errorf("%v: got keys %s and %s, want one", pair, x[0].Key(), y[0].Key())
		}
	}
	_, x := decoded(t, payload(t, "ha031-haok-01"))
	_, y := decoded(t, payload(t, "ha031-haok-02"))
	if x[0].Key() == y[0].Key() {
		t.Errorf("haok: firing and resolved share the key %s", x[0].Key())
	}
}

// equalAlert compares two alerts; times as instants, and an absent map as an empty one.
func equalAlert(tb testing.TB, got, want alerts.Alert) {
	tb.Helper()
	if !sameAlert(got, want) {
		tb.Errorf("got  %+v\nwant %+v", got, want)
	}
}
