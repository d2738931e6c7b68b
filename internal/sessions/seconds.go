package sessions

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Seconds is a duration that is written as a number of seconds.
type Seconds time.Duration

// Duration is the duration.
func (s Seconds) Duration() time.Duration { return time.Duration(s) }

// MarshalJSON writes seconds, with a fraction where there is one.
func (s Seconds) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(s).Seconds()) }

// UnmarshalJSON reads seconds, and refuses what is no duration: negative, or longer than a hundred years.
func (s *Seconds) UnmarshalJSON(text []byte) error {
	var f float64
	if err := json.Unmarshal(text, &f); err != nil {
		return fmt.Errorf("read seconds: %w", err)
	}
	const century = 100 * 366 * 24 * 60 * 60
	if f < 0 || f > century {
		return fmt.Errorf("read seconds: %v is out of range", f)
	}
	*s = Seconds(math.Round(f * float64(time.Second)))
	return nil
}
