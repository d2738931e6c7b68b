package bus

// Waiting is how many entries have been handed in and are in no message yet.
func (j *Journal) Waiting() int { return len(j.queue) }
