package remediations

// Grant is the right to make one fix in one failure domain. It does not end by time: giving it back does.
type Grant struct {
	// Fence is larger than that of every earlier grant.
	Fence uint64
}
