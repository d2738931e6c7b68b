package incidents

import (
	"fmt"
	"slices"
	"strings"

	"github.com/firebreak-sre/firebreak/policy"
)

// Calling is one rung of the escalation ladder that was reached: who is called, because nobody has taken the incident. That it is in the
// record is what makes it happen once over all replicas and restarts. It changes nothing of the state.
type Calling struct {
	// Round counts from 1 how often a person was called who came; Number counts the round's rungs from 1, Of are how many there were.
	Round  int `json:"round"`
	Number int `json:"number"`
	Of     int `json:"of"`
	// After is how long nobody may have taken it before this rung, by the policy. It was reached then or later.
	After policy.Duration `json:"after"`
	// Severity is the value of the alert's label that chose the ladder.
	Severity string `json:"severity,omitempty"`
	// To are the places that are told, by their names in the policy. No other place is.
	To []string `json:"to"`
	// Mention is a user or a user group of Slack that is named there.
	Mention string `json:"mention,omitempty"`
}

// Names says whether a place is one of those that are told, by its name in the policy. A rung that is not there tells nobody.
func (c *Calling) Names(place string) bool { return c != nil && slices.Contains(c.To, place) }

func (c *Calling) words() string {
	since := "a person is needed"
	if c.After > 0 {
		since = "nobody has taken it for " + roundWords(c.After)
	}
	verb := "is"
	if len(c.To) > 1 {
		verb = "are"
	}
	return fmt.Sprintf("%s: step %d of %d, %s %s told", since, c.Number, c.Of, andWords(c.To), verb)
}

// roundWords is a duration without the units that are zero at its end: 15m, not 15m0s.
func roundWords(d policy.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// andWords is a list as people say it.
func andWords(all []string) string {
	switch n := len(all); n {
	case 0:
		return "nobody"
	case 1:
		return all[0]
	default:
		return strings.Join(all[:n-1], ", ") + " and " + all[n-1]
	}
}
