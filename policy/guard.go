package policy

// Guard is what is asked before anything is changed, besides the limits. Nothing here ever blocks a revert or a person.
type Guard struct {
	// StopFile is the kill switch that needs nothing but a disk: while it exists nothing is changed. Default STOP in bus.data;
	// ./firebreak.stop with bus.url. A path that is not absolute starts at the folder of the policy file. The file need not
	// exist, and its path is never that of a folder.
	StopFile string `yaml:"stop_file"`
	// Maintenance are the times in which nothing is changed because people work.
	Maintenance []Window `yaml:"maintenance"`
	// Observer is how we know that we are not the one that is cut off.
	Observer Observer `yaml:"observer"`
	// Watchdog is the alert that always fires. Nil: not watched.
	Watchdog *Watchdog `yaml:"watchdog"`
	// Heartbeat is a URL that is told that we live. Nil: none; the metric firebreak_heartbeat_timestamp_seconds is always there.
	Heartbeat *Heartbeat `yaml:"heartbeat"`
}

// Window is a maintenance window: once, with From and Until, or every week, with Days, At and For.
type Window struct {
	Name string `yaml:"name" rule:"need=weekly-patching;name"`
	// From and Until bound a window that opens once.
	From  Instant `yaml:"from"`
	Until Instant `yaml:"until"`
	// Days are mon to sun; empty is every day. At is when it opens on them, 15:04 in TimeZone; For is how long.
	Days []string  `yaml:"days" rule:"day"`
	At   ClockTime `yaml:"at"`
	For  Duration  `yaml:"for" rule:"min=1m;max=24h"`
	// TimeZone of Days and At is an IANA name, default UTC. From and Until say their own.
	TimeZone string `yaml:"time_zone" rule:"default=UTC"`
	// Handlers and Domains are whom it is for; empty is all.
	Handlers []string `yaml:"handlers" rule:"handler"`
	Domains  []string `yaml:"domains" rule:"name"`
}

// Once says whether the window opens once, and not every week.
func (w Window) Once() bool { return !w.From.IsZero() }

// days are the days that a window can name, in the order of the week.
func days() []string { return []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"} }

// Observer says how our own health is measured before something is changed.
type Observer struct {
	// Anchors are places that are not targets: host:port, which must accept a connection, or an http(s) URL, which must answer below 500.
	// Empty: not asked.
	Anchors []string `yaml:"anchors" rule:"anchor"`
	// Need is how many of them must be reached, default more than half. Zero only without anchors.
	Need int `yaml:"need" rule:"min=1"`
	// ClockSkew is how far our clock may be from that of a target which tells its time, default 2s.
	ClockSkew Duration `yaml:"clock_skew" rule:"default=2s;min=10ms"`
	// Timeout of one question, default 1s.
	Timeout Duration `yaml:"timeout" rule:"default=1s;min=10ms"`
}

// Watchdog is an alert that always fires and whose silence means that we are deaf: we then only observe, and page.
type Watchdog struct {
	// Alert is its alertname, default Watchdog.
	Alert string `yaml:"alert" rule:"default=Watchdog"`
	// MaxAge is how long ago it may have been delivered last, default 15m: three times the repeat_interval of its route.
	MaxAge Duration `yaml:"max_age" rule:"default=15m;min=1s"`
}

// Heartbeat is posted to while the bus works and the handlers are being served. What watches it pages when it stops.
type Heartbeat struct {
	// URL is an http(s) address, which is often a secret. Required, here or in URLFile.
	URL     Secret `yaml:"url"`
	URLFile string `yaml:"url_file" rule:"into=URL"`
	// Every is the time between two posts, default 60s.
	Every Duration `yaml:"every" rule:"default=60s;min=1s"`
}
