package windows_test

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // so that the tests do not depend on the machine's time zones

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/windows"
)

func read(t *testing.T, list ...policy.Window) *windows.Windows {
	t.Helper()
	w, err := windows.New(list)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func utc(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02 15:04:05", text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func minutes(n int) policy.Duration { return policy.Duration(time.Duration(n) * time.Minute) }

func hours(n int) policy.ClockTime { return policy.ClockTime(n * 60) }

// wantNo wants the given refusal with these words in it, or none.
func wantNo(t *testing.T, what string, got *remediations.NoError, want remediations.Reason, words ...string) {
	t.Helper()
	if got == nil || want == "" {
		if got != nil || want != "" {
			t.Errorf("%s: got %v, want %q", what, got, want)
		}
		return
	}
	if got.Reason != want || got.By == "" || got.Until.IsZero() {
		t.Errorf("%s: got %+v, want %s", what, got, want)
	}
	for _, part := range words {
		if !strings.Contains(got.Words, part) {
			t.Errorf("%s: got words %q, want %q in them", what, got.Words, part)
		}
	}
}

// moment is one look at windows; until is when it says they end, "" for not open.
type moment struct{ at, until string }

func look(t *testing.T, name string, w *windows.Windows, moments []moment) {
	t.Helper()
	for _, m := range moments {
		no := w.Check("storm", "pay", utc(t, m.at))
		if m.until == "" {
			wantNo(t, name+" at "+m.at, no, "")
			continue
		}
		wantNo(t, name+" at "+m.at, no, remediations.ReasonMaintenance, "is open until")
		if no != nil && !no.Until.Equal(utc(t, m.until)) {
			t.Errorf("%s at %s: got until %s, want %s", name, m.at, no.Until.UTC(), m.until)
		}
	}
}

// Windows are open from their beginning and not any more at their end, by the clock on the wall of their place.
func TestWindows(t *testing.T) {
	t.Parallel()
	const berlin = "Europe/Berlin"
	for _, c := range []struct {
		name   string
		window policy.Window
		looks  []moment
	}{
		{"once", policy.Window{From: policy.Instant(utc(t, "2026-12-24 18:00:00")), Until: policy.Instant(utc(t, "2026-12-26 06:00:00"))}, []moment{
			{"2026-12-24 17:59:59", ""}, {"2026-12-24 18:00:00", "2026-12-26 06:00:00"},
			{"2026-12-26 05:59:59", "2026-12-26 06:00:00"}, {"2026-12-26 06:00:00", ""}, {"2027-12-25 00:00:00", ""}}},
		{"one day a week", policy.Window{Days: []string{"tue"}, At: hours(2), For: minutes(90)}, []moment{
			{"2026-11-24 01:59:59", ""}, {"2026-11-24 02:00:00", "2026-11-24 03:30:00"},
			{"2026-11-24 03:29:59", "2026-11-24 03:30:00"}, {"2026-11-24 03:30:00", ""}, {"2026-11-25 02:30:00", ""},
			{"2026-12-01 02:30:00", "2026-12-01 03:30:00"}}},
		{"daily, over midnight", policy.Window{At: hours(23), For: minutes(120)}, []moment{
			{"2026-11-24 22:59:59", ""}, {"2026-11-24 23:00:00", "2026-11-25 01:00:00"},
			{"2026-11-25 00:59:59", "2026-11-25 01:00:00"}, {"2026-11-25 01:00:00", ""}}},
		{"at midnight", policy.Window{Days: []string{"mon"}, For: minutes(10)}, []moment{
			{"2026-11-22 23:59:59", ""}, {"2026-11-23 00:00:00", "2026-11-23 00:10:00"}, {"2026-11-23 00:10:00", ""}}},
		{"over the week's end", policy.Window{Days: []string{"sat", "sun"}, At: hours(20), For: minutes(10 * 60)}, []moment{
			{"2026-11-21 19:59:59", ""}, {"2026-11-21 20:00:00", "2026-11-22 06:00:00"}, {"2026-11-22 06:00:00", ""},
			{"2026-11-23 05:59:59", "2026-11-23 06:00:00"}, {"2026-11-23 06:00:00", ""}, {"2026-11-23 20:00:00", ""}}},
		{"in a place's own time and day", policy.Window{Days: []string{"wed"}, At: hours(1), For: minutes(60), TimeZone: "Asia/Tokyo"}, []moment{
			{"2026-11-24 15:59:59", ""}, {"2026-11-24 16:00:00", "2026-11-24 17:00:00"}, {"2026-11-25 01:30:00", ""}}},
		{"summer and winter", policy.Window{At: hours(12), For: minutes(60), TimeZone: berlin}, []moment{
			{"2026-07-01 09:59:59", ""}, {"2026-07-01 10:00:00", "2026-07-01 11:00:00"},
			{"2026-12-01 10:30:00", ""}, {"2026-12-01 11:00:00", "2026-12-01 12:00:00"}}},
		// On 2026-03-29 Berlin's clocks jump from 02:00 to 03:00, at 01:00 UTC: 02:30 is never shown.
		{"at a time that is left out", policy.Window{Days: []string{"sun"}, At: 2*60 + 30, For: minutes(30), TimeZone: berlin}, []moment{
			{"2026-03-29 00:59:59", ""}, {"2026-03-29 01:00:00", "2026-03-29 01:30:00"}, {"2026-03-29 01:30:00", ""},
			{"2026-04-05 00:30:00", "2026-04-05 01:00:00"}}},
		{"over a jump forward", policy.Window{At: hours(1), For: minutes(120), TimeZone: berlin}, []moment{
			{"2026-03-28 23:59:59", ""}, {"2026-03-29 00:00:00", "2026-03-29 02:00:00"}, {"2026-03-29 02:00:00", ""}}},
		// On 2026-10-25 they fall back from 03:00 to 02:00, at 01:00 UTC: 02:30 is shown twice, at 00:30 and 01:30 UTC.
		{"at a time that comes twice", policy.Window{At: 2*60 + 30, For: minutes(15), TimeZone: berlin}, []moment{
			{"2026-10-25 00:29:59", ""}, {"2026-10-25 00:30:00", "2026-10-25 00:45:00"}, {"2026-10-25 00:45:00", ""},
			{"2026-10-25 01:30:00", "2026-10-25 01:45:00"}, {"2026-10-25 01:45:00", ""}}},
		{"twice, and long", policy.Window{At: 2*60 + 30, For: minutes(60), TimeZone: berlin}, []moment{
			{"2026-10-25 00:30:00", "2026-10-25 02:30:00"}, {"2026-10-25 01:30:00", "2026-10-25 02:30:00"}, {"2026-10-25 02:30:00", ""}}},
		{"over a fall back", policy.Window{At: hours(1), For: minutes(180), TimeZone: berlin}, []moment{
			{"2026-10-24 22:59:59", ""}, {"2026-10-24 23:00:00", "2026-10-25 02:00:00"}, {"2026-10-25 02:00:00", ""}}},
		// Lord Howe's clocks jump half an hour; Beirut's jump at midnight, so that the day begins at 01:00.
		{"a jump of half an hour", policy.Window{Days: []string{"sun"}, At: 2*60 + 15, For: minutes(10), TimeZone: "Australia/Lord_Howe"}, []moment{
			{"2026-10-03 15:29:59", ""}, {"2026-10-03 15:30:00", "2026-10-03 15:40:00"}, {"2026-10-03 15:40:00", ""}}},
		{"a jump at midnight", policy.Window{Days: []string{"sun"}, For: minutes(10), TimeZone: "Asia/Beirut"}, []moment{
			{"2026-03-28 21:59:59", ""}, {"2026-03-28 22:00:00", "2026-03-28 22:10:00"}, {"2026-03-28 22:10:00", ""}}},
		// St. John's fell back from 00:01 to 23:01 on the day before: midnight came twice, and the day before did once more between.
		{"a fall back over midnight", policy.Window{Days: []string{"sun"}, For: minutes(30), TimeZone: "America/St_Johns"}, []moment{
			{"2010-11-07 02:29:59", ""}, {"2010-11-07 02:45:00", "2010-11-07 03:00:00"}, {"2010-11-07 03:00:00", ""},
			{"2010-11-07 03:30:00", "2010-11-07 04:00:00"}, {"2010-11-07 04:00:00", ""}}},
		// Samoa went without 2011-12-30, a Friday.
		{"a day that was left out", policy.Window{Days: []string{"fri"}, At: hours(12), For: minutes(60), TimeZone: "Pacific/Apia"}, []moment{
			{"2011-12-30 09:59:59", ""}, {"2011-12-30 10:00:00", "2011-12-30 11:00:00"}, {"2011-12-30 11:00:00", ""}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			look(t, c.name, read(t, c.window), c.looks)
		})
	}
}

// All days at any time in zones that change their clocks: the window is open exactly while a clock on the wall has shown its hour
// within its length. The clock is watched every five minutes, which knows nothing of how openings are computed.
func TestWeeklyAgainstAWatchedClock(t *testing.T) {
	t.Parallel()
	const length = 45
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/St_Johns"} {
		place, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for _, month := range []time.Month{time.March, time.April, time.October, time.November} {
			at := policy.ClockTime(7*60 + 20) // a time that no zone here leaves out
			if month == time.October || zone == "America/New_York" && month == time.November {
				at = 60 + 50 // one that may come twice
			}
			w := read(t, policy.Window{At: at, For: minutes(length), TimeZone: zone})
			const step = 5
			shown := -1000 // minutes since the clock last showed it
			for now := time.Date(2026, month, 1, 0, 0, 0, 0, time.UTC); now.Month() == month; now = now.Add(step * time.Minute) {
				shown += step
				if local := now.In(place); local.Hour()*60+local.Minute() == int(at) {
					shown = 0
				}
				if got, want := w.Check("h", "d", now) != nil, shown >= 0 && shown < length; got != want && now.Day() > 1 {
					t.Fatalf("%s, %s, opens at %d: got open %v, want %v", zone, now, at, got, want)
				}
			}
		}
	}
}

// Windows hold for whom they were made, and what follows at once counts as one.
func TestWindowsScopeAndUnion(t *testing.T) {
	t.Parallel()
	day := func(from, until string, change func(*policy.Window)) policy.Window {
		w := policy.Window{Name: from, From: policy.Instant(utc(t, "2026-11-22 "+from+":00")), Until: policy.Instant(utc(t, "2026-11-22 "+until+":00"))}
		change(&w)
		return w
	}
	all := func(*policy.Window) {}
	w := read(t,
		day("10:00", "12:00", all), day("11:00", "13:00", all), day("13:00", "14:00", all), day("14:01", "15:00", all),
		day("16:00", "17:00", func(w *policy.Window) { w.Handlers = []string{"pool", "storm"} }),
		day("17:00", "18:00", func(w *policy.Window) { w.Handlers = []string{"pool"} }),
		day("18:00", "19:00", func(w *policy.Window) { w.Domains = []string{"pay"} }),
		day("20:00", "21:00", func(w *policy.Window) { w.Handlers, w.Domains = []string{"storm"}, []string{"stock"} }))
	const date = "2026-11-22 "
	look(t, "union", w, []moment{{date + "10:30:00", date + "14:00:00"}, {date + "13:30:00", date + "14:00:00"},
		{date + "14:00:00", ""}, {date + "14:30:00", date + "15:00:00"}, {date + "16:30:00", date + "17:00:00"},
		{date + "17:30:00", ""}, {date + "18:30:00", date + "19:00:00"}, {date + "20:30:00", ""}})
	wantNo(t, "name", w.Check("pool", "x", utc(t, date+"17:30:00")), remediations.ReasonMaintenance, "17:00")
	wantNo(t, "other domain", w.Check("pool", "x", utc(t, date+"18:30:00")), "")
	wantNo(t, "handler and domain", w.Check("storm", "stock", utc(t, date+"20:30:00")), remediations.ReasonMaintenance)

	for what, none := range map[string]*windows.Windows{"nil": nil, "empty": read(t)} {
		wantNo(t, what, none.Check("h", "d", noon()), "")
	}
	always := read(t, policy.Window{Name: "always", For: minutes(24 * 60)})
	wantNo(t, "always", always.Check("h", "d", noon()), remediations.ReasonMaintenance, "always")
}

// A window that cannot be understood is an error at once.
func TestWindowsRefused(t *testing.T) {
	t.Parallel()
	at := policy.Instant(noon())
	later := policy.Instant(noon().Add(time.Hour))
	for what, w := range map[string]policy.Window{
		"nothing":      {},
		"no until":     {From: at},
		"no from":      {Until: at},
		"backwards":    {From: later, Until: at},
		"empty":        {From: at, Until: at},
		"both":         {From: at, Until: later, For: minutes(1)},
		"no length":    {Days: []string{"mon"}, At: hours(1)},
		"negative":     {For: minutes(-1)},
		"too long":     {For: minutes(8 * 24 * 60)},
		"late":         {At: hours(24), For: minutes(1)},
		"early":        {At: -1, For: minutes(1)},
		"unknown day":  {Days: []string{"Mon"}, For: minutes(1)},
		"unknown zone": {For: minutes(1), TimeZone: "Europe/Atlantis"},
		"local zone":   {For: minutes(1), TimeZone: "Local"},
		"path as zone": {For: minutes(1), TimeZone: "../../etc/passwd"},
	} {
		if _, err := windows.New([]policy.Window{{For: minutes(1)}, w}); err == nil {
			t.Errorf("%s: it was taken", what)
		}
	}
}

// The name of a window is a part of what people read, and cannot make it read as something else.
func TestNameOfAWindow(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"": "number 1", "patch\n\x1b[2Jday": "patch [2Jday", "a\u202eb\xff": "a b\ufffd",
		strings.Repeat("x", 200): strings.Repeat("x", 99) + "…"} {
		w := read(t, policy.Window{Name: name, From: policy.Instant(noon()), Until: policy.Instant(noon().Add(time.Hour))})
		no := w.Check("h", "d", noon())
		wantNo(t, name, no, remediations.ReasonMaintenance, "maintenance window "+want+" is open until 2026-11-22 13:00:00 UTC")
		if no != nil && no.By != want {
			t.Errorf("got by %q, want %q", no.By, want)
		}
	}
}
