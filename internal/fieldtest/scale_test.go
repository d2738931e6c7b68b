package fieldtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
)

// What shortens the rules. An alert's for is only waited for, so it may be short. A range needs some scrapes in it, and what an alert looks
// back on, or is kept firing for, is as long as what it looks at.
const (
	forFactor   = 30
	rangeFactor = 10
)

// shipped is a file of the project that operators use as it is.
func shipped(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, path...)...))
	if err != nil {
		t.Fatalf("read what is shipped: %v", err)
	}
	return string(text)
}

// scaling is one kind of duration in a rules file, and what it is divided by.
type scaling struct {
	where  *regexp.Regexp // its second group is the duration
	factor int
}

func scalings() []scaling {
	return []scaling{
		{regexp.MustCompile(`(?m)^( +for: )([0-9]+[smhd])()$`), forFactor},
		{regexp.MustCompile(`(?m)^( +keep_firing_for: )([0-9]+[smhd])()$`), rangeFactor},
		{regexp.MustCompile(`(\[)([0-9]+[smhd])(\])`), rangeFactor},
		{regexp.MustCompile(`(offset )([0-9]+[smhd])()`), rangeFactor},
	}
}

// scale shortens the durations of a rules file.
func scale(text string) string {
	for _, s := range scalings() {
		text = s.where.ReplaceAllStringFunc(text, func(found string) string {
			part := s.where.FindStringSubmatch(found)
			d, err := model.ParseDuration(part[2])
			if err != nil {
				return found // what is no duration stays
			}
			return part[1] + strconv.FormatInt((time.Duration(d)/time.Duration(s.factor)).Milliseconds(), 10) + "ms" + part[3]
		})
	}
	return text
}

// waits is how long an alert of a rules file must be true before it fires.
func waits(t *testing.T, text, alert string) time.Duration {
	t.Helper()
	_, rest, ok := strings.Cut(text, "- alert: "+alert+"\n")
	if !ok {
		t.Fatalf("the rules have no alert %s any more", alert)
	}
	rule, _, _ := strings.Cut(rest, "- alert: ")
	found := regexp.MustCompile(`(?m)^ +for: (\S+)$`).FindStringSubmatch(rule)
	if found == nil {
		return 0
	}
	d, err := model.ParseDuration(found[1])
	if err != nil {
		t.Fatalf("the alert %s waits for %q: %v", alert, found[1], err)
	}
	return time.Duration(d)
}

// Shorter rules are the shipped ones in everything but their durations.
func TestScaleChangesDurationsOnly(t *testing.T) {
	t.Parallel()
	durations := regexp.MustCompile(`\b[0-9]+(ms|[smhd])\b`)
	for _, name := range []string{"firebreak.yaml", "retrystorm.yaml", "postgres.yaml", "pgbouncer.yaml", "sessions.yaml"} {
		text := shipped(t, "alerts", "rules", name)
		short := scale(text)
		if short == text {
			t.Errorf("%s: nothing became shorter", name)
		}
		if a, b := durations.ReplaceAllString(text, "D"), durations.ReplaceAllString(short, "D"); a != b {
			t.Errorf("%s: more than durations became different", name)
		}
	}
	text := shipped(t, "alerts", "rules", "retrystorm.yaml")
	if got, want := waits(t, scale(text), "RetryStorm"), waits(t, text, "RetryStorm")/forFactor; got != want || got == 0 {
		t.Errorf("RetryStorm waits for %s, want %s", got, want)
	}
	for _, want := range []string{"(edge_calls_total[6000ms])", "offset 12000ms)", "keep_firing_for: 18000ms\n", "ratio_rate1m > 1.3\n"} {
		if !strings.Contains(scale(text), want) {
			t.Errorf("the shorter rules have no %q", want)
		}
	}
}
