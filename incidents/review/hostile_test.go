package review_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/review"
	"github.com/firebreak-sre/firebreak/remediations"
)

// attacks are what strangers write into labels, notes and names.
func attacks() []string {
	return []string{
		`<script>alert(1)</script>`, `</title></style><img src=x onerror=alert(1)>`, `"><svg onload=alert(1)>`, `' onmouseover='alert(1)`, `{{.Style}} ${x} <!-- -->`,
		`[click](javascript:alert(1))`, `![pixel](https://evil.example/p.png)`, `https://evil.example www.evil.example`, `a | b || c \| d`, "```\n# heading\n- item\n> quote",
		`**bold** __under__ ~~gone~~ $x^2$ &lt;b&gt; <b>`, "ends in a backslash \\", "`code` \\`", "@everyone @org/team #12",
		"\x1b[2J\x1b]0;title\x07 red", "\u202eevil\u202c \u2066x\u2069 a\u200bb\u2028c\u2029d", "\xff\xfe broken", "[ref]: https://evil.example", "a\r\n\r\n# b",
	}
}

// strange is an incident with this text wherever a stranger, a person or a newer build can write.
func strange(text string) ([]incidents.Event, review.Options) {
	events := fixed()
	events[0].Opening.Target, events[0].Opening.Domain = text, text
	a := alert(map[string]string{"alertname": text, "l" + text: text})
	a.Annotations = map[string]string{"x" + text: text}
	a.Fingerprint = "1" + text
	events[0].Opening.Alert = a
	for i := range events {
		e := &events[i]
		switch {
		case e.Decision != nil:
			d := *e.Decision
			d.Cause, d.Reason, d.Rule, d.Others = text, text, text, []incidents.Other{{Name: text, Why: text}}
			d.Evidence = []incidents.Evidence{{Name: text, Unit: text, Value: float64(i), Words: text}, {Name: "n" + text, Unit: text, Value: 1}}
			e.Decision, e.Basis = &d, &incidents.Basis{Policy: text, Build: text}
		case e.Person != nil:
			e.Person, e.Note, e.Plan = &incidents.Person{Name: text, Via: text}, text, text
		case e.Refusal != nil:
			e.Refusal = &incidents.Refusal{Reason: remediations.Reason(text), Words: text, By: text}
		case e.Judgement != nil:
			e.Judgement = &incidents.Judgement{Effect: incidents.Improved, Words: text, Evidence: []incidents.Evidence{{Name: text, Words: text, Value: 3}}}
		case e.Order != nil:
			o := *e.Order
			o.Service, o.Edge, o.Fix, o.Action, o.Plan, o.Override = text, text, text, text, text, text
			o.Params, _ = json.Marshal(text)
			e.Order = &o
		case e.Closing != nil:
			e.Closing = &incidents.Closing{Outcome: incidents.Outcome(text), Words: text}
		case e.Receipt != nil:
			e.Receipt = &remediations.Receipt{Note: text}
		}
	}
	newer := plain(incidents.Kind(text), 9000)
	newer.Note = text
	s := goodput()[:1]
	s[0].Name, s[0].Unit = text, text
	return append(events, newer), review.Options{Series: s}
}

// tags are the elements of a page with all their attributes, in order, without what the texts say.
func tags(page string) []string {
	return regexp.MustCompile(`<[^>]*>`).FindAllString(page, -1)
}

// marks are what means something in Markdown, line by line, without what is escaped.
func marks(text string) []string {
	text = regexp.MustCompile("\\\\[\\\\`*_{}\\[\\]|~#!$.:]|&(amp|lt|gt);").ReplaceAllString(text, "")
	var out []string
	for _, line := range strings.Split(text, "\n") {
		line = strings.ReplaceAll(line, "@\u2060", "")
		mean := regexp.MustCompile("[\\\\`*_{}\\[\\]<>|~#!$@]|://|www\\.|^ *[-+>] |^ *[0-9]+[.)] ").FindAllString(line, -1)
		out = append(out, strings.Join(mean, ""))
	}
	return out
}

// Whatever strangers write, a document has the same elements as with harmless text: all of it is text.
func TestHostile(t *testing.T) {
	t.Parallel()
	calm := written(t, review.New(strange("harmless")))
	if n := len(tags(calm["html"])); n < 300 || strings.Count(calm["html"], "harmless") < 40 || strings.Count(calm["md"], "harmless") < 40 {
		t.Fatalf("got %d elements: the texts are not in the document, and nothing is tried", n)
	}
	for _, text := range attacks() {
		got := written(t, review.New(strange(text)))
		if want := tags(calm["html"]); !slices.Equal(tags(got["html"]), want) {
			t.Errorf("%q: the page has other elements: %s", text, firstOther(tags(got["html"]), want))
		}
		if want := marks(calm["md"]); !slices.Equal(marks(got["md"]), want) {
			t.Errorf("%q: the Markdown has other marks: %s", text, firstOther(marks(got["md"]), want))
		}
		for form, document := range got {
			for _, r := range document {
				if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == 0x2028 || r == 0x2029) {
					t.Errorf("%q: %s has the character %U", text, form, r)
					break
				}
			}
			if !utf8.ValidString(document) {
				t.Errorf("%q: %s is no UTF-8", text, form)
			}
		}
		if !json.Valid([]byte(got["json"])) {
			t.Errorf("%q: the JSON is none", text)
		}
	}
}

func firstOther(got, want []string) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return got[i] + " instead of " + want[i]
		}
	}
	return "one has more than the other"
}

// A page asks for nothing from anywhere, and lets nothing run.
func TestSelfContained(t *testing.T) {
	t.Parallel()
	page := written(t, review.New(fixed(), review.Options{Series: goodput()}))["html"]
	if !strings.Contains(page, `content="default-src &#39;none&#39;; style-src &#39;sha256-`) && !strings.Contains(page, `content="default-src 'none'; style-src 'sha256-`) {
		t.Error("the page has no policy")
	}
	for _, tag := range tags(page) {
		if regexp.MustCompile(`(?i)<(script|img|link|iframe|object|embed|base|form|a|use|image)\b|\s(on[a-z]+|src|href|style)\s*=`).MatchString(tag) {
			t.Errorf("the page has %s", tag)
		}
	}
	if bytes.Contains([]byte(page), []byte("url(")) || strings.Contains(page, "@import") {
		t.Error("the style asks for a file")
	}
	for _, svg := range regexp.MustCompile(`(?s)<svg role="img" aria-labelledby="(\S+) (\S+)"[^>]*>.*?</desc>`).FindAllStringSubmatch(page, -1) {
		for _, id := range svg[1:] {
			if !regexp.MustCompile(`id="` + id + `">[^<]{10,}<`).MatchString(svg[0]) {
				t.Errorf("the picture %s has no text for those who do not see it", id)
			}
		}
	}
	if n := strings.Count(page, `role="img"`); n != 3 {
		t.Errorf("got %d pictures, want the incident and two series", n)
	}
}

// A text without an end is cut.
func TestEndless(t *testing.T) {
	t.Parallel()
	for form, document := range written(t, review.New(strange(strings.Repeat("長い ", 100_000)))) {
		if len(document) > 400_000 {
			t.Errorf("%s has %d bytes", form, len(document))
		}
	}
}
