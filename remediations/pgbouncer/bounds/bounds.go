// Package bounds says what the remediation pgbouncer can never pass, at which poolers it can do anything, and what its fixes can be asked
// for. It brings no client, so that what was decided in the past, or would be by another policy, is held against the same bounds as the
// change itself.
package bounds

import (
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

const (
	// Name is what a [remediations.Step] calls the remediation.
	Name = "pgbouncer"
	// Its fixes.
	FixGrow   = "grow_pool"
	FixResume = "resume"
	FixPause  = "pause"
	// MaxGrown is the longest that a pool may be larger, MaxPaused that a database may be paused.
	MaxGrown  = 30 * time.Minute
	MaxPaused = 15 * time.Second
	// MaxOnce bounds how long the effect of a resume is looked for.
	MaxOnce = 30 * time.Minute
)

// Places are the poolers that can be changed, by the name of the cluster and their own: "orders/bouncer1". The nil Places has none.
type Places map[string]bool

// PlacesOf are those of a policy: the poolers with a login that may change them.
func PlacesOf(p policy.Policy) Places {
	all := Places{}
	for _, c := range p.Postgres {
		for _, b := range c.PgBouncers {
			if b.Admin != nil {
				all[c.Cluster+"/"+b.PgBouncer] = true
			}
		}
	}
	return all
}

// Has says whether a step's place is such a pooler, whatever its fix is.
func (p Places) Has(s remediations.Step) bool { return s.Node != "" && p[s.Place()] }

// Of a step are those of its fix. What is not known here, or cannot be read, has none: nothing is within them.
func (p Places) Of(s remediations.Step) remediations.Bounds {
	none := remediations.Bounds{Class: remediations.ClassN}
	if !p.Has(s) {
		return none
	}
	switch s.Fix {
	case FixGrow:
		if _, err := ReadGrow(s.Params); err == nil {
			return grow()
		}
	case FixResume:
		if r, err := ReadResume(s.Params); err == nil {
			return resume(r)
		}
	case FixPause:
		if _, err := ReadPause(s.Params); err == nil {
			return pause()
		}
	}
	return none
}

func grow() remediations.Bounds {
	return remediations.Bounds{Class: remediations.ClassA, MaxLimit: MaxGrown, Never: []string{
		"a pool whose size is not what the plan saw, or that somebody else has changed since",
		"more than a quarter, or more sessions over all pools than the plan may use",
		"the configuration file: a RELOAD ends it",
	}}
}

func resume(r Resume) remediations.Bounds {
	b := remediations.Bounds{Class: remediations.ClassP, MaxLimit: MaxOnce, Once: true, Never: []string{
		"a database that is disabled",
		"a pause of the whole pooler",
	}}
	if r.Ours {
		b.Class = remediations.ClassA
	}
	return b
}

func pause() remediations.Bounds {
	return remediations.Bounds{Class: remediations.ClassP, MaxLimit: MaxPaused, Never: []string{
		"a database that is paused or disabled already",
		"a pooler without a dead-man beside it that has promised to resume",
		"for longer than a quarter of query_wait_timeout",
	}}
}
