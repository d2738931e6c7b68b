package alerts_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
)

func sameAlert(x, y alerts.Alert) bool {
	return x.Fingerprint == y.Fingerprint && x.Status == y.Status && x.GeneratorURL == y.GeneratorURL &&
		maps.Equal(x.Labels, y.Labels) && maps.Equal(x.Annotations, y.Annotations) &&
		x.StartsAt.Equal(y.StartsAt) && x.EndsAt.Equal(y.EndsAt) &&
		x.Delivery.At.Equal(y.Delivery.At) && withoutTime(x.Delivery) == withoutTime(y.Delivery)
}

func withoutTime(d alerts.Delivery) alerts.Delivery {
	d.At = time.Time{}
	return d
}

// one is a body with a single alert of these fields beside labels, startsAt and, unless it is among the fields,
// the right fingerprint.
func one(fields string) string {
	if !strings.Contains(fields, "fingerprint") {
		fields += `,"fingerprint":"d2c6efc389df0927"`
	}
	return fmt.Sprintf(`{"status":"resolved","alerts":[{%s,"labels":{"alertname":"A"},"startsAt":"2026-11-22T19:38:35.577145Z"}]}`, fields)
}

// A body that cannot be used is refused by name, and nothing panics.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const starts = `"startsAt":"2026-11-22T19:38:35Z"`
	const labels = `"labels":{"alertname":"A"}`
	cases := map[string]struct {
		body, code, message string
	}{
		"nothing":            {``, alerts.CodeNotJSON, ""},
		"text":               {`payload=1`, alerts.CodeNotJSON, ""},
		"cut off":            {`{"alerts":[{"status":"firing"`, alerts.CodeNotJSON, ""},
		"two values":         {`{"alerts":[]}{"alerts":[]}`, alerts.CodeNotJSON, ""},
		"raw NUL":            {"{\"alerts\":[{\"status\":\"fir\x00ing\"}]}", alerts.CodeNotJSON, ""},
		"raw newline":        {"{\"alerts\":[{\"status\":\"fir\ning\"}]}", alerts.CodeNotJSON, ""},
		"Prometheus":         {`[{"labels":{"alertname":"A"}}]`, alerts.CodeNotAnObject, "JSON array"},
		"null":               {`null`, alerts.CodeNotAnObject, "null"},
		"custom payload":     {`{"text":"disk full"}`, alerts.CodeNoAlertsArray, "missing"},
		"alerts null":        {`{"alerts":null}`, alerts.CodeNoAlertsArray, "null"},
		"alerts object":      {`{"alerts":{}}`, alerts.CodeNoAlertsArray, "object"},
		"alerts twice":       {`{"alerts":[],"alerts":[]}`, alerts.CodeNoAlertsArray, "more than once"},
		"alerts in capitals": {`{"Alerts":[]}`, alerts.CodeNoAlertsArray, "missing"},
		"alert is a string":  {`{"alerts":["x"]}`, alerts.CodeAlertInvalid, "alerts[0]: a string"},
		"second alert":       {strings.Replace(one(`"status":"firing"`), `]}`, `,{"status":"firing"}]}`, 1), alerts.CodeAlertInvalid, "alerts[1]: labels"},
		"no status":          {one(`"x":1`), alerts.CodeAlertInvalid, "status"},
		"status pending":     {one(`"status":"pending"`), alerts.CodeAlertInvalid, `"pending"`},
		"status null":        {one(`"status":null`), alerts.CodeAlertInvalid, "null"},
		"status Firing":      {one(`"status":"Firing"`), alerts.CodeAlertInvalid, `"Firing"`},
		"key in capitals":    {one(`"Status":"firing"`), alerts.CodeAlertInvalid, "status is a missing value"},
		"status twice":       {one(`"status":"firing","status":"resolved"`), alerts.CodeAlertInvalid, "more than once"},
		"status hidden":      {one(`"status":"firing","st\u0061tus":"resolved"`), alerts.CodeAlertInvalid, "more than once"},
		"no labels":          {`{"alerts":[{"status":"firing",` + starts + `}]}`, alerts.CodeAlertInvalid, "labels"},
		"labels array":       {`{"alerts":[{"status":"firing","labels":[],` + starts + `}]}`, alerts.CodeAlertInvalid, "labels"},
		"label number":       {`{"alerts":[{"status":"firing","labels":{"a":1},` + starts + `}]}`, alerts.CodeAlertInvalid, `"a"`},
		"label null":         {`{"alerts":[{"status":"firing","labels":{"a":null},` + starts + `}]}`, alerts.CodeAlertInvalid, `"a"`},
		"label twice":        {`{"alerts":[{"status":"firing","labels":{"a":1,"a":"x"},` + starts + `}]}`, alerts.CodeAlertInvalid, `"a"`},
		"labels twice":       {`{"alerts":[{"status":"firing",` + labels + `,"labels":{"b":"2"},` + starts + `}]}`, alerts.CodeAlertInvalid, "more than once"},
		"no startsAt":        {`{"alerts":[{"status":"firing",` + labels + `}]}`, alerts.CodeAlertInvalid, "startsAt"},
		"startsAt empty":     {`{"alerts":[{"status":"firing",` + labels + `,"startsAt":""}]}`, alerts.CodeAlertInvalid, "startsAt"},
		"startsAt number":    {`{"alerts":[{"status":"firing",` + labels + `,"startsAt":1700000000}]}`, alerts.CodeAlertInvalid, "startsAt"},
		"hour of one digit":  {one(`"status":"resolved","endsAt":"2026-11-22T9:38:35.5Z"`), alerts.CodeAlertInvalid, "endsAt"},
		"decimal comma":      {one(`"status":"resolved","endsAt":"2026-11-22T09:38:35,5Z"`), alerts.CodeAlertInvalid, "endsAt"},
		"startsAt without T": {`{"alerts":[{"status":"firing",` + labels + `,"startsAt":"2026-11-22 09:38:35Z"}]}`, alerts.CodeAlertInvalid, "startsAt"},
		"offset of a day":    {one(`"status":"resolved","endsAt":"2026-11-22T19:38:35+24:00"`), alerts.CodeAlertInvalid, "endsAt"},
		"year 10000":         {one(`"status":"resolved","endsAt":"9999-12-31T23:59:59-01:00"`), alerts.CodeAlertInvalid, "endsAt"},
		"endsAt bad":         {one(`"status":"resolved","endsAt":"later"`), alerts.CodeAlertInvalid, "endsAt"},
		"deep arrays":        {strings.Repeat("[", 65), alerts.CodeTooDeep, "64"},
		"deep and complete":  {`{"alerts":[],"x":` + strings.Repeat(`{"a":`, 64) + `1` + strings.Repeat(`}`, 64) + `}`, alerts.CodeTooDeep, "64"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := alerts.Parse([]byte(c.body))
			var refused *alerts.BodyError
			if !errors.As(err, &refused) {
				t.Fatalf("got %v, want a BodyError", err)
			}
			if refused.Code != c.code || !strings.Contains(refused.Message, c.message) {
				t.Errorf("got %v, want code %s and %q", err, c.code, c.message)
			}
		})
	}
}

// A custom payload is refused with the advice that helps.
func TestParseHintsAtPayload(t *testing.T) {
	t.Parallel()
	_, err := alerts.Parse([]byte(`{"msg":"x"}`))
	var refused *alerts.BodyError
	if !errors.As(err, &refused) || !strings.Contains(refused.Hint, "payload:") {
		t.Errorf("got %#v, want a hint about payload", err)
	}
}

// Eight megabytes of open brackets do not exhaust the stack, and quoted brackets are not nesting.
func TestParseDepth(t *testing.T) {
	t.Parallel()
	var refused *alerts.BodyError
	_, err := alerts.Parse([]byte(strings.Repeat("[", 8<<20)))
	if !errors.As(err, &refused) || refused.Code != alerts.CodeTooDeep {
		t.Errorf("brackets: got %v, want %s", err, alerts.CodeTooDeep)
	}
	for _, quoted := range []string{
		strings.Repeat("[", 1000),
		`\\\"` + strings.Repeat("{", 1000),
		strings.Repeat(`\"[`, 1000) + `\\`,
	} {
		if _, err := alerts.Parse([]byte(one(`"status":"firing","annotations":{"x":"` + quoted + `"}`))); err != nil {
			t.Errorf("quoted %.20s: %v", quoted, err)
		}
	}
	if err := alerts.ReadRecord([]byte("{\"v\":1,\"n\":1,\"d\":{}}\n"+strings.Repeat("[", 8<<20)), nil); err == nil {
		t.Error("record: got no error, want one")
	}
}

// An alert is read the same by us and by encoding/json, however its sender spelt it.
func TestParseAgreesWithEncodingJSON(t *testing.T) {
	t.Parallel()
	const f = `"status":"firing"`
	at := time.Date(2026, 11, 22, 19, 38, 35, 577145000, time.UTC)
	cases := map[string]struct {
		body string
		want func(*alerts.Alert)
	}{
		"plain":                 {one(f), func(*alerts.Alert) {}},
		"fingerprint missing":   {strings.Replace(one(f), "fingerprint", "finger", 1), func(*alerts.Alert) {}},
		"fingerprint kept":      {one(f + `,"fingerprint":"00000000deadbeef"`), func(a *alerts.Alert) { a.Fingerprint = "00000000deadbeef" }},
		"fingerprint not hex":   {one(f + `,"fingerprint":"../../../etc/xx."`), func(*alerts.Alert) {}},
		"fingerprint null":      {one(f + `,"fingerprint":null`), func(*alerts.Alert) {}},
		"other case":            {one(f + `,"Status":"resolved","LABELS":{"x":"y"}`), func(*alerts.Alert) {}},
		"other case by Unicode": {one(f + `,"ſtatuſ":"resolved"`), func(*alerts.Alert) {}},
		"carriage return":       {one("\r" + f), func(*alerts.Alert) {}},
		"escaped key":           {one(`"st\u0061tus":"firing"`), func(*alerts.Alert) {}},
		"escaped status":        {one(`"status":"\u0066iring"`), func(*alerts.Alert) {}},
		"our own field":         {one(f + `,"delivery":{"source":"api","at":"2020-01-01T00:00:00Z"}`), func(*alerts.Alert) {}},
		"our own field broken":  {one(f + `,"Delivery":7`), func(*alerts.Alert) {}},
		"like a header":         {one(`"v":1,"n":9,"d":{"source":"api"},` + f), func(*alerts.Alert) {}},
		"ends while firing":     {one(f + `,"endsAt":"2026-11-22T20:00:00Z"`), func(*alerts.Alert) {}},
		"endsAt empty":          {one(f + `,"endsAt":""`), func(*alerts.Alert) {}},
		"endsAt null":           {one(f + `,"endsAt":null`), func(*alerts.Alert) {}},
		"endsAt escaped": {one(`"status":"resolved","endsAt":"2026-11-22T20:00:00\u002b01:00"`), func(a *alerts.Alert) {
			a.Status = alerts.Resolved
			a.EndsAt = time.Date(2026, 11, 22, 19, 0, 0, 0, time.UTC)
		}},
		"annotations null":  {one(f + `,"annotations":null`), func(*alerts.Alert) {}},
		"annotations wrong": {one(f + `,"annotations":"x"`), func(*alerts.Alert) {}},
		"annotation number": {one(f + `,"annotations":{"n":1.50,"z":null,"o":{"a":[1]}}`), func(a *alerts.Alert) {
			a.Annotations = map[string]string{"n": "1.50", "z": "", "o": `{"a":[1]}`}
		}},
		"annotation twice": {one(f + `,"annotations":{"a":"1","a":"2"}`), func(a *alerts.Alert) { a.Annotations = map[string]string{"a": "2"} }},
		"half a pair":      {one(f + `,"annotations":{"a":"\ud800\u0041"}`), func(a *alerts.Alert) { a.Annotations = map[string]string{"a": "\uFFFDA"} }},
		"not UTF-8":        {one(f + ",\"annotations\":{\"a\":\"x\xff\"}"), func(a *alerts.Alert) { a.Annotations = map[string]string{"a": "x\uFFFD"} }},
		"escaped NUL":      {one(f + `,"annotations":{"a":"x\u0000y"}`), func(a *alerts.Alert) { a.Annotations = map[string]string{"a": "x\x00y"} }},
		"NUL in a label name": {strings.Replace(one(f+`,"fingerprint":"00000000deadbeef"`), `{"alertname":"A"}`, `{"alertname":"A","\u0000":""}`, 1), func(a *alerts.Alert) {
			a.Fingerprint = "00000000deadbeef"
			a.Labels["\x00"] = ""
		}},
		"URL null":   {one(f + `,"generatorURL":null`), func(*alerts.Alert) {}},
		"URL number": {one(f + `,"generatorURL":5`), func(*alerts.Alert) {}},
		"Grafana":    {one(f + `,"values":{"B":22},"valueString":"[ var='B' ]","silenceURL":"http://g"`), func(*alerts.Alert) {}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := alerts.Alert{Status: alerts.Firing, Labels: map[string]string{"alertname": "A"}, StartsAt: at}
			want.Fingerprint = "d2c6efc389df0927"
			c.want(&want)
			b, got := decoded(t, []byte(c.body))
			equalAlert(t, got[0], want)
			var std alerts.Alert
			if err := json.Unmarshal(b.Alerts[0], &std); err != nil {
				t.Fatalf("encoding/json refuses %s: %v", b.Alerts[0], err)
			}
			equalAlert(t, std, want)
			line := string(b.Alerts[0])
			if strings.HasPrefix(line, `{"v":`) || strings.ContainsAny(line, "\r\n") {
				t.Errorf("got more than a line, or one that looks like a header: %q", line)
			}
			if !strings.Contains(line, `"status":"`+string(want.Status)+`"`) {
				t.Errorf("got a status that only a decoder can see: %s", line)
			}
		})
	}
}

// A body's optional fields may be absent or of another type without losing its alerts.
func TestParseEnvelope(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 19, 38, 36, 0, time.UTC)
	cases := map[string]struct {
		body string
		want alerts.Body
	}{
		"no alerts":    {`{"alerts":[]}`, alerts.Body{}},
		"Grafana":      {`{"version":"1","orgId":1,"alerts":[]}`, alerts.Body{Version: "1"}},
		"wrong types":  {`{"version":4,"receiver":null,"truncatedAlerts":-1,"alerts":[]}`, alerts.Body{Version: "4"}},
		"truncated":    {`{"truncatedAlerts":18446744073709551615,"alerts":[]}`, alerts.Body{Truncated: 1<<64 - 1}},
		"plain slash":  {`{"receiver":"a\\b\\","alerts":[]}`, alerts.Body{Receiver: `a\b\`}},
		"quoted":       {`{"receiver":"\\[a\\]\\\\\\.","alerts":[]}`, alerts.Body{Receiver: `[a]\.`}},
		"with a group": {`{"groupKey":"{}:{a=\"ü\"}","externalURL":"http://am","alerts":[]}`, alerts.Body{GroupKey: `{}:{a="ü"}`, ExternalURL: "http://am"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, list := decoded(t, []byte(c.body))
			if len(list) != 0 {
				t.Errorf("got %d alerts, want none", len(list))
			}
			b.Alerts = nil
			if fmt.Sprint(b) != fmt.Sprint(c.want) {
				t.Errorf("got %+v, want %+v", b, c.want)
			}
		})
	}
	b := alerts.Body{Receiver: "r", GroupKey: "abc", ExternalURL: "u", Reason: "x", Truncated: 3, Version: "4"}
	want := alerts.Delivery{
		At: at, Source: alerts.SourceWebhook, Receiver: "r", Group: "ba7816bf8f01", ExternalURL: "u", Reason: "x", Truncated: 3,
	}
	if got := b.Delivery(at); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// The status of the whole body never reaches an alert.
func TestBodyStatusIsNeverUsed(t *testing.T) {
	t.Parallel()
	_, list := decoded(t, []byte(one(`"status":"firing"`)))
	if list[0].Status != alerts.Firing {
		t.Errorf("got %s, want firing, although the body says resolved", list[0].Status)
	}
}

// A body printed for people gives the same alerts, each on one line.
func TestParsePrettyPrinted(t *testing.T) {
	t.Parallel()
	for _, name := range payloadNames(t) {
		body := payload(t, name)
		_, want := decoded(t, body)
		var v any
		if err := json.Unmarshal(body, &v); err != nil {
			t.Fatal(err)
		}
		pretty, err := json.MarshalIndent(v, "", "\r\n\t")
		if err != nil {
			t.Fatal(err)
		}
		b, got := decoded(t, pretty)
		for i, raw := range b.Alerts {
			if strings.ContainsAny(string(raw), "\r\n") {
				t.Errorf("%s: got a line break in %s", name, raw)
			}
			equalAlert(t, got[i], want[i])
		}
	}
}

// Appending to an alert does not write into its neighbour, although both alias the body.
func TestRawIsCapped(t *testing.T) {
	t.Parallel()
	b, _ := decoded(t, payload(t, "am031-group10-01"))
	before := string(b.Alerts[1])
	_ = append(b.Alerts[0], "XXXXXXXXXX"...)
	if got := string(b.Alerts[1]); got != before {
		t.Errorf("got %s, want %s", got, before)
	}
}
