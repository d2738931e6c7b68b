package slack

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/remediations"
)

// Text that strangers wrote stays text: nothing in it is a mention, a link, an escape or invisible.
func TestClip(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain":                              "plain",
		"a < b && c > d":                     "a &lt; b &amp;&amp; c &gt; d",
		"<!channel> <@U123> <http://x|y>":    "&lt;!channel&gt; &lt;@U123&gt; &lt;http://x|y&gt;",
		"@here @Channel @everyone @hereford": "＠here ＠Channel ＠everyone ＠hereford",
		"me@example.com":                     "me@example.com",
		"line\r\nbreak\u2028s\tand\vmore":    "line  break s and more",
		"pay\u202Edlrow\u202C":               "pay�dlrow�",
		"zero\u200B\u200B\u2060width":        "zero�width",
		"soft\u00ADhyphen tag\U000E0041":     "soft�hyphen tag�",
		"fillers \u3164\u115F\u2800!":        "fillers �!",
		"z\u0301\u0301\u0301\u0301algo":      "z\u0301\u0301algo",
		"\xff\xfe broken":                    "� broken",
		"\x00\x1b[31m":                       "�[31m",
		"":                                   "–",
		" \t ":                               "–",
	} {
		if got := clip(in, 200); got != want {
			t.Errorf("clip(%q) = %q, want %q", in, got, want)
		}
	}
	for _, c := range []struct {
		in   string
		most int
		want string
	}{
		{strings.Repeat("&", 10), 50, strings.Repeat("&amp;", 10)},
		{strings.Repeat("&", 11), 50, strings.Repeat("&amp;", 8) + cutNote},
		{strings.Repeat("😀", 25), 50, strings.Repeat("😀", 25)},
		{strings.Repeat("😀", 26), 50, strings.Repeat("😀", 21) + cutNote},
	} {
		if got := clip(c.in, c.most); got != c.want {
			t.Errorf("clip(%q, %d) = %q, want %q", c.in, c.most, got, c.want)
		}
	}
}

// Only addresses of the web become links, and none can end its link early or hide where it leads.
func TestLinks(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://runbooks.example.com/a?b=c&d=e":              "<https://runbooks.example.com/a?b=c&amp;d=e|Runbook (runbooks.example.com)>",
		"http://[::1]:9090/graph":                             "<http://[::1]:9090/graph|Runbook ([::1]:9090)>",
		"https://x.example.com/a|b>c<d":                       "<https://x.example.com/a%7Cb%3Ec%3Cd|Runbook (x.example.com)>",
		"https://x.example.com/?q=a|b>":                       "<https://x.example.com/?q=a%7Cb%3E|Runbook (x.example.com)>",
		"https://x.example.com/#<!channel>":                   "<https://x.example.com/#%3C!channel%3E|Runbook (x.example.com)>",
		"javascript:alert(1)":                                 "",
		"data:text/html,x":                                    "",
		"slack://user?team=T1&id=U1":                          "",
		"//example.com/x":                                     "",
		"https://":                                            "",
		"https://user:pass@example.com/":                      "",
		"https://exa mple.com/":                               "",
		"https://ex|ample.com/":                               "",
		"https://exämple.com/":                                "",
		"https://example.com\u202E/x":                         "",
		"https://example.com/\x00":                            "",
		"https://example.com/" + strings.Repeat("a", maxLink): "",
		"": "",
	} {
		got, ok := named("Runbook", in)
		if got != want || ok != (want != "") {
			t.Errorf("named(%q) = %q, %t, want %q", in, got, ok, want)
		}
	}
}

// hostile is a record in which every text that strangers, handlers or people write is s.
func hostile(s string) []incidents.Event {
	open := opened(1)
	a := &open.Opening.Alert
	for _, label := range []string{"alertname", "severity", "service", s} {
		a.Labels[label] = s
	}
	a.Annotations = map[string]string{"summary": s, "description": s + "\n" + s, "runbook_url": s}
	a.GeneratorURL, a.Delivery.ExternalURL, open.Opening.Target = s, "https://"+s, s
	d := decided()
	d.Decision.Cause, d.Decision.Reason = s, s
	d.Decision.Evidence = []incidents.Evidence{{Name: s, Unit: s}, {Words: s}, {Words: s}}
	d.Decision.Step.Fix, d.Decision.Step.Service, d.Decision.Step.Edge = s, s, s
	person := &incidents.Person{Name: s, Via: s, ID: s}
	ask := askedFor(open.Opening.ID, 2, noon().Add(time.Hour))
	ask.Asking.Step, ask.Asking.Changed, ask.Asking.By, ask.Asking.Why = *d.Decision.Step, []string{s, s}, person, s
	order := intended(open.Opening.ID)
	order.Order.Step = *d.Decision.Step
	after := judged(incidents.Effect(s), s)
	after.Judgement.Evidence = d.Decision.Evidence
	no := refused(remediations.Reason(s), s, noon())
	no.Refusal.By = s
	return story(open, d, no, ask, incidents.Event{Kind: incidents.Approved, Person: person, Note: s},
		incidents.Event{Kind: incidents.Denied, Person: person, Note: s}, order, after, no, incidents.Event{Kind: incidents.Kind(s), Note: s},
		incidents.Event{Kind: incidents.Escalated, Note: s}, ended(incidents.Outcome(s), s))
}

// harmless checks a message against Slack's limits, and that nothing in it is active but our own links.
func harmless(t *testing.T, m Message) {
	t.Helper()
	raw, err := json.Marshal(m.Blocks)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []any
	if err := json.Unmarshal(raw, &blocks); err != nil {
		t.Fatal(err)
	}
	if len(blocks) > 50 {
		t.Errorf("%d blocks, at most 50 are allowed", len(blocks))
	}
	if n := utf8.RuneCountInString(m.Text); n > 4000 || n == 0 {
		t.Errorf("the text has %d characters", n)
	}
	inert(t, m.Text, false)
	if total := texts(t, blocks, 3000); total > 10_000 {
		t.Errorf("the blocks have %d characters together", total)
	}
}

// texts visits every text object, and counts their characters.
func texts(t *testing.T, v any, most int) int {
	t.Helper()
	total := 0
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			total += texts(t, e, most)
		}
	case map[string]any:
		switch v["type"] {
		case "header":
			most = 150
		case "button":
			most = 75
		case "plain_text", "mrkdwn":
			text, _ := v["text"].(string)
			if n := utf8.RuneCountInString(text); n > most || n == 0 {
				t.Errorf("a text has %d characters, at most %d are allowed: %q", n, most, text)
			}
			inert(t, text, v["type"] == "mrkdwn")
			return utf8.RuneCountInString(text)
		}
		for name, e := range v {
			switch name {
			case "fields":
				total += texts(t, e, 2000)
			case "confirm":
				total += texts(t, e, 300)
			default:
				total += texts(t, e, most)
			}
		}
	}
	return total
}

// inert says that a text has no active mention, no escape of its own, and nothing that cannot be seen. Ours are the links of mrkdwn.
func inert(t *testing.T, text string, formatted bool) {
	t.Helper()
	if formatted {
		text = regexp.MustCompile(`<https?://[!-~]+?\|(Firebreak|Runbook|Alertmanager|Query) \([A-Za-z0-9.:\-\[\]]+\)>`).ReplaceAllString(text, "")
		if strings.ContainsAny(text, "`_~") {
			t.Errorf("formatting that is not ours: %q", text)
		}
	}
	rest := strings.NewReplacer("&lt;", "", "&gt;", "", "&amp;", "").Replace(text)
	if strings.ContainsAny(rest, "<>&") {
		t.Errorf("an active or broken escape: %q", text)
	}
	if regexp.MustCompile(`(?i)@(here|channel|everyone)`).MatchString(text) {
		t.Errorf("an active mention: %q", text)
	}
	if !utf8.ValidString(text) {
		t.Errorf("broken UTF-8: %q", text)
	}
	for _, r := range text {
		if r != '\n' && (unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) || blank(r)) {
			t.Errorf("%U is invisible: %q", r, text)
		}
	}
}

// Whatever anybody writes anywhere, what is shown is harmless and within Slack's limits, at every moment of the record.
func FuzzRender(f *testing.F) {
	for _, s := range []string{"", "checkout", "<!channel> <@U123> @here", "a&b<c>d|e", "*b* _i_ ~s~ `c`", "\u202Egnp.exe", strings.Repeat("<&>", 1200),
		strings.Repeat("😀\u0301", 900), "https://x.example.com/a|b>c", "x.example.com/<!here>", "\xff\x00\n\n", "&lt;!channel&gt;", "@\u200Bhere", "ＡＢ＠here"} {
		for n := range byte(12) {
			f.Add(s, n)
		}
	}
	f.Fuzz(func(t *testing.T, s string, n byte) {
		events := hostile(s)
		events = events[:1+int(n)%len(events)]
		harmless(t, rendered(events))
		if m, _, ok := reply(events, 0); ok {
			harmless(t, m)
		}
		if st := stateOf(events[0].Opening.ID, events); st.Asking != nil {
			text, _ := fullPlan(st)
			harmless(t, planMessage(s, s, text+s))
		}
	})
}

// FuzzClip looks at the one place that all text of strangers goes through.
func FuzzClip(f *testing.F) {
	f.Add("<!channel> @here\u202E\xff &amp; 😀", 12)
	f.Add(strings.Repeat("&", 100), 60)
	f.Fuzz(func(t *testing.T, s string, most int) {
		most = 10 + (most%3000+3000)%3000
		for _, got := range []string{clip(s, most), clipLines(s, most), clipIndented(s, most)} {
			if w := width(got); w > most || strings.TrimSpace(got) == "" {
				t.Errorf("%d wide, want 1 to %d: %q", w, most, got)
			}
			inert(t, got, false)
		}
		if text, ok := named("Runbook", s); ok {
			if strings.Count(text, "<") != 1 || strings.Count(text, ">") != 1 || strings.Count(text, "|") != 1 {
				t.Errorf("more than one link: %q", text)
			}
			inert(t, text, true)
		}
	})
}
