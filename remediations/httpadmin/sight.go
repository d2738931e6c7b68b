package httpadmin

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// pick are the instances that stand so.
func pick(seen []sight, s standing) []instance {
	var picked []instance
	for _, i := range seen {
		if i.standing == s {
			picked = append(picked, i.instance)
		}
	}
	return picked
}

func presumed(seen []sight) bool {
	for _, s := range seen {
		if s.presumed {
			return true
		}
	}
	return false
}

// problems are why instances could not be read; nil if all were.
func problems(seen []sight) error {
	var errs []error
	for _, s := range seen {
		errs = append(errs, s.err)
	}
	return errors.Join(errs...)
}

// presence is what all instances come to together.
func presence(seen []sight) remediations.Presence {
	p := remediations.Presence{State: remediations.Absent, Instances: len(seen), Obeying: len(pick(seen, off))}
	for _, c := range []struct {
		standing standing
		state    remediations.State
	}{{ours, remediations.Ours}, {theirs, remediations.Foreign}, {unread, remediations.Unknown}} {
		if k := len(pick(seen, c.standing)); k > 0 {
			p.State, p.Obeying = c.state, k
			break
		}
	}
	if p.State == remediations.Unknown {
		p.Obeying = 0
	}
	var details []string
	for _, s := range seen {
		details = append(details, s.instance.name+" "+s.describe())
	}
	p.Detail = strings.Join(details, "; ")
	for _, s := range seen {
		if p.Clock.IsZero() && !s.clock.IsZero() {
			p.Clock, p.ClockWithin = s.clock, policy.Duration(time.Second) // the header has whole seconds
		}
		if p.OwnerPaused == "" {
			p.OwnerPaused = s.paused
		}
	}
	return p
}

func (s sight) describe() string {
	switch {
	case s.standing == off:
		return "off"
	case s.standing == unread:
		return "could not be read"
	case s.presumed:
		return "on, presumed ours"
	case s.action == "":
		return "on, it does not say by whom"
	}
	return "on by action " + strconv.Quote(s.action)
}
