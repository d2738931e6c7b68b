package sessiondrift

// byHand is what a person does about a cause in which nothing is touched; the runbook says more.
func byHand(c Cause) string {
	switch c {
	case CauseStoreUnreadable:
		return "Nothing is touched while that is not known. Is the store's primary up, and does the membership's record hold what the nodes write?"
	case CauseNoQuorum, CausePartition:
		return "Nothing is touched: what looks like orphans here may be served on the other side. Find the cut and heal it; the sessions then come back by themselves"
	case CauseClock:
		return "Nothing is touched: set the clock right first, then look at the leases again"
	case CauseTooMany:
		return "Nothing is touched. Look for a partition, a wrong clock, a deploy or a node that stopped renewing, before anybody believes in so many orphans"
	}
	return "A person must look"
}

// healthyWords says what was seen where nothing has drifted.
func (r deciding) healthyWords() string {
	o := r.newest().seen
	text := words("none of %d sessions is an orphan", o.Orphans.Read)
	if o.Orphans.Expired > 0 {
		text += words(" (%d are overdue, and their owners live)", o.Orphans.Expired)
	}
	if n := len(o.Replicas.Replicas); n > 0 {
		text += words(", and %s no more than %s behind, and nothing otherwise than the primary", counted(n, "replica is", "replicas are"), r.thresholds.Lag)
	}
	return text + ". The rule sees something else than a fault, or it is over"
}
