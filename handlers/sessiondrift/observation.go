package sessiondrift

import "github.com/firebreak-sre/firebreak/internal/sessions"

// Observation is one look at a session store and at what goes on around it. What could not be read is said in the Problem of its part, and
// is not zero: a part with a Problem says nothing else. Times are the store's clock, unless said otherwise.
type Observation struct {
	// Problem says why nothing at all could be looked at; everything below is empty then.
	Problem string `json:"problem,omitempty"`
	// Members is who is there, by the store.
	Members Members `json:"members"`
	// Replicas is how far the store's own copies are.
	Replicas Replicas `json:"replicas"`
	// Orphans is what one scan of the live sessions found.
	Orphans Orphans `json:"orphans"`
	// Contents compares what the replicas hold with the primary.
	Contents Contents `json:"contents"`
	// Copies are the sessions of which nodes hold several copies.
	Copies Copies `json:"copies"`
	// Around is what else is going on, by the policy's Prometheus.
	Around Around `json:"around"`
	Clock  Clock  `json:"clock"`
}

// Members is the membership. It has been checked (sessions.Membership.Check): one that contradicts itself is a Problem.
type Members struct {
	Problem string `json:"problem,omitempty"`
	sessions.Membership
}

// Replicas is how far each replica is from the primary. No replica is no problem: there is nothing to be behind.
type Replicas struct {
	Problem string `json:"problem,omitempty"`
	sessions.Replication
}

// Orphans is what one scan of the live sessions found, judged by the Members of the same look.
type Orphans struct {
	Problem string `json:"problem,omitempty"`
	// Read is how many live sessions were read, Complete whether these were all. Unreadable are those that are no sessions as the contract
	// knows them; they are not in Read.
	Read       int  `json:"read"`
	Complete   bool `json:"complete"`
	Unreadable int  `json:"unreadable,omitempty"`
	// Expired had their lease end more than 2 x TTL ago, whoever owns them. It counts them without a quorum too.
	Expired int `json:"expired"`
	// Count is how many sessions.Orphan calls orphans: none without a quorum.
	Count int `json:"count"`
	// ByOwner counts the expired ones by their owner: those with the most, then by name, at most 50. Owners counts all of these owners.
	ByOwner map[string]int `json:"by_owner,omitempty"`
	Owners  int            `json:"owners"`
	// ByPriority counts the orphans.
	ByPriority map[sessions.Priority]int `json:"by_priority,omitempty"`
	// Oldest are orphans: the one whose lease ended first, then by id, then by copy; at most 200.
	Oldest []sessions.Session `json:"oldest,omitempty"`
}

// Contents compares the replicas with the primary on one cut of the stream.
type Contents struct {
	Problem string       `json:"problem,omitempty"`
	Cut     sessions.Cut `json:"cut"`
	// Replicas are all that the store names, in the order of their names.
	Replicas []Compared `json:"replicas,omitempty"`
}

// Compared is one replica compared with the primary.
type Compared struct {
	Name    string `json:"name"`
	Problem string `json:"problem,omitempty"`
	// Buckets is how many of the digest's sessions.Buckets differ; some of that is on its way. Examined is how many of these were looked
	// into, session by session.
	Buckets  int `json:"buckets"`
	Examined int `json:"examined"`
	// Differences are those that are not on their way (see sessions.Examine), by id, then by copy, at most 100. More says that there are
	// more than these.
	Differences []sessions.Difference `json:"differences,omitempty"`
	More        bool                  `json:"more,omitempty"`
}

// Copies are sessions of which the store's primary holds several copies that are not equal. A store that holds each session once has none.
// Each group is all copies of one id in the order of their names, at most 50; groups are in the order of their ids.
type Copies struct {
	Problem string `json:"problem,omitempty"`
	// Dominated are those in which one copy has seen more than another one, and no two are concurrent. At most 50 groups.
	Dominated [][]sessions.Session `json:"dominated,omitempty"`
	// Concurrent are those in which two have each seen what the other has not. At most 50 groups.
	Concurrent [][]sessions.Session `json:"concurrent,omitempty"`
	// More says that there are more groups than these, or larger ones, which are left out.
	More bool `json:"more,omitempty"`
}

// Around is what the policy's Prometheus says. What the policy does not ask for is empty and is no problem: the fields do not tell "not asked"
// from "nothing there", the policy does.
type Around struct {
	// Partition are the alerts that fire now and mean that nodes do not hear each other: their names, sorted, at most 20.
	Partition        []string `json:"partition,omitempty"`
	PartitionProblem string   `json:"partition_problem,omitempty"`
	// Deploying says whether the application is being rolled out. Nil: not asked, or not known.
	Deploying        *bool  `json:"deploying,omitempty"`
	DeployingProblem string `json:"deploying_problem,omitempty"`
	// NotFound is how many requests per second miss their session ("session not found"), as the clients see it.
	NotFound        *float64 `json:"not_found,omitempty"`
	NotFoundProblem string   `json:"not_found_problem,omitempty"`
	// OrphansBefore is how many orphans there were some minutes ago.
	OrphansBefore        *float64 `json:"orphans_before,omitempty"`
	OrphansBeforeProblem string   `json:"orphans_before_problem,omitempty"`
}

// Clock compares the store's clock with ours.
type Clock struct {
	// Offset is how many seconds the store's clock is ahead of ours; negative if it is behind. It was measured Within that many seconds:
	// half of the time that the question took. Within is zero if it was not measured.
	Offset float64 `json:"offset_seconds"`
	Within float64 `json:"within_seconds"`
}
