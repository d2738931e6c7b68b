package replicationlag

// Slot retention is an emergency of its own: without a bound a slot fills the primary's disk, with one it is lost, and its standby with it.

// ahead is for how long the primary must be able to go on writing before a slot can be lost: twice five minutes.
const ahead = 2 * 300.0

// retention finds the first slot that is in danger in each of the looks that must agree, and says why.
//
// A slot that its standby uses and that does not hold back more and more is in no danger, however small its bound is: the bound is then
// only what the person who set it wanted.
func (r deciding) retention() (why string, slot *Slot) {
	samples := r.samples()
	a, b := samples[0], samples[len(samples)-1]
	wrote, ok := rate(a.primary.Primary.Current, b.primary.Primary.Current, b.primary.ReadAt.Sub(a.primary.ReadAt))
	for i := range b.primary.Primary.Slots {
		now := &b.primary.Primary.Slots[i]
		before := a.primary.Primary.slot(now.Name)
		if before == nil {
			continue
		}
		if now.WALStatus == "unreserved" && before.WALStatus == "unreserved" {
			return words("the slot %s is unreserved: the primary %s may remove what it needs at the next checkpoint, and it holds back %s%s. %s",
				now.Name, b.primary.Name, held(now), room(now), slotAdvice(now)), now
		}
		if ok && before.short(wrote) && now.short(wrote) && now.falls(before, r.slack()) {
			return words("the slot %s holds back %s on %s%s, and %s/s are written: it can be lost within %s. %s", now.Name, held(now), b.primary.Name,
				room(now), size(wrote), seconds(float64(*now.SafeBytes)/wrote), slotAdvice(now)), now
		}
	}
	return "", nil
}

// slot finds a slot by its name.
func (p *Primary) slot(name string) *Slot {
	for i := range p.Slots {
		if p.Slots[i].Name == name {
			return &p.Slots[i]
		}
	}
	return nil
}

// short says that what may still be written does not last for the time that a person needs.
func (s *Slot) short(wrote float64) bool {
	return s.WALStatus != "lost" && s.SafeBytes != nil && wrote > quiet && float64(*s.SafeBytes) < ahead*wrote
}

// falls says that a slot falls behind: nobody uses it, or it holds back more than before.
func (s *Slot) falls(before *Slot, slack int64) bool {
	if !s.Active {
		return true
	}
	return s.Retained != nil && before.Retained != nil && *s.Retained > *before.Retained+slack
}

func held(s *Slot) string {
	if s.Retained == nil {
		return "an unknown amount of WAL"
	}
	return size(float64(*s.Retained))
}

func room(s *Slot) string {
	if s.SafeBytes == nil {
		return ""
	}
	return words(", %s may still be written", size(float64(max(0, *s.SafeBytes))))
}

// slotAdvice is what a person can do. Dropping the slot is the last of it: its consumer is lost then.
func slotAdvice(s *Slot) string {
	use := "nobody uses it"
	if s.Active {
		use = "it is in use"
	}
	return words("It is %s, and %s. Bring its consumer back or raise max_slot_wal_keep_size; dropping it loses the consumer and takes two people", s.Type, use)
}
