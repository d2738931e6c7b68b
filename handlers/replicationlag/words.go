package replicationlag

import (
	"fmt"
	"time"
)

// words formats a sentence for people.
func words(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// percent is a share for people.
func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }

// size is an amount of WAL for people, in powers of ten as PostgreSQL's own messages for rates have it.
func size(bytes float64) string {
	for _, u := range []struct {
		name string
		size float64
	}{{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}} {
		if bytes >= u.size {
			return fmt.Sprintf("%.1f %s", bytes/u.size, u.name)
		}
	}
	return fmt.Sprintf("%.0f B", bytes)
}

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

// counted is a number of things, as "1 look" or "2 looks".
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// words is the lag for people, with what the number is worth.
func (l lag) words() string {
	if !l.known {
		return "how far it is behind is not known: " + l.why
	}
	text := size(float64(l.bytes)) + " behind"
	switch l.kind {
	case exactly:
		return text + ", " + seconds(l.seconds)
	case atMost:
		return text + ", at most " + seconds(l.seconds) + " (no replay_lag: this is the age of the last replayed commit)"
	}
	return text + ", in seconds not known"
}

// String is the position as PostgreSQL writes it, e.g. "0/3A00028".
func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint64(l)>>32, uint64(l)&0xFFFFFFFF) }
