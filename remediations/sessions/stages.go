package sessions

import (
	"context"
	"fmt"
	"time"

	store "github.com/firebreak-sre/firebreak/internal/sessions"
)

// next waits until a further part may begin, and looks whether the last one helped. It says why there is to be no further one, "" if there is.
func (t target) next(ctx context.Context, last, one part, so tally, at, ends time.Time) string {
	if !at.Before(ends) {
		return fmt.Sprintf("the deadline comes before the next part, %s after the first", one.after)
	}
	wait := time.NewTimer(time.Until(at))
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return fmt.Sprintf("it was ended before the next part: %v", context.Cause(ctx))
	case <-wait.C:
	}
	return t.helped(ctx, last, so)
}

// oneIn is how many sessions of a part may have one among them that is not with the new owner: people log out.
const oneIn = 10

// helped looks whether the sessions that a part gave away are with their new owner. It says what speaks against it, "" if nothing does.
func (t target) helped(ctx context.Context, last part, so tally) string {
	given, ok := last.change.(recovering)
	if !ok {
		return ""
	}
	s, err := t.live(ctx, so.last)
	if err != nil {
		return "it cannot be seen whether the last part helped: " + err.Error()
	}
	missed := 0
	for _, key := range so.last {
		if !given.arrived(key, s) {
			missed++
		}
	}
	if missed*oneIn > len(so.last) {
		return fmt.Sprintf("the last part did not help: %d of its %d sessions are not with %s", missed, len(so.last), given.to)
	}
	return ""
}

// arrived says whether a session is with its new owner, as it was given or written since.
func (c recovering) arrived(key store.Key, s sight) bool {
	now, there := s.live[key]
	if !there || now.Owner != c.to {
		return false
	}
	for _, was := range c.sessions {
		if was.Key == key {
			given := was.Version.Next(c.to)
			return now.Version.Equal(given) || store.Dominates(now.Version, given)
		}
	}
	return false
}
