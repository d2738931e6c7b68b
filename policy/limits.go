package policy

// Limits bound all handlers together. They are enforced outside of the handlers, in one compare-and-set.
type Limits struct {
	// PerDomain bounds one failure domain, default 3 an hour, 6 a day, 1 at once.
	PerDomain Budget `yaml:"per_domain"`
	// PerAction bounds one kind of change, such as breaker/open, over all domains; default 6 an hour, 20 a day, 2 at once.
	PerAction Budget `yaml:"per_action"`
	// Global bounds all failure domains together, default 10 an hour, 40 a day, 2 at once.
	Global Budget `yaml:"global"`
	// Cooldown is how long a failure domain is left alone after a fix has ended, default 10m. Nil takes the default; zero is
	// no cooldown.
	Cooldown *Duration `yaml:"cooldown" rule:"min=0s"`
	// CooldownRisky is the same after a fix of class P or above, default 1h. Such a domain also waits for a person's ack.
	CooldownRisky *Duration `yaml:"cooldown_risky" rule:"min=0s"`
	// AlertMaxAge is the age past which an alert is not acted on any more, default 2m.
	AlertMaxAge Duration `yaml:"alert_max_age" rule:"default=2m;min=1s"`
	// BlastRadius is how much may be sick at once while fixes still start.
	BlastRadius BlastRadius `yaml:"blast_radius"`
	// Chain is how often the same may be fixed in vain.
	Chain Chain `yaml:"ineffective_chain"`
}

// Budget is how many fixes may start in a window, and how many may stand at once. Zero takes the default; a file
// cannot say zero (no fix at all is mode: observe). Concurrent ≤ Hour ≤ Day.
type Budget struct {
	Hour       int `yaml:"hour" rule:"min=1"`
	Day        int `yaml:"day" rule:"min=1"`
	Concurrent int `yaml:"concurrent" rule:"min=1"`
}

// BlastRadius stops all automatic fixes of a zone when too many of its targets are sick at once: the fault is upstream of us.
// One sick target alone is never too many.
type BlastRadius struct {
	// Targets is how many targets of one zone may have an open incident while fixes still start, default 2.
	Targets int `yaml:"targets" rule:"default=2;min=1"`
	// SharePercent is the same as a share of the targets that the policy names in the zone, default 33.
	SharePercent int `yaml:"share_percent" rule:"default=33;min=1;max=100"`
	// AlertsPerMinute is how many alerts may arrive in a minute, over all zones, before it is a storm; default 1000.
	AlertsPerMinute int `yaml:"alerts_per_minute" rule:"default=1000;min=1"`
	// Calm is how long all of this must hold again, without a break, before fixes start again; default 10m.
	Calm Duration `yaml:"calm" rule:"default=10m;min=1s"`
}

// Chain is what is fixed again and again, and back again: the fix hides the fault. A person's ack begins a new count.
type Chain struct {
	// Fixes is how many of one kind on one target within Window stop it, default 5.
	Fixes int `yaml:"fixes" rule:"default=5;min=2"`
	// Window is how far back they are counted, default 72h.
	Window Duration `yaml:"window" rule:"default=72h;min=1h;max=720h"`
}
