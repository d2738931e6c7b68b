package runbooks

// Drill is a fault that is made on purpose, so that nobody meets it for the first time at night. Nothing here makes one: people plan it.
type Drill struct {
	Name string
	// Shows is what must be seen for it to count as passed.
	Shows string
	Every Interval
}

// Interval is how often a drill is due.
type Interval string

// The intervals.
const (
	Weekly    Interval = "weekly"
	Monthly   Interval = "monthly"
	Quarterly Interval = "quarterly"
)

// Drills are all of them, the most frequent first.
func Drills() []Drill {
	return []Drill{
		{Name: "smoke", Shows: "health, membership, database, a new session", Every: Weekly},
		{Name: "database failover", Shows: "the primary stops, a standby is promoted, the old primary follows it, replication is whole again", Every: Monthly},
		{Name: "session failover", Shows: "100 sessions there and back and none lost; under stress 10,000, ten times", Every: Monthly},
		{Name: "network partition", Shows: "one node is cut off, it is seen within 30 s, it heals, all views agree", Every: Quarterly},
		{Name: "cascade", Shows: "the database stops, it is seen, the breaker opens, nothing grows beyond twice its size, all recover", Every: Quarterly},
		{Name: "full", Shows: "the primary stops, automatic failover, data consistent, the old primary is back", Every: Quarterly},
	}
}
