package haproxy

import (
	"fmt"
	"strings"
	"time"
)

// Admin is what people, tools and the configuration want of a server: the bits of srv_admin_state.
type Admin uint

// The bits of an Admin. Zero is ready.
const (
	// Maint: set to maintenance, by hand or because the configuration says disabled.
	Maint Admin = 0x01
	// MaintInherited: the server that it tracks is in maintenance.
	MaintInherited Admin = 0x02
	// FromConfig: the configuration said disabled. It stays when somebody sets the server to ready, and means nothing alone.
	FromConfig Admin = 0x04
	// Drain: no new connections, those that are open go on.
	Drain Admin = 0x08
	// DrainInherited: the server that it tracks is drained.
	DrainInherited Admin = 0x10
	// NoAddress: in maintenance because its name does not resolve.
	NoAddress Admin = 0x20
	// NameChanged: its name was set at run time.
	NameChanged Admin = 0x40
)

// effect are the bits without those that only say where something came from.
func (a Admin) effect() Admin { return a &^ (FromConfig | NameChanged) }

// Ready says that nobody has taken the server out.
func (a Admin) Ready() bool { return a.effect() == 0 }

// OnlyDrained says that the server was drained by a command, and is out for no other reason.
func (a Admin) OnlyDrained() bool { return a.effect() == Drain }

// String is the state as people say it.
func (a Admin) String() string {
	var words []string
	for _, b := range []struct {
		bit  Admin
		word string
	}{
		{Maint, "in maintenance"}, {MaintInherited, "in maintenance with the server that it tracks"}, {Drain, "drained"},
		{DrainInherited, "drained with the server that it tracks"}, {NoAddress, "in maintenance, its name does not resolve"},
	} {
		if a&b.bit == 0 {
			continue
		}
		if b.bit == Maint && a&FromConfig != 0 {
			b.word = "disabled in the configuration"
		}
		words = append(words, b.word)
		a &^= b.bit
	}
	if rest := a.effect(); rest != 0 {
		words = append(words, fmt.Sprintf("in a state that is not known here (0x%x)", uint(rest)))
	}
	if len(words) == 0 {
		return "ready"
	}
	return strings.Join(words, " and ")
}

// State is what a server can be set to.
type State string

// The states that [Client.SetState] takes.
const (
	StateReady State = "ready"
	StateDrain State = "drain"
	StateMaint State = "maint"
)

// Server is one server of a backend.
type Server struct {
	Name string
	// Addr is host:port.
	Addr  string
	Admin Admin
	// OperationalUp says that HAProxy holds it for running: neither down, nor starting slowly, nor about to stop.
	OperationalUp bool
	// Checked says that HAProxy checks its health. One that is not checked is always held for running.
	Checked bool
	// Backup says that it gets connections only when no other server is there.
	Backup bool
	// Weight is its present share; with zero it gets no new connections, whatever Admin says.
	Weight int
	// Sessions are open at this moment.
	Sessions int
	// Since is how long ago its state changed last, by anybody's wish or by a health check, in whole seconds.
	Since time.Duration
}

// Takes says that HAProxy gives new connections to it and knows by a check that it answers.
func (s Server) Takes() bool {
	return s.Admin.Ready() && s.OperationalUp && s.Checked && s.Weight > 0 && !s.Backup
}

// Why says in words why it does not take new connections; "ready" if it does.
func (s Server) Why() string {
	switch {
	case !s.Admin.Ready():
		return s.Admin.String()
	case s.Weight == 0:
		return "at weight 0"
	case !s.OperationalUp:
		return "down"
	case s.Backup:
		return "only a backup"
	case !s.Checked:
		return "not checked for its health"
	}
	return "ready"
}
