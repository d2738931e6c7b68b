package alerts_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
)

// What Parse accepts survives the bus, and every decoder reads it the same.
func FuzzParse(f *testing.F) {
	for _, name := range payloadNames(f) {
		if body := payload(f, name); len(body) < 8<<10 {
			f.Add(body)
		}
	}
	f.Add([]byte(one(`"status":"firing","Status":"resolved","delivery":1,"v":1,"annotations":{"a":"\ud800A"}`)))
	f.Add([]byte(one(`"status":"resolved","endsAt":"","fingerprint":null,"annotations":{"n":1,"n":{}}`)))
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := alerts.Parse(body)
		if err != nil {
			if _, ok := err.(*alerts.BodyError); !ok {
				t.Fatalf("got %T, want a BodyError", err)
			}
			return
		}
		if !json.Valid(body) {
			t.Fatal("accepted what encoding/json refuses")
		}
		at := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
		var list []alerts.Alert
		record := alerts.AppendRecord(nil, b.Delivery(at), b.Alerts)
		err = alerts.ReadRecord(record, func(i int, a alerts.Alert) error {
			if i != len(list) {
				t.Fatalf("got index %d, want %d", i, len(list))
			}
			list = append(list, a)
			return nil
		})
		if err != nil || len(list) != len(b.Alerts) {
			t.Fatalf("got %d alerts back and %v, want %d", len(list), err, len(b.Alerts))
		}
		for i, raw := range b.Alerts {
			if bytes.ContainsAny(raw, "\r\n") || len(raw) > alerts.MaxAlert || bytes.HasPrefix(raw, []byte(`{"v":`)) {
				t.Fatalf("got the line %q", raw)
			}
			var std alerts.Alert
			if err := json.Unmarshal(raw, &std); err != nil {
				t.Fatalf("encoding/json refuses %s: %v", raw, err)
			}
			if std.Delivery != (alerts.Delivery{}) {
				t.Fatalf("a stranger wrote the delivery %+v", std.Delivery)
			}
			std.Delivery = list[i].Delivery
			equalAlert(t, list[i], std)
			if len(std.Fingerprint) != 16 || std.Status == alerts.Firing && !std.EndsAt.IsZero() {
				t.Fatalf("got %+v", std)
			}
		}
	})
}

// Reading a record never panics, and only whole alerts come out of it.
func FuzzReadRecord(f *testing.F) {
	for _, name := range payloadNames(f) {
		if body := payload(f, name); len(body) < 8<<10 {
			b, err := alerts.Parse(body)
			if err != nil {
				f.Fatal(err)
			}
			record := alerts.AppendRecord(nil, b.Delivery(time.Unix(1795376315, 0)), b.Alerts)
			f.Add(record)
			f.Add(append(record, record[:len(record)/2]...))
		}
	}
	f.Add([]byte("{\"v\":2,\"n\":1,\"d\":{}}\n{}\n{\"v\":1,\"n\":1,\"d\":{}}\n{\"status\":\"firing\"}"))
	f.Fuzz(func(t *testing.T, record []byte) {
		last := -1
		err := alerts.ReadRecord(record, func(i int, a alerts.Alert) error {
			if i <= last {
				t.Fatalf("got index %d after %d", i, last)
			}
			last = i
			if a.Status != alerts.Firing && a.Status != alerts.Resolved || len(a.Fingerprint) != 16 || a.Labels == nil {
				t.Fatalf("got %+v", a)
			}
			return nil
		})
		if err != nil && err.Error() == "" {
			t.Fatal("got an error without a text")
		}
	})
}
