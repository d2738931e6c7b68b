package incidents

import (
	"slices"
	"sync"
)

// cacheSize is how many states a store remembers.
const cacheSize = 1024

// cache remembers the last states that a store has seen, so that moving an incident on does not read its whole record each
// time. It never answers by itself: a state is used only if the record's last message says that nothing came behind it.
type cache struct {
	mu     sync.Mutex
	states map[ID]*State // guarded by mu
}

// get is a copy of the remembered state if nothing was appended behind seq's message.
func (c *cache) get(id ID, seq uint64) (*State, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	st, ok := c.states[id]
	// A replica of the stream that lags tells of an older message: what we know is newer.
	if !ok || st.Seq < seq {
		return nil, false
	}
	return st.clone(), true
}

// put remembers a copy. Which of the others makes room does not matter.
func (c *cache) put(st *State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.states == nil {
		c.states = map[ID]*State{}
	}
	if _, known := c.states[st.ID]; !known && len(c.states) >= cacheSize {
		for id := range c.states {
			delete(c.states, id)
			break
		}
	}
	c.states[st.ID] = st.clone()
}

// clone copies what Apply changes in place.
func (s *State) clone() *State {
	c := *s
	c.Alerts, c.Looks, c.Fixes = slices.Clone(s.Alerts), slices.Clone(s.Looks), slices.Clone(s.Fixes)
	c.Approvals = slices.Clone(s.Approvals)
	return &c
}
