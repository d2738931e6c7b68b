package replicationlag

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
)

// apart is how far from each other the primary's and a standby's position may have been read to be held against each other.
const apart = time.Second

// kind says what a number of seconds is worth.
type kind int

// The kinds of lag in seconds.
const (
	unmeasured kind = iota // not known; it is not zero
	exactly                // the primary's replay_lag, or zero because nothing is behind
	atMost                 // the time since the last commit that was replayed: more than the lag whenever the primary was quiet
)

// lag is how far a standby is behind its primary. Seconds mean nothing without the primary's position, so nor do they without bytes.
type lag struct {
	known   bool
	why     string // why it is not known
	bytes   int64
	kind    kind
	seconds float64
}

// measure is decision-table 2.1's lag number: bytes from the primary's position and the standby's, both read by us within a second;
// seconds are 0 if hardly a byte is behind, else the primary's replay_lag, else the age of the last commit replayed, as an upper bound.
func measure(primary, node *Node, sender *Sender, slack int64) lag {
	s := node.Standby
	gap := max(primary.ReadAt.Sub(asked(node)), node.ReadAt.Sub(asked(primary)))
	switch {
	case s == nil || s.Replayed == nil:
		return lag{why: "it does not say how far it has replayed"}
	case primary.Primary.Current == 0:
		return lag{why: "the primary does not say its position"}
	case primary.ReadAt.IsZero() || node.ReadAt.IsZero() || gap > apart:
		return lag{why: words("its position and the primary's were read up to %s apart, and more than %s says nothing", gap.Round(10*time.Millisecond), apart)}
	}
	l := lag{known: true, bytes: behind(primary.Primary.Current, *s.Replayed)}
	switch {
	case l.bytes <= slack:
		l.kind = exactly
	case sender != nil && sender.ReplayLag != nil:
		l.kind, l.seconds = exactly, float64(*sender.ReplayLag)
	case !s.ReplayedAt.IsZero():
		l.kind, l.seconds = atMost, max(0, now(primary).Sub(s.ReplayedAt).Seconds())
	}
	return l
}

// asked is when a node's position can have been read at the earliest.
func asked(n *Node) time.Time {
	if n.AskedAt.IsZero() {
		return n.ReadAt
	}
	return n.AskedAt
}

// now is a node's own clock where it told it, else ours.
func now(n *Node) time.Time {
	if n.Clock.IsZero() {
		return n.ReadAt
	}
	return n.Clock
}

// behind is how many bytes b is behind a; never less than none, since b may have been read later.
func behind(a, b LSN) int64 {
	if b >= a {
		return 0
	}
	return int64(min(a-b, math.MaxInt64))
}

// parts are the places where the WAL can be on its way, in bytes. Their sum is about the lag.
type parts struct {
	known bool
	// unsent: on the primary. inFlight: sent, not written. unflushed: written, not on the standby's disk. unreplayed: on disk, not replayed.
	unsent, inFlight, unflushed, unreplayed int64
}

func (p parts) total() int64 { return p.unsent + p.inFlight + p.unflushed + p.unreplayed }

// state is one standby in one look, beside its primary.
type state struct {
	node, primary *Node
	sender        *Sender // its row on the primary; nil if there is none, or it is not clear which it is
	slot          *Slot   // its slot on the primary, if the policy names it and it is there
	doubt         string  // why what was read about it cannot be used
	cascaded      bool    // it streams from another standby, so there is no row
	lag           lag
}

// stateOf finds what one look says about one standby.
func (r deciding) stateOf(s sight, n policy.PostgresNode) state {
	st := state{node: s.node(n.Node), primary: s.primary}
	if st.node == nil {
		st.node = &Node{Name: n.Node, Problem: "it was not looked at"}
	}
	st.sender, st.slot, st.doubt = senderOf(s.primary.Primary, n)
	if !st.readable() {
		return st
	}
	if st.doubt == "" && st.standby().Hidden {
		st.doubt = "its views hide their numbers from us: grant pg_monitor"
	}
	st.cascaded = st.sender == nil && r.streamsFromStandby(st)
	st.lag = measure(s.primary, st.node, st.sender, r.slackOf(st))
	return st
}

// senderOf finds the walsender of a node: the one that uses its slot, else the one that calls itself as the policy says. Two that do are none.
func senderOf(p *Primary, n policy.PostgresNode) (*Sender, *Slot, string) {
	var slot *Slot
	for i := range p.Slots {
		if n.Slot != "" && p.Slots[i].Name == n.Slot {
			slot = &p.Slots[i]
		}
	}
	var named []*Sender
	for i := range p.Senders {
		s := &p.Senders[i]
		if s.State == "backup" {
			continue
		}
		if slot != nil && slot.ActivePID != 0 && slot.ActivePID == s.PID {
			return s, slot, ""
		}
		if s.ApplicationName == applicationName(n) {
			named = append(named, s)
		}
	}
	switch len(named) {
	case 0:
		return nil, slot, ""
	case 1:
		return named[0], slot, ""
	}
	return nil, slot, words("%d walsenders call themselves %q, and which one is its own is not clear", len(named), applicationName(n))
}

func applicationName(n policy.PostgresNode) string {
	if n.ApplicationName == "" {
		return n.Node
	}
	return n.ApplicationName
}

// streamsFromStandby says that it receives from another node of the policy than the primary.
func (r deciding) streamsFromStandby(s state) bool {
	w := s.standby().Receiver
	if w == nil || w.SenderHost == "" || w.Status != "streaming" {
		return false
	}
	return slices.ContainsFunc(r.cluster.topology.Nodes, func(n policy.PostgresNode) bool {
		return n.Host == w.SenderHost && n.Node != s.primary.Name && n.Node != s.node.Name
	}) && !slices.ContainsFunc(r.cluster.topology.Nodes, func(n policy.PostgresNode) bool {
		return n.Host == w.SenderHost && n.Node == s.primary.Name
	})
}

func (s state) standby() *Standby { return s.node.Standby }

// absent says that neither the node answers nor the primary sends anything to it.
func (s state) absent() bool { return s.node.Problem != "" && s.sender == nil && s.doubt == "" }

// readable says that the node answered, as a standby.
func (s state) readable() bool { return s.node.Problem == "" && s.node.Standby != nil }

// attached says that WAL can come: a walsender streams to it, or another standby does, and it has a receiver.
func (s state) attached() bool {
	if s.standby().Receiver == nil {
		return false
	}
	return s.cascaded || s.sender != nil && streams(s.sender)
}

// streams says that a walsender sends WAL to a standby.
func streams(s *Sender) bool { return s.State == "streaming" || s.State == "catchup" }

// parts says where the WAL is. Without a row there are only two: not yet received, and not yet replayed.
func (s state) parts() parts {
	if s.sender != nil && s.sender.Sent != nil && s.sender.Write != nil && s.sender.Flush != nil && s.sender.Replay != nil {
		w, replayed := s.sender, *s.sender.Replay
		if s.readable() && s.standby().Replayed != nil {
			// Its own word is newer: the primary hears of it only when the receiver speaks, which is not while that waits for the disk.
			replayed = max(replayed, *s.standby().Replayed)
		}
		return parts{known: true, unsent: behind(s.primary.Primary.Current, *w.Sent), inFlight: behind(*w.Sent, *w.Write),
			unflushed: behind(*w.Write, *w.Flush), unreplayed: behind(*w.Flush, replayed)}
	}
	if s.sender == nil && s.readable() && s.standby().Received != nil && s.standby().Replayed != nil {
		return parts{known: true, unsent: behind(s.primary.Primary.Current, *s.standby().Received),
			unreplayed: behind(*s.standby().Received, *s.standby().Replayed)}
	}
	return parts{}
}

// commitAge is how long ago the last replayed transaction was committed, in seconds: the number that many rules call the lag.
func (s state) commitAge() float64 {
	if s.standby().ReplayedAt.IsZero() {
		return 0
	}
	return max(0, now(s.primary).Sub(s.standby().ReplayedAt).Seconds())
}

// silent says that nothing was heard over the line for longer than a line that works allows. A receiver speaks each
// wal_receiver_status_interval; one that is told never to (0) speaks when the primary asks, which is within wal_sender_timeout.
func (r deciding) silent(s state) bool {
	limit := r.thresholds.ReplyAge.D().Seconds()
	if every, ok := s.node.Settings["wal_receiver_status_interval"]; ok {
		if every == 0 {
			every = s.primary.Settings["wal_sender_timeout"]
		}
		limit = max(limit, 2*float64(every)/1000)
	}
	if s.sender != nil && s.sender.ReplyAge != nil {
		return float64(*s.sender.ReplyAge) > limit
	}
	w := s.standby().Receiver
	if w == nil || w.MessageAge == nil {
		return false
	}
	timeout, known := s.primary.Settings["wal_sender_timeout"]
	if known && timeout == 0 {
		return false // an idle primary never speaks then
	}
	// An idle primary speaks each wal_sender_timeout/2 only.
	return float64(*w.MessageAge) > max(limit, float64(timeout)/2000+5)
}

// lost says that the primary no longer keeps what this standby needs.
func (s state) lost() bool { return s.slot != nil && s.slot.WALStatus == "lost" }

// delayed says that replay waits because it was told to be late.
func (s state) delayed() bool {
	w := s.standby().Startup
	return s.standby().ApplyDelay > 0 && w != nil && w.WaitEvent == "RecoveryApplyDelay"
}

// The states of replay's pause.
const (
	pauseNone      = "not paused"
	pauseRequested = "pause requested"
	pausePaused    = "paused"
)

func (s state) pause() string { return s.standby().Pause }

func (s state) paused() bool { return s.pause() == pausePaused || s.pause() == pauseRequested }

// settings are the compared settings that are lower than on the primary, and those that are not known on either: they may be.
func (s state) settings() (lower, unknown []string) {
	for _, name := range ComparedSettings() {
		here, ok := s.node.Settings[name]
		there, also := s.primary.Settings[name]
		switch {
		case !ok || !also:
			unknown = append(unknown, name)
		case here < there:
			lower = append(lower, words("%s (%d, and %d on %s)", name, here, there, s.primary.Name))
		}
	}
	return lower, unknown
}

// replayBusy says that the startup process works: it is on the CPU, on the disk, or takes a short internal lock. A process that could not
// be seen is not known to work.
func (s state) replayBusy() bool {
	w := s.standby().Startup
	return w != nil && (w.WaitEventType == "" || w.WaitEventType == "IO" || w.WaitEventType == "LWLock")
}

func (s state) waitsForSnapshot() bool {
	w := s.standby().Startup
	return w != nil && (strings.HasPrefix(w.WaitEvent, "RecoveryConflict") || w.WaitEventType == "BufferPin")
}

func (s state) waitsForLock() bool {
	w := s.standby().Startup
	return w != nil && w.WaitEventType == "Lock"
}
