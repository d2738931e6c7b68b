package sessiondrift

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// words formats a sentence for people.
func words(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// seconds is a time span for people. Its digits are those that matter.
func seconds(s float64) string {
	switch {
	case math.Abs(s) < 10:
		return fmt.Sprintf("%.1f s", s)
	case math.Abs(s) < 60:
		return fmt.Sprintf("%.0f s", s)
	}
	return span(time.Duration(min(max(s, -1e9), 1e9) * float64(time.Second)))
}

// span is a time span for people, in whole seconds.
func span(d time.Duration) string { return d.Round(time.Second).String() }

// counted is a number of things, as "1 session is" or "2 sessions are".
func counted(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, several)
}

// finite says that a number can be written down.
func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// mostNamed is how many things a sentence names at most.
const mostNamed = 5

// list names things, the first few of them.
func list(all []string) string {
	if n := len(all); n > mostNamed {
		return strings.Join(all[:mostNamed], ", ") + words(" and %d more", n-mostNamed)
	}
	return strings.Join(all, ", ")
}

// owners are the names of those whose sessions they are, each once, sorted.
func owners(all []sessions.Session) []string {
	var names []string
	for _, s := range all {
		names = append(names, s.Owner)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
