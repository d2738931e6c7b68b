// Package operate is what people may order over HTTP, and what they must read for it: pause and resume, the kill switch,
// acknowledge, override, recall, approve and deny. An order comes from a person who is named, is written down, and is refused by a
// name. Nothing here touches a target: an order becomes an entry in a record or in a shared document, and whoever carries
// incidents acts on that.
//
//	GET    /api/v1/guard                                  the kill switch in its three means, and the pauses ([Guarded])
//	POST   /api/v1/pauses       {reason, for, handler, domain}
//	DELETE /api/v1/pauses?id=   {reason}                  without an id: all of them
//	POST   /api/v1/kill-switch  {reason}                  nothing is started any more
//	DELETE /api/v1/kill-switch  {reason}                  it is again
//	GET    /api/v1/blocked                                one [Block] a line: all that refuses changes now
//	GET    /api/v1/budget                                 one [ledger.Budget] a line
//	POST   /api/v1/notify/test  {}                        one [Told] a line: which places took a marked test message
//	POST   /api/v1/incidents/ID/ack       {reason}
//	POST   /api/v1/incidents/ID/override  {reason}
//	POST   /api/v1/incidents/ID/recall    {reason}
//	GET    /api/v1/approvals                              one [Approval] a line: all that waits for a yes
//	POST   /api/v1/incidents/ID/approve   {asking, plan}
//	POST   /api/v1/incidents/ID/deny      {asking, plan, reason}
//
// Whoever may not give an order hears 401 or 403, an order that comes too late or is about something else 409, one that lacks what it
// needs 422. What could not be asked or stored is 503, and the words say what is known of it. Only an order that was taken is 2xx.
package operate

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/desk"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/guard"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
	"github.com/rs/zerolog"
)

// Brake is how people stop and let go: see [guard.Brake].
type Brake interface {
	Read(ctx context.Context, now time.Time) guard.Setting
	Pause(ctx context.Context, p guard.Pause, now time.Time) (guard.Pause, error)
	Resume(ctx context.Context, id, by string, now time.Time) ([]guard.Pause, error)
	SwitchOff(ctx context.Context, o guard.Order, now time.Time) error
	SwitchOn(ctx context.Context, o guard.Order, now time.Time) error
}

// Ledger is what the limits say now: see [ledger.Ledger].
type Ledger interface {
	View(ctx context.Context, now time.Time) (ledger.View, error)
}

// Agenda knows the incidents that are open: see bus.Agenda.
type Agenda interface {
	Open(ctx context.Context) (map[string]time.Time, error)
}

// Records are the incidents: see [incidents.Store].
type Records interface {
	Load(ctx context.Context, id incidents.ID) (*incidents.State, error)
}

// Windows are the maintenance windows: see windows.Windows.
type Windows interface {
	Check(handler, domain string, now time.Time) *remediations.NoError
}

// Watchdog says whether we are deaf: see [guard.Watchdog].
type Watchdog interface {
	Check(now time.Time) *remediations.NoError
}

// Config is what the API works with. All fields are required but Windows, Watchdog, Targets, NotifyTest, Next and Now.
type Config struct {
	Desk    *desk.Desk
	Brake   Brake
	Ledger  Ledger
	Agenda  Agenda
	Records Records
	// Windows and Watchdog are shown among what blocks. Nil: there are none.
	Windows  Windows
	Watchdog Watchdog
	// Targets are those of the policy. A pause for a handler or a domain that none of them has is refused: it would pause nothing,
	// and whoever ordered it would believe that it does.
	Targets []policy.TargetName
	// Who says who asks, and what they may do. Its error is the answer 401.
	Who func(*http.Request) (incidents.Person, Rights, error)
	// MayApprove says whether a person may approve this very fix: nil if so. It is asked besides [Rights].Approve.
	MayApprove func(p incidents.Person, handler, target, fix string) error
	// NotifyTest tells a test to every place. Nil: there are none.
	NotifyTest NotifyTest
	// Next answers all other paths, to those who may read. Nil: there are none.
	Next http.Handler
	// Now is the clock; nil is the machine's.
	Now func() time.Time
	Log zerolog.Logger
}

// api is the handler.
type api struct {
	Config
	crossOrigin *http.CrossOriginProtection
}

// New makes the API. It is safe for concurrent use.
func New(cfg Config) (http.Handler, error) {
	for what, missing := range map[string]bool{
		"desk": cfg.Desk == nil, "brake": cfg.Brake == nil, "ledger": cfg.Ledger == nil, "agenda": cfg.Agenda == nil,
		"records": cfg.Records == nil, "way to know who asks": cfg.Who == nil, "way to know who may approve": cfg.MayApprove == nil,
	} {
		if missing {
			return nil, errors.New("configure the operators' API: no " + what)
		}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &api{Config: cfg, crossOrigin: http.NewCrossOriginProtection()}, nil
}

// call is one request of one person.
type call struct {
	w      http.ResponseWriter
	r      *http.Request
	person incidents.Person
	// id is the incident that the path names.
	id string
}

// route is what answers a path with a method, and the right that it needs.
type route struct {
	need   Right
	answer func(call) error
}

// routes are by path, with ID where an incident's stands, and then by method.
func (a *api) routes() map[string]map[string]route {
	get, post, del := http.MethodGet, http.MethodPost, http.MethodDelete
	return map[string]map[string]route{
		"guard":                 {get: {Read, a.guard}},
		"pauses":                {post: {Operate, a.pause}, del: {Operate, a.resume}},
		"kill-switch":           {post: {Operate, a.switchOff}, del: {Operate, a.switchOn}},
		"blocked":               {get: {Read, a.blocked}},
		"budget":                {get: {Read, a.budget}},
		"approvals":             {get: {Read, a.approvals}},
		"notify/test":           {post: {Operate, a.notifyTest}},
		"incidents/ID/ack":      {post: {Operate, a.ack}},
		"incidents/ID/override": {post: {Operate, a.override}},
		"incidents/ID/recall":   {post: {Operate, a.recall}},
		"incidents/ID/approve":  {post: {Approve, a.approve}},
		"incidents/ID/deny":     {post: {Approve, a.deny}},
	}
}

// find is the path's place in routes, and the incident that it names.
func find(path string) (place, id string) {
	path = strings.TrimSuffix(strings.TrimPrefix(path, "/api/v1/"), "/")
	parts := strings.Split(path, "/")
	if len(parts) == 3 && parts[0] == "incidents" {
		return "incidents/ID/" + parts[2], parts[1]
	}
	return path, ""
}

// ServeHTTP answers who may ask.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := call{w: w, r: r}
	if err := a.serve(c); err != nil {
		a.refuse(c, err)
	}
}

func (a *api) serve(c call) error {
	var rights Rights
	var err error
	if c.person, rights, err = a.Who(c.r); err != nil {
		c.w.Header().Set("WWW-Authenticate", `Bearer realm="firebreak"`)
		return &refusal{http.StatusUnauthorized, codeWho, err.Error()}
	}
	if err := a.crossOrigin.Check(c.r); err != nil {
		return &refusal{http.StatusForbidden, codeCrossOrigin, "a page of another origin sent this"}
	}
	place, id := find(c.r.URL.Path)
	c.id = id
	methods, ours := a.routes()[place]
	if !ours {
		return a.next(c, rights)
	}
	rt, ok := methods[c.r.Method]
	if !ok {
		c.w.Header().Set("Allow", allowed(methods))
		return &refusal{http.StatusMethodNotAllowed, codeMethod, c.r.Method + " does not go here; " + allowed(methods) + " does"}
	}
	if err := rights.check(rt.need, c.person); err != nil {
		return err
	}
	return rt.answer(c)
}

// next hands on what is not ours, to who may read.
func (a *api) next(c call, rights Rights) error {
	if err := rights.check(Read, c.person); err != nil {
		return err
	}
	if a.Next == nil {
		return &refusal{http.StatusNotFound, codeNotFound, "there is no such path"}
	}
	a.Next.ServeHTTP(c.w, c.r)
	return nil
}

// took writes an order that was taken to the log: it is what people changed, beside the records.
func (a *api) took(c call, what string) *zerolog.Event {
	return a.Log.Info().Str("order", what).Str("by", c.person.Name).Str("via", c.person.Via)
}
