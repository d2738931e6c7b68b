package poolexhaustion

import (
	"fmt"
	"math"
	"time"
)

// words formats a sentence for people.
func words(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// percent is a share for people.
func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }

// seconds is a time span for people. Its digits are those that matter.
func seconds(s float64) string {
	switch {
	case s < 10:
		return fmt.Sprintf("%.1f s", s)
	case s < 60:
		return fmt.Sprintf("%.0f s", s)
	}
	return time.Duration(s * float64(time.Second)).Round(time.Second).String()
}

// counted is a number of things, as "1 client waits" or "2 clients wait".
func counted(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, several)
}

// finite says that a number can be written down.
func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// whole is a number that may come from anywhere as a number of connections: nothing below zero, nothing without an end.
func whole(v float64) int {
	if !finite(v) || v <= 0 {
		return 0
	}
	return int(min(math.Round(v), 1_000_000))
}
